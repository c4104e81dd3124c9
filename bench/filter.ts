/**
 * OpenDKIM as a mail filter: it verifies the senders' signatures, with their keys in a file, and adds its field. On a Unix
 * socket: by TCP libmilter's second answer waits 40 ms for the acknowledgement of its first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import type { Beside } from './processes.ts';
import { sleep } from './server.ts';

const PROGRAM = '/usr/sbin/opendkim';

export class Filter {
  readonly #child: ChildProcess;
  readonly #forget: () => Promise<void>;
  readonly #socket: string;
  readonly #beside: Beside;

  /** Where it listens. */
  static socket(shm: string): string {
    return join(shm, 'filter.sock');
  }

  static async start(bench: Bench): Promise<Filter> {
    const filter = new Filter(bench);
    for (let i = 0; i < 100 && !existsSync(Filter.socket(bench.shm)); i++) {
      if (filter.#child.exitCode !== null || i === 99) throw new Error(`${PROGRAM} does not run`);
      await sleep(100);
    }
    return filter;
  }

  private constructor({ shm, stage, senders, beside }: Bench) {
    const [keys, file] = [join(shm, 'filter-keys'), join(shm, 'filter.conf')];
    writeFileSync(
      keys,
      senders
        .keyRecords()
        .map((record) => `${record.join(' ')}\n`)
        .join(''),
    );
    // Else it takes loopback for its own house, and does not verify what comes from there.
    writeFileSync(join(shm, 'filter-own'), '192.0.2.1\n');
    writeFileSync(
      file,
      `Syslog no
Background no
UserID root
Mode v
InternalHosts ${join(shm, 'filter-own')}
TestPublicKeys ${keys}
AuthservID filter.test
AlwaysAddARHeader yes
Socket local:${Filter.socket(shm)}
`,
    );
    this.#child = spawn(PROGRAM, ['-f', '-x', file], { stdio: 'ignore', detached: true });
    this.#socket = Filter.socket(shm);
    this.#beside = beside;
    if (this.#child.pid) beside.add(this.#child.pid);
    this.#forget = stage.add(() => this.#end());
  }

  stop(): Promise<void> {
    return this.#forget();
  }

  /** It takes ten seconds to end by itself. */
  async #end(): Promise<void> {
    if (!this.#child.pid) return;
    this.#beside.delete(this.#child.pid);
    rmSync(this.#socket, { force: true });
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
