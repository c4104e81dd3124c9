/** What people read: a page for the far end, and one for us. */
import { file, fill, type GeneratedFile, PLAIN } from '../bundle.ts';
import { configOf, type NncpPlan } from './plan.ts';

const FAR = `
NNCP between @NEAR@ (the mail exchanger that holds your mail) and @FAR@ (you)
==========================================================================

@NEAR@ keeps the mail for @DOMAINS@ until @FAR@ fetches it, by a call over
TCP to @HOST@ port @PORT@, or in files on a stick. All of it is encrypted for
you alone, and signed.

1. What to install
   apt-get install nncp
   and a mail server with a sendmail command (Postfix, Exim, OpenSMTPD, ...).

2. Where the files go
   As root, in this folder:     sh install.sh
   It writes to @PREFIX@ and says what. nncp.hjson holds your private keys.

3. The mail server
   Coming in: nothing to do but that your domains are local to it. rmail and
   rsmtp in @PREFIX@/bin give each mail to @SENDMAIL@.
   Going out: @MTA@
   Your mail server's programs run as @USER@ for this.

4. How to call
   By hand:       sh test.sh call
   By itself:     systemctl daemon-reload
                  systemctl enable --now restante-nncp-caller restante-nncp-toss
                  (every @MINUTES@ minutes: "calls" in nncp.hjson)
   Without a network:   sh carry.sh /media/stick
                  there, then the same at @NEAR@, then here again.

5. How to test
   sh test.sh           looks at each part and says what is wrong

6. When it fails, look at
   nncp-stat -cfg @HJSON@        what waits, each way
   nncp-log -cfg @HJSON@         what was done
   @STATE@
                        refused.* and damaged.*: what your sendmail did not take
   journalctl -t restante-mail, and the log of your mail server.
   What could not be handed over stays, and nncp-toss tries it again.
`;

const NEAR = `
NNCP: @NEAR@ (here) and @FAR@ (the site @SITE@)
==========================================================================

near/   for this machine       far/   for @FAR@: its private keys are in it,
                                      so give it by a way that others cannot read

1. Here, as root:
     apt-get install nncp
     sh near/install.sh
     systemctl daemon-reload && systemctl enable --now restante-nncp-daemon restante-nncp-toss
     put near/restante.yaml's lines into @CONFIG@
     the server's user has to be in the group @USER@:  usermod -aG @USER@ restante
     start the server again: a reload does not open listen: rmail
     sh near/test.sh
2. There: far/README.txt
3. Without a network: sh near/carry.sh DIR takes and leaves packets in a folder.

What comes from @FAR@ is given to restante rmail and rsmtp as @USER@, which has to be
able to read @CONFIG@.
If this machine has an nncp.hjson already, make these files with --join FILE; then only
the neighbour is added, from near/neigh.hjson.
`;

export function readmeFiles(plan: NncpPlan): GeneratedFile[] {
  const { near, far } = plan;
  const values = {
    SITE: plan.site,
    NEAR: near.name,
    FAR: far.name,
    DOMAINS: plan.domains.join(' '),
    HOST: plan.address.host,
    PORT: String(plan.address.port),
    PREFIX: far.prefix,
    HJSON: configOf(far),
    STATE: far.state,
    USER: plan.user,
    SENDMAIL: plan.sendmail,
    CONFIG: plan.config,
    MINUTES: String(plan.minutes),
    MTA:
      plan.mtas.length === 0
        ? `let your mail server run\n              ${far.prefix}/bin/to-${near.name} -f SENDER -- RECIPIENT...`
        : `see ${plan.mtas.map((mta) => `mta/${mta}.txt`).join(' or ')}.`,
  };
  return [file('README.txt', PLAIN, fill(NEAR, values)), file('far/README.txt', PLAIN, fill(FAR, values))];
}
