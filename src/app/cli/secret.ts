/**
 * `restante secret …`: the passwords of logins. It works on the secrets file itself, whether the server runs or
 * not; the server reads it again within a second. No password comes from the command line, where
 * everybody on the machine could read it.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isLoginName } from '../../auth/format.ts';
import { sitesByLogin } from '../../auth/logins.ts';
import { saslprep } from '../../auth/prep.ts';
import { makeSecret } from '../../auth/secret.ts';
import { type Change, changeSecrets, readSecrets } from '../../auth/store.ts';
import { type Config, showProblem } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type Common, type Context, configFile } from './context.ts';
import { pairs, plain, printJson } from './format.ts';
import { type Exit, Stop } from './terminal.ts';

interface SetOptions extends Common {
  readonly cram?: boolean;
  readonly passwordFile?: string;
  readonly generate?: boolean;
}

const SHORTEST = 8;
const LONGEST = 1024;
/** Without those that look like others. 24 of them are 139 bits. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const GENERATED = 24;

export async function secretSet(context: Context, options: SetOptions, written: string): Promise<Exit> {
  const { terminal } = context;
  const config = configOf(context, options);
  const name = loginName(written);
  if (options.generate && options.passwordFile !== undefined)
    throw new Stop(2, '--generate and --password-file: one of both');
  const password = saslprep(options.generate ? generated() : await given(context, options, name));
  if (password === null) throw new Stop(1, 'the password holds characters that a password cannot have');
  if (password.length < SHORTEST)
    throw new Stop(1, `the password is too short: at least ${SHORTEST} characters`);
  if (Buffer.byteLength(password) > LONGEST) throw new Stop(1, 'the password is too long');
  const set = await makeSecret(name, password, randomBytes);
  change(config, { set, ...(options.cram && { password }) }, terminal.now());
  const sites = sitesByLogin(config.sites)(name);
  const cram = options.cram === true;
  if (options.json) {
    printJson(terminal, { login: name, sites, cram, ...(options.generate && { password }) });
    return 0;
  }
  if (sites.length === 0)
    terminal.err(`the login ${name} belongs to no site yet: name it in a site's "logins"\n`);
  if (options.generate) terminal.err(`the password of ${name}; it is not shown again:\n`);
  terminal.out(options.generate ? `${password}\n` : `${name}: set\n`);
  return 0;
}

export async function secretList(context: Context, options: Common): Promise<Exit> {
  const { terminal } = context;
  const config = configOf(context, options);
  const read = readSecrets(config.secrets);
  if (read.kind === 'bad') throw new Stop(1, `${config.secrets} cannot be used: ${read.why}`);
  const sitesOf = sitesByLogin(config.sites);
  const secrets = read.kind === 'ok' ? [...read.kept.secrets.values()] : [];
  const rows = secrets.map(({ name, sealed }) => ({
    login: name,
    sites: sitesOf(name),
    cram: sealed !== undefined,
  }));
  if (options.json) printJson(terminal, rows);
  else if (rows.length === 0) terminal.out('no secrets\n');
  else {
    const told = (row: (typeof rows)[number]) =>
      [plain(row.sites.join(', ') || 'no site'), ...(row.cram ? ['CRAM-MD5 too'] : [])].join('; ');
    pairs(
      terminal,
      rows.map((row) => [plain(row.login), told(row)] as const),
    );
  }
  return 0;
}

export async function secretRemove(context: Context, options: Common, written: string): Promise<Exit> {
  const name = loginName(written);
  const config = configOf(context, options);
  if (!change(config, { remove: name }, context.terminal.now())) throw new Stop(1, `${name} has no secret`);
  if (options.json) printJson(context.terminal, { login: name, removed: true });
  else context.terminal.out(`${name}: removed\n`);
  return 0;
}

function configOf(context: Context, options: Common): Config {
  const loaded = loadConfig(configFile(context, options));
  if (loaded.kind === 'ok') return loaded.config;
  throw new Stop(2, `the configuration is not good:\n${loaded.problems.map(showProblem).join('\n')}`);
}

function loginName(written: string): string {
  const name = saslprep(written);
  if (name !== null && isLoginName(name)) return name;
  throw new Stop(2, 'this is no login name: at most 255 octets, without control characters');
}

function change(config: Config, what: Change, now: number): boolean {
  try {
    return changeSecrets(config.secrets, what, randomBytes, now);
  } catch (error) {
    throw new Stop(1, error instanceof Error ? error.message : String(error));
  }
}

function generated(): string {
  return Array.from({ length: GENERATED }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

async function given({ terminal }: Context, options: SetOptions, name: string): Promise<string> {
  if (options.passwordFile !== undefined) return firstLine(options.passwordFile);
  const { ask } = terminal;
  const first = ask && (await ask.hidden(`Password of ${name}: `));
  if (!first) throw new Stop(1, 'no password was given: nothing is changed');
  if (ask.person && (await ask.hidden('Once more: ')) !== first) {
    throw new Stop(1, 'these are two different passwords: nothing is changed');
  }
  return first;
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/, 1)[0] ?? '';
  } catch (error) {
    throw new Stop(1, error instanceof Error ? error.message : String(error));
  }
}
