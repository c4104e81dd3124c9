/** `restante generate etrn`: what a site needs that calls for its mail. It reads the configuration and needs no server. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { showProblem } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type EtrnWishes, type GeneratedFile, generateEtrn } from '../../operate/generate/etrn.ts';
import { logins } from '../../site/site.ts';
import { type Common, type Context, configFile } from './context.ts';
import { printJson } from './format.ts';
import { type Exit, Stop } from './terminal.ts';

export interface EtrnOptions extends Common {
  readonly dir?: string;
  readonly over?: 'https' | 'smtp';
  readonly port?: string;
}

/** What is there is not overwritten: it may hold the secret in use. */
const ANEW = 'wx';

export async function generateEtrnLine(context: Context, options: EtrnOptions, name: string): Promise<Exit> {
  const { terminal } = context;
  const loaded = loadConfig(configFile(context, options));
  if (loaded.kind === 'bad') throw new Stop(2, loaded.problems.map(showProblem).join('\n'));
  const { config } = loaded;
  const site = config.sites.find((s) => s.name === name);
  if (!site) throw new Stop(1, `there is no site "${name}"`);
  const { dir } = options;
  if (dir === undefined) throw new Stop(2, 'where to? --dir FOLDER');
  const kind = options.over ?? (config.listen.call.length > 0 ? 'https' : 'smtp');
  const bound = kind === 'https' ? config.listen.call[0]?.port : config.listen.smtp[0]?.port;
  const port = Number(options.port ?? bound ?? (kind === 'https' ? 8366 : 25));
  const wishes: EtrnWishes = {
    site: name,
    domains: site.domains,
    hostname: config.hostname,
    way: { kind, port },
    login: logins(site)[0] ?? name,
  };
  const token = kind === 'https' ? randomBytes(24).toString('base64url') : null;
  const files: GeneratedFile[] = [...generateEtrn(wishes)];
  if (token !== null) files.push({ name: 'secret', mode: 0o600, text: `${token}\n` });
  const own = config.tls.length === 0 ? selfSigned(config.spool) : null;
  if (own !== null) files.push({ name: 'ca.pem', mode: 0o644, text: own });
  await place(dir, files);
  const hash = token === null ? null : createHash('sha256').update(token).digest('hex');
  if (options.json) printJson(terminal, { files: files.map((f) => join(dir, f.name)), token: hash });
  else {
    for (const file of files) terminal.out(`${join(dir, file.name)}\n`);
    if (hash !== null)
      terminal.out(`\nInto the configuration, below the site ${name}:\n    token: ${hash}\n`);
    else terminal.out(`\nIts password: restante secret set ${wishes.login}\n`);
  }
  return 0;
}

/** The certificate that the server made for itself, without its key. */
function selfSigned(spool: string): string | null {
  try {
    const pem = readFileSync(join(spool, 'self-signed.pem'), 'utf8');
    return /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(pem)?.[0] ?? null;
  } catch {
    return null;
  }
}

async function place(dir: string, files: readonly GeneratedFile[]): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const { name, mode, text } of files) {
    const path = join(dir, name);
    try {
      await writeFile(path, text, { mode, flag: ANEW });
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
        throw new Stop(1, `${path} is there already: name another folder`);
      throw error;
    }
    await chmod(path, mode);
  }
}
