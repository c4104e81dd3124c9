/** `restante generate`: files for the machines around us. It reads the configuration and needs no server. */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode } from '../../base/files.ts';
import { showProblem } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { type Generated, SECRET } from '../../operate/generate/bundle.ts';
import { generateNncp, type NncpWishes, type NodeKeys, readKeys } from '../../operate/generate/nncp.ts';
import { sshKey } from '../../operate/generate/uucp/ssh-key.ts';
import { generateUucp, type UucpWishes } from '../../operate/generate/uucp.ts';
import type { Site } from '../../site/site.ts';
import { type Common, type Context, configFile } from './context.ts';
import { count, printJson } from './format.ts';
import { type Exit, Stop } from './terminal.ts';

const PROGRAM = resolve(import.meta.dirname, '../../../bin/restante');

export interface Placed extends Common {
  readonly dir?: string;
  readonly force?: boolean;
}

export async function generateUucpLine(
  context: Context,
  options: Placed & UucpWishes,
  name: string,
): Promise<Exit> {
  const { config, site } = siteOf(context, options, name);
  const made = generateUucp(
    {
      site: site.name,
      domains: site.domains,
      hostname: config.hostname,
      config: config.file,
      restante: PROGRAM,
      password,
      key: sshKey,
    },
    options,
  );
  return place(context, options, made);
}

interface KeyFiles {
  /** Our nncp.hjson, which stays: only the neighbour is added to it. */
  readonly join?: string;
  readonly nearKeys?: string;
  readonly farKeys?: string;
}

export async function generateNncpLine(
  context: Context,
  options: Placed & NncpWishes & KeyFiles,
  name: string,
): Promise<Exit> {
  const { config, site } = siteOf(context, options, name);
  const near = options.join === undefined ? nodeKeys('--near-keys', options.nearKeys) : joined(options.join);
  const far = nodeKeys('--far-keys', options.farKeys);
  const made = generateNncp(
    {
      site: site.name,
      domains: site.domains,
      hostname: config.hostname,
      config: config.file,
      restante: PROGRAM,
      keys: { near, far },
    },
    options,
  );
  return place(context, options, made);
}

const newKeys = (): string =>
  execFileSync('nncp-cfgnew', ['-nocomments'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  });

/** Of the file that was named, or new ones. */
function nodeKeys(option: string, path: string | undefined): NodeKeys {
  let text: string;
  try {
    text = path === undefined ? newKeys() : readFileSync(path, 'utf8');
  } catch (error) {
    if (path !== undefined) throw new Stop(2, `${option} ${path}: cannot be read (${errorCode(error)})`);
    throw new Stop(
      1,
      'nncp-cfgnew makes the keys, and it cannot be run here: apt-get install nncp, or run "nncp-cfgnew -nocomments > FILE" ' +
        'for each end on a machine that has it, and name the files by --near-keys and --far-keys',
    );
  }
  const keys = readKeys(text);
  if (keys) return keys;
  throw new Stop(
    2,
    `${option} ${path ?? ''}: no keys are found in it: "self: { id: … }" of an nncp.hjson is needed`,
  );
}

function joined(path: string): NodeKeys {
  const { secret: _, ...open } = nodeKeys('--join', path);
  return open;
}

/** The configuration, and the site in it that is meant. */
export function siteOf(context: Context, options: Common, name: string) {
  const loaded = loadConfig(configFile(context, options));
  if (loaded.kind === 'bad') throw new Stop(2, loaded.problems.map(showProblem).join('\n'));
  const { config } = loaded;
  const site: Site | undefined = config.sites.find((one) => one.name === name);
  if (!site) throw new Stop(1, `there is no site ${name} in ${config.file}`);
  return { config, site };
}

// 20 letters of 31: 99 bits, and none that is taken for another when read aloud.
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const password = (): string => Array.from({ length: 20 }, () => LETTERS[randomInt(LETTERS.length)]).join('');

/** Writes a bundle, all or nothing as far as names tell, and says what is next. */
export async function place(context: Context, options: Placed, made: Generated): Promise<Exit> {
  const { terminal } = context;
  if (made.kind === 'unusable') throw new Stop(2, made.why);
  const folder = resolve(options.dir ?? '.');
  const files = made.files.map((file) => ({ ...file, path: join(folder, file.path) }));
  const there = files.filter((file) => existsSync(file.path));
  if (there.length > 0 && !options.force) {
    const more = there.length > 1 ? `, and ${count(there.length - 1, 'other')}` : '';
    const anew = files.some((file) => file.mode === SECRET) ? ', and makes new passwords' : '';
    throw new Stop(1, `${there[0]?.path} is there already${more}: --force overwrites${anew}`);
  }
  for (const { path, mode, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    const part = `${path}.part`;
    await rm(part, { force: true });
    await writeFile(part, text, { mode: 0o600, flag: 'wx' });
    await chmod(part, mode);
    await rename(part, path);
  }
  if (options.json) {
    printJson(terminal, {
      files: files.map(({ path, mode }) => ({ path, mode: mode.toString(8).padStart(4, '0') })),
      next: made.steps,
    });
    return 0;
  }
  for (const { path } of files) terminal.out(`${path}\n`);
  terminal.out(`\n${count(files.length, 'file')} in ${folder}. Next, in that folder:\n`);
  made.steps.forEach((step, i) => void terminal.out(`${i + 1}. ${step}\n`));
  return 0;
}
