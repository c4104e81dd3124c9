/**
 * The lab: hosts of their own on one machine (network namespaces, lab/netlab.sh), for tests with real
 * programs. Promises: what a test brings up is taken down at its end, also when it fails or is
 * interrupted, and nothing else is; every wait has a deadline; a machine that cannot make a lab is an
 * error that says what is missing, never a skipped test.
 *
 * Inside each host `/srv/lab` is the lab's own folder on the real disk (spool, logs, Maildirs), so that
 * it outlives a host that is switched off; the checkout is at its own path.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

export type Host = 'dns' | 'primary' | 'backup' | 'sender' | 'exim' | 'osmtpd' | 'sendmail';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const ROOT = resolve(import.meta.dirname, '../..');
export const INSIDE = '/srv/lab';
const NETLAB = join(import.meta.dirname, 'lab/netlab.sh');
const NEST = join(ROOT, '.netlab');
const OVERLAYFS = 0x794c7630;

/** Tool → Debian package. */
const TOOLS: Record<string, string> = {
  '/usr/sbin/postfix': 'postfix',
  '/usr/sbin/smtp-source': 'postfix',
  '/usr/sbin/unbound': 'unbound',
  '/usr/sbin/knotd': 'knot',
  '/usr/bin/dig': 'bind9-dnsutils',
  '/usr/sbin/postgrey': 'postgrey',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/perl': 'perl',
  '/usr/bin/pgrep': 'procps',
  '/usr/bin/nsenter': 'util-linux',
  '/usr/bin/m4': 'm4',
  '/usr/bin/socat': 'socat',
  '/usr/bin/uux': 'uucp',
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/bin/systemd-analyze': 'systemd',
  '/usr/sbin/ip': 'iproute2',
  '/usr/bin/policyd-spf': 'postfix-policyd-spf-python',
  '/usr/bin/rspamd': 'rspamd',
};

/** Says what is missing before anything strange happens. */
export function requireLab(): void {
  const missing = [
    ...new Set(
      Object.keys(TOOLS)
        .filter((t) => !existsSync(t))
        .map((t) => TOOLS[t]),
    ),
  ];
  const wrong: string[] = [];
  if (process.getuid?.() !== 0) wrong.push('They need root: they make hosts out of network namespaces.');
  if (missing.length) {
    wrong.push('Programs are missing. On Debian:');
    wrong.push("  echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections");
    wrong.push(`  apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`);
  }
  if (wrong.length) throw new Error(`The peer tests cannot run here.\n${wrong.join('\n')}`);
}

/** Waits until `probe` gives something; fails with what was awaited. */
export async function until<T>(
  what: string,
  seconds: number,
  probe: () => T | Promise<T>,
  every = 100,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false)
      return found as NonNullable<Exclude<T, false>>;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(every);
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Labs of runs that were killed: their owner is gone, so nobody else takes them down. */
function sweep(): void {
  for (const name of readdirSync(NEST)) {
    const nest = join(NEST, name);
    const owner = join(nest, 'owner');
    if (!name.startsWith('run-') || !existsSync(owner)) continue;
    const [pid = '', hosts = ''] = readFileSync(owner, 'utf8').trim().split('\n');
    if (existsSync(`/proc/${pid}`)) continue;
    execFileSync(NETLAB, ['down'], { env: { ...process.env, NETLAB_DIR: hosts }, stdio: 'ignore' });
    rmSync(nest, { recursive: true, force: true });
  }
}

export class Lab {
  /** The lab's folder as seen from outside: `/srv/lab` inside. */
  readonly share: string;
  readonly #nest: string;
  readonly #hosts: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();
  readonly #atExit = (): void => this.#fell();
  #closed = false;

  private constructor() {
    mkdirSync(NEST, { recursive: true });
    sweep();
    this.#nest = mkdtempSync(join(NEST, 'run-'));
    this.share = join(this.#nest, 'share');
    // An overlay cannot lie on an overlay (containers): then the hosts' own files are in memory.
    this.#hosts =
      statfsSync(NEST).type === OVERLAYFS ? mkdtempSync('/dev/shm/restante-lab-') : join(this.#nest, 'hosts');
    mkdirSync(this.share);
    writeFileSync(join(this.#nest, 'owner'), `${process.pid}\n${this.#hosts}\n`);
    this.#env = {
      ...process.env,
      NETLAB_CONF: join(import.meta.dirname, 'lab/netlab.d'),
      NETLAB_DIR: this.#hosts,
      NETLAB_BIND: `${ROOT} ${this.share}:${INSIDE}`,
    };
    process.once('exit', this.#atExit);
  }

  static async up(...hosts: Host[]): Promise<Lab> {
    requireLab();
    const lab = new Lab();
    try {
      if (hosts.includes('exim')) await lab.#fetch('exim4-daemon-light');
      if (hosts.includes('osmtpd')) await lab.#fetch('opensmtpd');
      if (hosts.includes('sendmail')) await lab.#fetch('sendmail-bin');
      await lab.host('up', ...hosts);
    } catch (fault) {
      await lab.close();
      throw fault;
    }
    return lab;
  }

  /** MTAs conflict as packages: the second one's are downloaded, and installed by its host. */
  async #fetch(name: string): Promise<void> {
    const cache = join(NEST, 'debs', name);
    if (!existsSync(join(cache, 'complete'))) {
      mkdirSync(join(cache, 'partial'), { recursive: true });
      const args = ['-o', 'DPkg::Lock::Timeout=120', '-o', `Dir::Cache::archives=${cache}`];
      args.push('install', '-y', '--download-only', '--no-install-recommends', name);
      const ran = await run('apt-get', args, { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, 180);
      if (ran.code !== 0)
        throw new Error(`apt-get cannot download ${name} (apt-get update first?)\n${ran.stderr}`);
      writeFileSync(join(cache, 'complete'), '');
    }
    execFileSync('mkdir', ['-p', join(this.share, 'debs')]);
    execFileSync('cp', ['-r', cache, join(this.share, 'debs')]);
  }

  /** Switches hosts on or off. Off is power loss: all that runs in it is killed at once. */
  async host(what: 'up' | 'down', ...hosts: Host[]): Promise<void> {
    const ran = await run(NETLAB, [what, ...hosts], this.#env, 120);
    if (ran.code === 0 && !ran.stderr.includes('start ended with')) return;
    const logs = hosts.map((h) => join(this.#hosts, h, 'start.log')).filter((f) => existsSync(f));
    const said = logs.map((f) => `${f}:\n${readFileSync(f, 'utf8').slice(-1000)}`).join('\n');
    throw new Error(`the lab cannot be made: netlab ${what} ${hosts.join(' ')}\n${ran.stderr}${said}`);
  }

  /** Pulls or plugs a host's cable. */
  async link(host: Host, state: 'up' | 'down'): Promise<void> {
    const ran = await run(NETLAB, ['link', host, state], this.#env, 10);
    if (ran.code !== 0) throw new Error(`link ${host} ${state}: ${ran.stderr}`);
  }

  /** Runs a command in a host to its end. */
  exec(host: Host, command: string[], seconds = 60): Promise<Ran> {
    return run(NETLAB, ['exec', host, ...command], this.#env, seconds);
  }

  /** The same; anything but exit 0 is a fault. */
  async must(host: Host, command: string[], seconds = 60): Promise<string> {
    const ran = await this.exec(host, command, seconds);
    if (ran.code !== 0)
      throw new Error(`${host}: ${command.join(' ')}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }

  /** Starts a command in a host; it ends with the lab at the latest. */
  spawn(host: Host, command: string[]): ChildProcess {
    const child = spawn(NETLAB, ['exec', host, ...command], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** A file of the lab's folder; '' while there is none. */
  read(name: string): string {
    const file = join(this.share, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.share, name), text);
  }

  /** LAB_KEEP=1 leaves the folder (not the hosts) for examination. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#atExit);
    await run(NETLAB, ['down'], this.#env, 60);
    for (const child of this.#children) child.kill('SIGKILL');
    if (process.env.LAB_KEEP) {
      rmSync(join(this.#nest, 'owner'));
      console.error(`kept: ${this.#nest}`);
    } else rmSync(this.#nest, { recursive: true, force: true });
  }

  /** The process ends without close(): only synchronous calls are left. */
  #fell(): void {
    try {
      execFileSync(NETLAB, ['down'], { env: this.#env, stdio: 'ignore' });
      rmSync(this.#nest, { recursive: true, force: true });
    } catch {
      // The next run sweeps it.
    }
  }
}

function run(file: string, args: string[], env: NodeJS.ProcessEnv, seconds: number): Promise<Ran> {
  return new Promise((done) => {
    const options = { env, timeout: seconds * 1000, killSignal: 'SIGKILL', maxBuffer: 64 << 20 } as const;
    execFile(file, args, options, (fault, stdout, stderr) => {
      const code = fault ? (typeof fault.code === 'number' ? fault.code : 1) : 0;
      done({ code, stdout, stderr: fault?.killed ? `${stderr}killed after ${seconds} s\n` : stderr });
    });
  });
}
