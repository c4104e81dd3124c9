/** The load: Postfix's smtp-source and smtp-sink, which cost little themselves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { greets, SINK } from './servers.ts';

export interface Load {
  /** Octets of each mail. */
  readonly size: number;
  readonly sessions: number;
  /** One connection for all mails of a session, or one for each mail. */
  readonly reused: boolean;
}

/** Gives `count` mails; resolves with the seconds that it took. */
export function give(port: number, count: number, load: Load): Promise<number> {
  const { size, sessions, reused } = load;
  const how = ['-s', String(sessions), '-m', String(count), '-l', String(size), ...(reused ? ['-d'] : [])];
  const who = ['-f', 'a@b.test', '-t', 'u@example.test', `127.0.0.1:${port}`];
  const begun = performance.now();
  return new Promise((done, fail) => {
    const child = spawn('smtp-source', [...how, ...who], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => (said += String(text)));
    child.once('error', fail);
    child.once('exit', (code) => {
      if (code === 0) done((performance.now() - begun) / 1000);
      else fail(new Error(`smtp-source: ${said || code}`));
    });
  });
}

/** Takes mail and counts it. */
export class Sink {
  readonly #file: string;
  readonly #child: ChildProcess;

  static async start(file: string): Promise<Sink> {
    const sink = new Sink(file);
    await greets(SINK.port);
    return sink;
  }

  private constructor(file: string) {
    this.#file = file;
    rmSync(file, { force: true });
    const out = openSync(file, 'a');
    const where = [`${SINK.host}:${SINK.port}`, '1024'];
    this.#child = spawn('smtp-sink', ['-u', 'postfix', '-c', '-m', '1000', ...where], {
      stdio: ['ignore', out, 'ignore'],
    });
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

  /** Resolves with the seconds since `begun` when it has `count` mails. */
  async has(count: number, begun: number, limit = 300): Promise<number> {
    while (this.count < count) {
      if (performance.now() - begun > limit * 1000) {
        throw new Error(`the sink has ${this.count} of ${count} after ${limit} s`);
      }
      await new Promise((wake) => setTimeout(wake, 5));
    }
    return (performance.now() - begun) / 1000;
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill('SIGTERM');
    await ended;
  }
}
