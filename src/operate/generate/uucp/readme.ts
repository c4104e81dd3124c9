/** What people read: a page for the far end, and one for us. */
import { file, fill, type GeneratedFile, PLAIN } from '../bundle.ts';
import { calls, type Plan, tell } from './plan.ts';

const FAR = `
UUCP between @NEAR@ (the mail exchanger that holds your mail) and @FAR@ (you)
==========================================================================

@NEAR@ keeps the mail for @DOMAINS@ until @FAR@ calls. A call
takes your mail and brings away what your mail server has for others. It goes
over @LINE@.

1. What to install
   apt-get install uucp gzip@SSH@
   and a mail server with a sendmail command (Postfix, Exim, OpenSMTPD, ...).

2. Where the files go
   As root, in this folder:            sh install.sh
   It writes to @PREFIX@ (what other systems have there stays), makes
   owners and modes right, and says what it wrote. etc/ holds what it adds.
   @PASSWORDS@

3. The mail server
   Coming in: nothing to do but that your domains are local to it. rmail, rsmtp
   and rcsmtp in @PREFIX@/bin give each mail to @SENDMAIL@.
   Going out: @MTA@

4. How to call
   By hand:       setpriv --reuid=@USER@ --regid=@USER@ --init-groups @UUCICO@ -D -S @NEAR@@TELL@
   By itself:     systemctl daemon-reload
                  systemctl enable --now restante-uucp-@NEAR@.timer
                  (every @MINUTES@ minutes), or cron.txt instead.

5. How to test
   sh test.sh            looks at each part and says what is wrong
   sh test.sh call       and calls
   Then send a mail to somebody at @DOMAIN@ from elsewhere, call, and read it.

6. When it fails, look at
   @LOG@/Log             what each call did; its last lines say why it ended
   uustat -m@TELL@       the last call;  uustat -a@TELL@  what waits to be sent
   @STATE@
                         refused.* and damaged.*: what your sendmail did not take
   journalctl -t restante-mail, and the log of your mail server.
   A call that breaks loses nothing: the next one goes on with the rest.

@SECURITY@
`;

const NEAR = `
UUCP: @NEAR@ (here) and @FAR@ (the site @SITE@)
==========================================================================

near/   for this machine       far/   for @FAR@: give it to its administrator
                                      by a way that others cannot read

1. Here, as root:
     apt-get install uucp @PACKAGES@
     sh near/install.sh
@START@
     put near/restante.yaml's lines into @CONFIG@
     start the server again: a reload does not open listen: rmail
     sh near/test.sh
2. There: far/README.txt
3. When @FAR@ has called once:  restante site show @SITE@

near/etc/      what install.sh adds to @PREFIX@
near/bin/      what uuxqt runs for mail from @FAR@: restante rmail and rsmtp.
               These run as @USER@, which has to be able to read @CONFIG@
@ANSWER@
near/cron.txt  tries again what could not be taken at once; the systemd timer does the same
`;

const SECURITY = {
  tcp: `7. Over plain TCP the password and the mail can be read on the way. On lines that
   you do not trust use ssh (--over ssh), or run it inside a VPN.`,
  ssh: `7. ssh: @PREFIX@/ssh-@NEAR@ is your key. @NEAR@ lets it start uucico and
   nothing else. At the first call the host key of @NEAR@ is learned, and kept in
   @STATE@/known_hosts.
   If it fails, try:
   setpriv --reuid=@USER@ --regid=@USER@ --init-groups ssh -v -i @PREFIX@/ssh-@NEAR@ \\
     -o UserKnownHostsFile=@STATE@/known_hosts -p @PORT@ @USER@@AT@@HOST@
   It has to end with the word "Shere".@CALLED@`,
  pipe: `7. Both ends are on one machine; @FAR@ starts the other end's uucico itself.`,
};

export function readmeFiles(plan: Plan): GeneratedFile[] {
  const { near, far } = plan;
  const values: Record<string, string> = {
    AT: '@',
    SITE: plan.site,
    NEAR: near.name,
    FAR: far.name,
    DOMAINS: plan.domains.join(' '),
    DOMAIN: plan.domains.find((domain) => !domain.startsWith('.')) ?? `mail${plan.domains[0] ?? ''}`,
    PREFIX: far.folders.prefix,
    STATE: far.folders.state,
    LOG: far.folders.log,
    USER: plan.user,
    UUCICO: plan.uucico,
    SENDMAIL: plan.sendmail,
    TELL: tell(far),
    CONFIG: plan.config,
    MINUTES: String(plan.minutes),
    HOST: near.reached?.host ?? '',
    PORT: String(near.reached?.port ?? 0),
    SSH: plan.over !== 'ssh' ? '' : calls(plan, near) ? ' openssh-client openssh-server' : ' openssh-client',
    CALLED:
      plan.over === 'ssh' && calls(plan, near)
        ? `\n   ${near.name} calls you too, with a key that may start uucico and nothing else: sshd has\n` +
          `   to answer at ${far.reached?.host} port ${far.reached?.port}, and ${plan.user} needs a shell for it (install.sh says so).`
        : '',
    PACKAGES: plan.over === 'ssh' ? `openssh-server${calls(plan, near) ? ' openssh-client' : ''}` : 'socat',
    LINE: lineOf(plan),
    PASSWORDS:
      plan.over === 'tcp'
        ? `The password stands in ${far.folders.prefix}/call, which only root and ${plan.user} can read.`
        : 'There is no password.',
    MTA:
      plan.mtas.length === 0
        ? `let your mail server run\n              ${far.folders.prefix}/bin/to-${near.name} -f SENDER -- RECIPIENT...\n              as ${plan.user}, with the mail on standard input.`
        : `see ${plan.mtas.map((mta) => `mta/${mta}.txt`).join(' or ')}.`,
  };
  const start =
    plan.over === 'tcp'
      ? '     systemctl daemon-reload && systemctl enable --now restante-uucp.socket\n     (without systemd: near/inetd.txt, or sh near/listen.sh)'
      : plan.over === 'ssh'
        ? `     usermod -s /bin/sh ${plan.user}     (sshd starts nothing for an account without a shell)\n` +
          `     systemctl daemon-reload && systemctl enable --now restante-uucp-${far.name}.timer`
        : '';
  const called = calls(plan, near) ? `${near.name} calls too, every ${plan.minutes} minutes\n` : '';
  const answer =
    plan.over === 'tcp'
      ? `port ${plan.listen.port}       has to be open to ${far.name} in your packet filter\n${called}`
      : called;
  const near_ = { ...values, PREFIX: near.folders.prefix, START: start, ANSWER: answer };
  const tidy = (text: string) => text.replace(/\n{3,}/g, '\n\n');
  return [
    file('README.txt', PLAIN, tidy(fill(NEAR, near_).replace(/\n\n( {5}put)/, '\n$1'))),
    file(
      'far/README.txt',
      PLAIN,
      tidy(fill(FAR, { ...values, SECURITY: fill(SECURITY[plan.over], values) })),
    ),
  ];
}

function lineOf({ over, near }: Plan): string {
  switch (over) {
    case 'tcp':
      return `TCP to ${near.reached?.host} port ${near.reached?.port}`;
    case 'ssh':
      return `ssh to ${near.reached?.host} port ${near.reached?.port}`;
    case 'pipe':
      return 'a pipe on this machine';
    default:
      return over satisfies never;
  }
}
