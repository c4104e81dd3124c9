/** What only our end has: the commands that uuxqt runs, and the lines for restante.yaml. */
import { file, fill, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';
import type { End, Plan } from './plan.ts';

// uuxqt leaves nothing in PATH but the folder of these files.
const COMMAND = `
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec @RESTANTE@ @COMMAND@ -c @CONFIG@@ARGUMENTS@
`;

const YAML = `
# For @CONFIG@: the site @SITE@ collects by UUCP, and may send by it.
listen:
  # Whoever may open this folder may hand in mail of the sites: @USER@, and nobody else.
  rmail: @DOOR@/socket
sites:
  @SITE@:
    domains: [@DOMAINS@]
    collect: batch
    # Many mails in one compressed job. A job is made when the oldest mail has waited for "every".
    batch: { uucp: @PEER@, form: bsmtp, compress: gzip, every: @MINUTES@m@INCLUDE@ }
    # Mail that comes from it goes on, with sender addresses of its own domains.
    send: true
`;

export function nearFiles(plan: Plan, end: End, peer: End): GeneratedFile[] {
  const command = (name: string, called: string, takes: string) =>
    file(
      `near/bin/${name}`,
      PROGRAM,
      fill(COMMAND, { RESTANTE: plan.restante, CONFIG: plan.config, COMMAND: called, ARGUMENTS: takes }),
    );
  const values = {
    CONFIG: plan.config,
    SITE: plan.site,
    USER: plan.user,
    DOOR: end.folders.door,
    PEER: peer.name,
    DOMAINS: plan.domains.map((domain) => JSON.stringify(domain)).join(', '),
    MINUTES: String(plan.minutes),
    INCLUDE: end.folders.own ? `, config: ${end.folders.prefix}/config` : '',
  };
  return [
    command('rmail', 'rmail', ' -- "$@"'),
    command('rsmtp', 'rsmtp', ''),
    command('rcsmtp', 'rsmtp', ''),
    file('near/restante.yaml', PLAIN, fill(YAML, values)),
  ];
}
