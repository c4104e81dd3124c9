/** The load: Postfix's smtp-source and smtp-sink, which cost little themselves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { postfixUser } from './postfix.ts';
import { cpuOf, cpuOfEnded } from './processes.ts';
import { greets, SINK, sleep } from './server.ts';
import type { Stage } from './stage.ts';

export interface Load {
  /** Octets of each mail. */
  readonly size: number;
  readonly sessions: number;
  /** One connection for all mails of a session, or one for each mail. */
  readonly reused: boolean;
}

export interface Given {
  readonly seconds: number;
  /** Seconds of CPU of the source. */
  readonly cpu: number;
}

/** Gives `count` mails. */
export async function give(stage: Stage, port: number, count: number, load: Load): Promise<Given> {
  const { size, sessions, reused } = load;
  const how = ['-s', String(Math.min(sessions, count)), '-m', String(count), '-l', String(size), '-C', '10'];
  const who = ['-f', 'a@b.test', '-t', 'u@example.test', `127.0.0.1:${port}`];
  const [begun, cpu] = [performance.now(), cpuOfEnded()];
  await stage.run('smtp-source', [...how, ...(reused ? ['-d'] : []), ...who]);
  return { seconds: (performance.now() - begun) / 1000, cpu: cpuOfEnded() - cpu };
}

/** Longer than any server takes to begin when it is asked to. */
const STALL_MS = 45_000;

/**
 * Takes mail and counts it. With `dump` it keeps all of it, in memory (`shm`), for a comparison of ids: that
 * costs about as much CPU again, so timed parts do without.
 */
export class Sink {
  readonly #file: string;
  readonly #child: ChildProcess;
  readonly #forget: () => Promise<void>;

  /** Its files are in the folder `shm`, which is in memory. */
  static async start(stage: Stage, shm: string, dump?: string): Promise<Sink> {
    const sink = new Sink(stage, join(shm, 'sink'), dump);
    await greets(SINK.port);
    return sink;
  }

  private constructor(stage: Stage, file: string, dump?: string) {
    this.#file = file;
    rmSync(file, { force: true });
    if (dump) {
      rmSync(dump, { force: true });
      mkdirSync(dirname(dump), { recursive: true });
      chownSync(dirname(dump), postfixUser(), -1);
    }
    const out = openSync(file, 'a');
    const where = [...(dump ? ['-D', dump] : []), `${SINK.host}:${SINK.port}`, '1024'];
    this.#child = spawn('smtp-sink', ['-u', 'postfix', '-c', '-m', '1000', ...where], {
      stdio: ['ignore', out, 'ignore'],
      detached: true,
    });
    closeSync(out);
    this.#forget = stage.add(() => this.#end());
  }

  get count(): number {
    const file = openSync(this.#file, 'r');
    try {
      // It writes its count anew for each mail.
      const tail = Buffer.alloc(200);
      const end = fstatSync(file).size;
      const length = readSync(file, tail, 0, tail.length, Math.max(0, end - tail.length));
      const all = [...tail.toString('latin1', 0, length).matchAll(/mesg=(\d+)/g)];
      return Number(all.at(-1)?.[1] ?? 0);
    } finally {
      closeSync(file);
    }
  }

  /** Seconds of CPU so far. */
  get cpu(): number {
    return cpuOf(this.#child.pid ?? 0);
  }

  /** Resolves when it has `count` mails, with that moment (of performance.now()). Fails if nothing comes for long. */
  async has(count: number): Promise<number> {
    let [seen, at] = [-1, performance.now()];
    for (;;) {
      const now = this.count;
      if (now >= count) return performance.now();
      if (now !== seen) [seen, at] = [now, performance.now()];
      if (performance.now() - at > STALL_MS)
        throw new Error(`the sink has ${now} of ${count}, and gets no more`);
      await sleep(5);
    }
  }

  stop(): Promise<void> {
    return this.#forget();
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill('SIGTERM');
    await ended;
  }
}
