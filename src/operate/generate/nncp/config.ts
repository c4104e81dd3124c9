/** nncp.hjson of one node, and its entry for the other; our lines for restante.yaml. */
import { file, fill, type GeneratedFile, PLAIN, SECRET } from '../bundle.ts';
import { configOf, type NncpEnd, type NncpPlan, peerOf } from './plan.ts';

const CONFIG = `
# NNCP: the node @NAME@. It holds this node's private keys: nobody but @USER@ may read it.
{
  spool: @SPOOL@
  log: @SPOOL@/log
  # The group may hand in mail, as the mail server does.
  umask: "007"

  self: {
    id: @ID@
    exchpub: @EXCHPUB@
    exchprv: @EXCHPRV@
    signpub: @SIGNPUB@
    signprv: @SIGNPRV@
    noiseprv: @NOISEPRV@
    noisepub: @NOISEPUB@
  }

  neigh: {
    self: {
      id: @ID@
      exchpub: @EXCHPUB@
      signpub: @SIGNPUB@
      noisepub: @NOISEPUB@
    }
@NEIGHBOUR@
  }
}
`;

const NEIGHBOUR = `
    # begin restante @NAME@
    @NAME@: {
      id: @ID@
      exchpub: @EXCHPUB@
      signpub: @SIGNPUB@
      noisepub: @NOISEPUB@
      # What @NAME@ may have run here, and nothing else. It can neither fetch nor leave files.
      exec: {
        rmail: [@RMAIL@]
        rsmtp: [@RSMTP@]
        rcsmtp: [@RSMTP@]
      }@CALLS@
    }
    # end restante @NAME@`;

const CALLS = `
      addrs: { main: "@ADDRESS@" }
      calls: [
        {
          cron: "@CRON@"
          when-tx-exists: false
        }
      ]`;

const YAML = `
# For @CONFIG@: the site @SITE@ collects by NNCP, and may send by it.
listen:
  # Whoever may open this folder may hand in mail of the sites: @USER@, and nobody else.
  rmail: @DOOR@/socket
sites:
  @SITE@:
    domains: [@DOMAINS@]
    collect: batch
    # NNCP compresses by itself. A packet is made when the oldest mail has waited for "every".
    batch: { nncp: @PEER@, config: @HJSON@, form: bsmtp, every: @MINUTES@m, from: { nncp: @ID@ } }
    # Mail that comes from it goes on, with sender addresses of its own domains.
    send: true
`;

export function configFiles(plan: NncpPlan, end: NncpEnd): GeneratedFile[] {
  const { secret } = end.keys;
  const neighbour = neighbourOf(plan, end);
  const files = [
    file(
      `${end.side}/neigh.hjson`,
      PLAIN,
      `# Into "neigh: { ... }" of a node that has its nncp.hjson already.\n${neighbour}`,
    ),
  ];
  if (secret) {
    const values = {
      ...publicOf(end),
      NAME: end.name,
      USER: plan.user,
      SPOOL: end.spool,
      NEIGHBOUR: neighbour,
    };
    const keys = { EXCHPRV: secret.exchprv, SIGNPRV: secret.signprv, NOISEPRV: secret.noiseprv };
    files.push(file(`${end.side}/nncp.hjson`, SECRET, fill(CONFIG, { ...values, ...keys })));
  }
  if (end.side === 'near') {
    files.push(
      file(
        'near/restante.yaml',
        PLAIN,
        fill(YAML, {
          CONFIG: plan.config,
          SITE: plan.site,
          USER: plan.user,
          DOOR: end.door,
          DOMAINS: plan.domains.map((domain) => JSON.stringify(domain)).join(', '),
          PEER: plan.far.name,
          HJSON: configOf(end),
          MINUTES: String(plan.minutes),
          ID: plan.far.keys.id,
        }),
      ),
    );
  }
  return files;
}

const publicOf = ({ keys }: NncpEnd) => ({
  ID: keys.id,
  EXCHPUB: keys.exchpub,
  SIGNPUB: keys.signpub,
  NOISEPUB: keys.noisepub,
});

/** What `end` knows of the other node. */
function neighbourOf(plan: NncpPlan, end: NncpEnd): string {
  const peer = peerOf(plan, end);
  const words = (list: readonly string[]) => list.map((word) => JSON.stringify(word)).join(', ');
  const ours = (command: string) => [plan.restante, command, '-c', plan.config];
  const theirs = (command: string) => [`${end.prefix}/bin/${command}`];
  const { host, port } = plan.address;
  const calls = {
    ADDRESS: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    // All seven fields: seconds first, so that not all sites call in the same one.
    CRON: `${Number.parseInt(plan.far.keys.id.slice(0, 6), 36) % 60} ${minutesOf(plan.minutes)} * * * *`,
  };
  return fill(NEIGHBOUR, {
    ...publicOf(peer),
    NAME: peer.name,
    RMAIL: words(end.side === 'near' ? [...ours('rmail'), '--'] : theirs('rmail')),
    RSMTP: words(end.side === 'near' ? ours('rsmtp') : theirs('rsmtp')),
    CALLS: end.side === 'far' ? fill(CALLS, calls) : '',
  }).replace(/^\n/, '');
}

const minutesOf = (minutes: number): string =>
  minutes < 60 ? `*/${minutes} *` : `7 */${Math.max(1, Math.round(minutes / 60))}`;
