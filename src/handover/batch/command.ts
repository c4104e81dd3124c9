/**
 * Runs one command: no shell, what it says bounded, killed with all its children when its time is over.
 *
 * Its input is a file that is complete before the command begins. Through a pipe a command would take what
 * had come so far for the whole, if we died in the middle: half a mail would be on its way.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Batch } from '../../site/site.ts';

export interface CommandJob {
  readonly words: readonly string[];
  readonly input: AsyncIterable<Uint8Array>;
  /** A path of our own for the input. Removed afterwards. */
  readonly file: string;
  /** The command opens the file itself, and its standard input is empty. */
  readonly byName: boolean;
  readonly compress: Batch['compress'];
  readonly timeout: number;
  /** Cuts it. */
  readonly signal: AbortSignal;
}

export interface Ended {
  readonly kind: 'ended';
  /** The exit code; null: ended by a signal, or by us. */
  readonly code: number | null;
  readonly why: 'exit' | 'signal' | 'timeout' | 'cut';
  /** The first line of what it said, on standard error if there is any. */
  readonly said: string;
  /** Octets of its input, after compression. */
  readonly octets: number;
}

export type Ran =
  | Ended
  /** It did not even begin: there is no such program. */
  | { readonly kind: 'unstarted'; readonly why: string }
  /** The input could not be made; nothing was run. */
  | { readonly kind: 'spoilt'; readonly fault: unknown };

export interface CommandMeans {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const MOST_SAID = 4096;
const MOST_LINE = 300;
/** Between the two signals; and for children that hold its output open. */
const PATIENCE = 2 * SECOND;
// Damage on the way is to be seen; gzip has its checksum anyway.
const CHECKED = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

/** Never rejects. */
export async function runCommand(job: CommandJob, means: CommandMeans): Promise<Ran> {
  try {
    const octets = await writeInput(job);
    if (job.byName) return await new Running(job, means, octets).run('ignore');
    const input = await open(job.file, 'r');
    try {
      return await new Running(job, means, octets).run(input.fd);
    } finally {
      await input.close();
    }
  } catch (fault) {
    return { kind: 'spoilt', fault };
  } finally {
    await rm(job.file, { force: true }).catch(() => {});
  }
}

/** Returns its octets. */
async function writeInput({ file, input, compress }: CommandJob): Promise<number> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const from = Readable.from(input, { objectMode: true });
  const to = createWriteStream(file, { mode: 0o600 });
  if (compress === 'none') await pipeline(from, to);
  else await pipeline(from, compress === 'gzip' ? createGzip() : createZstdCompress(CHECKED), to);
  return to.bytesWritten;
}

class Running {
  readonly #job: CommandJob;
  readonly #means: CommandMeans;
  readonly #octets: number;
  #why: Ended['why'] = 'exit';

  constructor(job: CommandJob, means: CommandMeans, octets: number) {
    this.#job = job;
    this.#means = means;
    this.#octets = octets;
  }

  async run(stdin: number | 'ignore'): Promise<Ran> {
    const { words, signal, timeout } = this.#job;
    const { clock, env } = this.#means;
    if (signal.aborted) return { kind: 'ended', code: null, why: 'cut', said: '', octets: this.#octets };
    const [program = '', ...others] = words;
    // A group of its own, so that it can be killed as a whole.
    const child = spawn(program, others, { cwd: '/', env, detached: true, stdio: [stdin, 'pipe', 'pipe'] });
    const out = new Said(child.stdout);
    const err = new Said(child.stderr);
    const timer = clock.after(timeout, () => this.#kill(child, 'timeout'));
    const cut = () => this.#kill(child, 'cut');
    signal.addEventListener('abort', cut);
    const end = await this.#ended(child);
    timer.cancel();
    signal.removeEventListener('abort', cut);
    if (typeof end === 'string') return { kind: 'unstarted', why: end };
    const why = this.#why === 'exit' && end.code === null ? 'signal' : this.#why;
    const code = why === 'exit' ? end.code : null;
    return { kind: 'ended', code, why, said: err.firstLine || out.firstLine, octets: this.#octets };
  }

  /** The exit, or why there was no start. */
  #ended(child: ChildProcess): Promise<{ code: number | null } | string> {
    return new Promise((resolve) => {
      child.once('error', (error) => {
        if (child.pid === undefined) resolve(error.message);
      });
      child.once('exit', (code) => {
        const done = () => {
          timer.cancel();
          child.stdout?.destroy();
          child.stderr?.destroy();
          resolve({ code });
        };
        const timer = this.#means.clock.after(PATIENCE, done);
        child.once('close', done);
      });
    });
  }

  #kill(child: ChildProcess, why: Ended['why']): void {
    if (this.#why !== 'exit' || child.pid === undefined) return;
    this.#why = why;
    const { pid } = child;
    send(pid, 'SIGTERM');
    const timer = this.#means.clock.after(PATIENCE, () => send(pid, 'SIGKILL'));
    child.once('close', () => timer.cancel());
  }
}

/** Negative: the whole group. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}

/** What a command says, its beginning. */
class Said {
  #text = '';

  constructor(from: NodeJS.ReadableStream | null) {
    from?.on('data', (chunk: Buffer) => {
      if (this.#text.length < MOST_SAID) this.#text += chunk.toString('utf8', 0, MOST_SAID);
    });
    from?.on('error', () => {});
  }

  /** Printable, for replies and logs. */
  get firstLine(): string {
    const line = this.#text.split('\n').find((l) => l.trim() !== '') ?? '';
    return line
      .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, ' ')
      .trim()
      .slice(0, MOST_LINE);
  }
}
