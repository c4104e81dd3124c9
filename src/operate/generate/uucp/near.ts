/** What only our end has: the commands that uuxqt runs, and the lines for restante.yaml. */
import { file, fill, type GeneratedFile, PLAIN, PROGRAM } from '../bundle.ts';
import { type End, type Plan, tell } from './plan.ts';

// uuxqt leaves nothing in PATH but the folder of these files.
const COMMAND = `
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
export PATH
exec @RESTANTE@ @COMMAND@ -c @CONFIG@@ARGUMENTS@
`;

const YAML = `
# For @CONFIG@: the site @SITE@ collects by UUCP.
sites:
  @SITE@:
    domains: [@DOMAINS@]
    collect: batch
    batch:
      command: [uux, @INCLUDE@"-p", "-r", "-n", "@PEER@!rcsmtp"]
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
    PEER: peer.name,
    DOMAINS: plan.domains.map((domain) => JSON.stringify(domain)).join(', '),
    INCLUDE: tell(end) === '' ? '' : `"-I", "${end.folders.prefix}/config", `,
  };
  return [
    command('rmail', 'rmail', ' -- "$@"'),
    command('rsmtp', 'rsmtp', ''),
    command('rcsmtp', 'rsmtp', ''),
    file('near/restante.yaml', PLAIN, fill(YAML, values)),
  ];
}
