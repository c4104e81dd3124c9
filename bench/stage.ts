/**
 * What a run has started and made, so that all of it is undone: at its end, after a fault, and when it is
 * interrupted. Undoing goes backwards. Nothing else is ended or removed. One run at a time: its name is
 * taken on an abstract socket, which the kernel gives back even after `kill -9`.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { finished } from './processes.ts';

type Undo = () => void | Promise<void>;

export class Stage {
  readonly #undo: Undo[] = [];
  #ending: Promise<void> | null = null;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        console.error(`${signal}: ending what was started`);
        void this.end().then(() => process.exit(130));
      });
    }
  }

  /**
   * Remembers how something is undone. The function that it returns does it at once, or waits until it is done
   * if the run is just being ended.
   */
  add(undo: Undo): () => Promise<void> {
    this.#undo.push(undo);
    return async () => {
      const at = this.#undo.indexOf(undo);
      // A server that is being stopped still needs its files.
      if (at < 0) return this.#ending ?? undefined;
      this.#undo.splice(at, 1);
      await undo();
    };
  }

  /** A new folder below `parent`, open to Postfix's own user. */
  folder(parent: string): string {
    const folder = mkdtempSync(join(parent, 'restante-bench-'));
    chmodSync(folder, 0o755);
    this.add(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    return folder;
  }

  /** Runs a command that is ended with the run; resolves with what it printed. */
  async run(command: string, args: readonly string[]): Promise<string> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const forget = this.add(() => void child.kill());
    try {
      return await finished(child, command);
    } finally {
      await forget();
    }
  }

  get ending(): boolean {
    return this.#ending !== null;
  }

  end(): Promise<void> {
    this.#ending ??= this.#undoAll();
    return this.#ending;
  }

  async #undoAll(): Promise<void> {
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (cause) {
        console.error('not undone:', cause instanceof Error ? cause.message : cause);
      }
    }
  }
}

const listens = (where: { path: string } | { port: number; host: string }): Promise<Server | null> =>
  new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(null));
    server.listen(where, () => done(server));
  });

const TOOLS = ['postfix', 'smtp-source', 'smtp-sink', 'unbound', 'rbldnsd', 'opendkim'].map(
  (name) => `/usr/sbin/${name}`,
);

/** Why it cannot run here; null if it can. */
export async function refusal(stage: Stage, ports: readonly number[]): Promise<string | null> {
  if (process.getuid?.() !== 0) return "the benchmark needs root: Postfix's master does";
  const missing = TOOLS.filter((tool) => !existsSync(tool));
  if (missing.length > 0)
    return `${missing.join(', ')} missing: install Debian's postfix, unbound, rbldnsd and opendkim`;
  const name = await listens({ path: '\0restante-bench' });
  if (!name) return 'another benchmark runs on this machine';
  stage.add(() => void name.close());
  for (const port of ports) {
    const free = await listens({ host: '127.0.0.1', port });
    if (!free) return `port ${port} of 127.0.0.1 is in use (another benchmark?)`;
    await new Promise((closed) => free.close(closed));
  }
  return null;
}
