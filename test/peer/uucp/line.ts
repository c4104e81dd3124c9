/**
 * A UUCP line on this machine, made of nothing but what `restante generate uucp` wrote: both ends in a folder of their
 * own, installed by their own `install.sh`, answered by their own `listen.sh`. Scripts stand in for what mail is given
 * to. Promises: traffic on loopback only; what was started is ended.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '../../support/daemon.ts';
import { until } from '../lab.ts';
import { standIn, type Taken, taken } from './stand-in.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NEEDED: Record<string, string> = {
  '/usr/bin/uux': 'uucp',
  '/usr/bin/socat': 'socat',
  '/usr/bin/setpriv': 'util-linux',
};
/** An account that owns nothing. */
const NOBODY = 65534;

export interface LineSpec {
  readonly over: 'tcp' | 'pipe';
  readonly as: 'root' | 'nobody';
  /** Where the far end calls, instead of where the near end answers. */
  readonly through?: number;
  readonly port?: number;
  /** The configuration of a real Restante; without it a stand-in takes what comes. */
  readonly restante?: string;
}

export class UucpLine {
  readonly folder: string;
  readonly spec: LineSpec;
  #listener: ChildProcess | null = null;

  static async make(spec: LineSpec): Promise<UucpLine> {
    const missing = Object.entries(NEEDED).filter(([tool]) => !existsSync(tool));
    if (missing.length > 0) throw new Error(`apt-get install ${missing.map(([, name]) => name).join(' ')}`);
    if (process.getuid?.() !== 0) throw new Error('the UUCP tests need root: they act as several users');
    const line = new UucpLine(spec, spec.port ?? (await freePort()));
    await line.#listen();
    return line;
  }

  private constructor(spec: LineSpec, port: number) {
    this.spec = spec;
    this.folder = mkdtempSync('/tmp/restante-uucp-');
    chmodSync(this.folder, 0o755);
    const owner = spec.as === 'root' ? null : NOBODY;
    if (owner !== null) chownSync(this.folder, owner, owner);
    const uucico = this.path('uucico');
    // In its own place it belongs to uucp and runs as that; a copy runs as whoever calls it.
    const real = owner === null ? '/usr/sbin/uucico' : this.path('uucico.own');
    if (owner !== null) {
      copyFileSync('/usr/sbin/uucico', real);
      chmodSync(real, 0o755);
    }
    writeFileSync(uucico, this.#wrapper(real));
    chmodSync(uucico, 0o755);
    standIn(this.path('sendmail'), this.path('far.got'));
    standIn(this.path('restante'), this.path('near.got'));
    const site = 'sites: { leaf: { domains: [leaf.example] } }';
    writeFileSync(this.path('restante.yaml'), `hostname: mx2.example.net\nspool: spool\n${site}\n`);
    this.run(
      join(ROOT, 'bin/restante'),
      ...['generate', 'uucp', 'leaf', '-c', spec.restante ?? this.path('restante.yaml')],
      ...['--dir', this.path('made'), '--over', spec.over],
      ...['--prefix', this.path('near'), '--far-prefix', this.path('far')],
      ...['--address', `127.0.0.1:${spec.through ?? port}`, '--listen', `127.0.0.1:${port}`],
      ...['--uucico', uucico, '--sendmail', this.path('sendmail')],
      ...(spec.restante === undefined ? ['--restante', this.path('restante')] : []),
      ...(owner === null ? [] : ['--user', 'nobody']),
    );
    this.run('sh', this.path('made/near/install.sh'));
    this.run('sh', this.path('made/far/install.sh'));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** With a file `cut` that holds a number: who is called through a pipe is not heard any more after so many octets. */
  #wrapper(real: string): string {
    return `#!/bin/sh
case " $* " in
  *' -u '*)
    if [ -f ${this.path('cut')} ]; then
      ${real} "$@" | { dd bs=4096 iflag=count_bytes count="$(cat ${this.path('cut')})" status=none; : > ${this.path('stopped')}; cat > /dev/null; }
      exit
    fi ;;
esac
exec ${real} "$@"
`;
  }

  taken(side: 'near' | 'far'): Taken[] {
    return taken(this.path(`${side}.got`));
  }

  async #listen(): Promise<void> {
    const script = this.path('made/near/listen.sh');
    if (!existsSync(script)) return;
    const [command, ...args] = this.#as('sh', script);
    this.#listener = spawn(command ?? '', args, { stdio: 'ignore' });
    await until('the near end listens', 10, () => {
      const asked = spawnSync('sh', [this.path('made/near/test.sh')], { encoding: 'utf8' }).stdout;
      return /port \d+ is answered/.test(asked);
    });
  }

  #as(...words: string[]): string[] {
    if (this.spec.as === 'root') return words;
    return ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--', ...words];
  }

  /** As the line's user, to its end; what it printed. */
  run(...words: string[]): string {
    return this.feed(null, ...words);
  }

  feed(input: Uint8Array | null, ...words: string[]): string {
    const [command, ...args] = this.#as(...words);
    return execFileSync(command ?? '', args, {
      ...(input ? { input } : {}),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
      cwd: this.folder,
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8' },
    });
  }

  /** As the user of UUCP itself: what an MTA's pipe does. */
  feedAsUucp(input: Uint8Array, ...words: string[]): string {
    if (this.spec.as !== 'root') return this.feed(input, ...words);
    return this.feed(input, 'setpriv', '--reuid=uucp', '--regid=uucp', '--clear-groups', '--', ...words);
  }

  /** `uux` at one end, as Restante's preset calls it. */
  uux(side: 'near' | 'far', input: Uint8Array, ...words: string[]): void {
    this.feed(input, 'uux', '-I', this.path(`${side}/config`), '-p', '-r', '-n', ...words);
  }

  /** A call of the far end. */
  call(): ChildProcess {
    const words = [this.path('uucico'), '-D', '-I', this.path('far/config'), '-S', 'mx2'];
    const [command, ...args] = this.#as(...words);
    return spawn(command ?? '', args, { stdio: 'ignore' });
  }

  /** Ends a process of this line as a power cut would. */
  kill(side: 'near' | 'far', call: ChildProcess): void {
    const found = this.#calling(side);
    for (const pid of found) process.kill(Number(pid), 'SIGKILL');
    if (found.length === 0) throw new Error(`no uucico runs at the ${side} end; the call: ${call.exitCode}`);
  }

  /** Until both ends know that the call is over: an end that does not refuses the next call. */
  hungUp(): Promise<true> {
    return until('both ends have hung up', 300, () =>
      (['near', 'far'] as const).every((side) => this.#calling(side).length === 0),
    );
  }

  /** Processes of an end that call or answer. */
  #calling(side: 'near' | 'far'): string[] {
    const own = this.path(`${side}/config`);
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return words.includes(own) && /uucico(\.own)?$/.test(words[0] ?? '');
      } catch {
        return false;
      }
    });
  }

  /** The far end's own test, with a call. Throws if one of its steps is wrong. */
  test(side: 'near' | 'far', ...words: string[]): string {
    return this.run('sh', this.path(`made/${side}/test.sh`), ...words);
  }

  log(side: 'near' | 'far'): string {
    const file = this.path(`${side}/log/Log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Names of job files that wait at an end. */
  waiting(side: 'near' | 'far'): string[] {
    const spool = this.path(`${side}/spool`);
    return readdirSync(spool, { recursive: true, encoding: 'utf8' }).filter(
      (name) => !name.startsWith('.') && /\/[CDX]\.\/./.test(name),
    );
  }

  /** Until no job waits anywhere: uuxqt works behind the call. */
  settled(): Promise<true> {
    return until('all jobs are done', 300, () => {
      const left = [...this.waiting('near'), ...this.waiting('far')];
      return left.length === 0 && readdirSync(this.path('far/state')).length === 0;
    });
  }

  async close(): Promise<void> {
    this.#listener?.kill('SIGTERM');
    // Calls and uuxqts that are still on their way end by themselves: nothing waits for them any more.
    if (process.env.LAB_KEEP === undefined)
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
