/** `restante check`: is the configuration file good? 0, with warnings where there are any; or 2 with all that is wrong. */
import { loginWarnings } from '../../auth/logins.ts';
import { showProblem } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { warningsOf } from '../../config/warnings.ts';
import type { Site } from '../../site/site.ts';
import { type Common, type Context, configFile } from './context.ts';
import { count, printJson } from './format.ts';
import type { Exit } from './terminal.ts';

export async function check(context: Context, options: Common): Promise<Exit> {
  const { terminal } = context;
  const loaded = loadConfig(configFile(context, options));
  if (loaded.kind === 'bad') {
    if (options.json) printJson(terminal, { ok: false, problems: loaded.problems });
    else for (const problem of loaded.problems) terminal.err(`${showProblem(problem)}\n`);
    return 2;
  }
  const { file, sites, secrets } = loaded.config;
  const warnings = [
    ...warningsOf(loaded.config),
    ...loginWarnings({ path: secrets, sites, needs: needsLogin }),
  ]
    .map((finding) => loaded.locate(finding))
    .map((at) => ({ ...at, text: `warning: ${at.text}` }));
  if (!options.json) for (const warning of warnings) terminal.err(`${showProblem(warning)}\n`);
  const domains = sites.reduce((sum, site) => sum + site.domains.length, 0);
  if (options.json) printJson(terminal, { ok: true, problems: [], warnings });
  else terminal.out(`${file}: good: ${count(sites.length, 'site')}, ${count(domains, 'domain')}\n`);
  return 0;
}

/** Why a site cannot do without a login. */
function needsLogin({ collect }: Site): string | null {
  switch (collect.kind) {
    case 'push':
    case 'etrn':
    case 'batch':
      return null;
    case 'odmr':
      return 'it calls by ODMR, which begins with a login';
    case 'mailbox':
      return 'it fetches its mail by POP3, which begins with a login';
  }
}
