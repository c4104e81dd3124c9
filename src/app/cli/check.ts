/** `restante check`: is the configuration file good? 0, or 2 with all that is wrong. */
import { showProblem } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
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
  const { file, sites } = loaded.config;
  const domains = sites.reduce((sum, site) => sum + site.domains.length, 0);
  if (options.json) printJson(terminal, { ok: true, problems: [] });
  else terminal.out(`${file}: good: ${count(sites.length, 'site')}, ${count(domains, 'domain')}\n`);
  return 0;
}
