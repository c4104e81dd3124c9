/**
 * Real lists: rbldnsd with zones of a test's own, unbound in front of it as our resolver, all on loopback. Every client is
 * an address of 127.0.0.0/8.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../src/base/clock.ts';
import { createResolver } from '../../../src/dns/resolver.ts';
import { Daemon, freePort, until } from '../../support/daemon.ts';

const UNDER = 'bl.example';
/** So that what is changed is seen soon. */
const SOON = `$SOA 1 ns.${UNDER} admin.${UNDER} 0 1 1 1 1\n$TTL 1\n`;

/** A zone of rbldnsd: `zen` is zen.bl.example. */
export interface ZoneData {
  readonly zone: string;
  /** Of datasets: `ip4set`, `ip6trie`, `dnset`. */
  readonly type: string;
  readonly data: string;
}

export class Rbldnsd {
  readonly zones: readonly ZoneData[];
  readonly folder: string;
  readonly port: number;
  #child: ChildProcess | undefined;

  constructor(folder: string, port: number, zones: readonly ZoneData[]) {
    this.folder = folder;
    this.port = port;
    this.zones = zones;
  }

  async start(): Promise<void> {
    for (const zone of this.zones) await this.#write(zone);
    const specs = this.zones.map(({ zone, type }) => `${zone}.${UNDER}:${type}:${zone}-${type}`);
    const options = ['-n', '-b', `127.0.0.1/${this.port}`, '-u', 'nobody', '-w', this.folder, '-c', '0'];
    this.#child = spawn('rbldnsd', [...options, ...specs], { stdio: 'ignore' });
  }

  #write({ zone, type, data }: ZoneData): Promise<void> {
    return writeFile(join(this.folder, `${zone}-${type}`), SOON + data);
  }

  /** Other data, from now on. */
  async change(zone: ZoneData): Promise<void> {
    await this.#write(zone);
    this.#child?.kill('SIGHUP');
  }

  /** Silent: what is sent to it is neither answered nor refused. */
  silence(silent = true): void {
    this.#child?.kill(silent ? 'SIGSTOP' : 'SIGCONT');
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

export interface Names {
  readonly address: string;
  /** Its PTR record. */
  readonly name: string;
  /** Whether the name points back. */
  readonly true: boolean;
}

export class World {
  readonly folder: string;
  readonly daemon: Daemon;
  readonly lists: readonly Rbldnsd[];
  readonly #port: number;
  readonly #unbound: ChildProcess;

  /** Each group of zones is served by an rbldnsd of its own. */
  static async make(groups: readonly (readonly ZoneData[])[], names: readonly Names[] = []): Promise<World> {
    for (const tool of ['rbldnsd', 'unbound']) {
      if (!existsSync(`/usr/sbin/${tool}`)) throw new Error(`${tool} is missing: apt-get install ${tool}`);
    }
    if (process.getuid?.() !== 0) throw new Error('root is needed: rbldnsd takes a user of its own');
    const folder = await mkdtemp(join(tmpdir(), 'restante-lists-'));
    await chmod(folder, 0o755);
    const lists: Rbldnsd[] = [];
    for (const zones of groups) lists.push(new Rbldnsd(folder, await freePort(), zones));
    for (const list of lists) await list.start();
    const port = await freePort();
    await writeFile(join(folder, 'unbound.conf'), unboundConfig(folder, port, lists, names));
    const unbound = spawn('unbound', ['-d', '-c', join(folder, 'unbound.conf')], { stdio: 'ignore' });
    const world = new World(folder, await Daemon.make('sites: {}'), lists, port, unbound);
    await world.#answering();
    return world;
  }

  private constructor(
    folder: string,
    daemon: Daemon,
    lists: readonly Rbldnsd[],
    port: number,
    unbound: ChildProcess,
  ) {
    this.folder = folder;
    this.daemon = daemon;
    this.lists = lists;
    this.#port = port;
    this.#unbound = unbound;
  }

  async #answering(): Promise<void> {
    const servers = [{ host: '127.0.0.1', port: this.#port }];
    const resolver = createResolver({ servers, clock: new SystemClock(), timeout: 500 });
    for (const { zones } of this.lists) {
      const name = `nobody.${zones[0]?.zone}.${UNDER}`;
      await until(`an answer about ${name}`, async () =>
        (await resolver.a(name)).kind === 'nxdomain' ? true : null,
      );
    }
  }

  /** `blocklists:` of the configuration, where ZONE.bl is short for ZONE.bl.example. */
  async configure(blocklists: string): Promise<void> {
    const { port, file } = this.daemon;
    const text = [
      'hostname: mx2.example.net',
      'spool: ./spool',
      `listen: { smtp: ["127.0.0.1:${port}", "[::1]:${port}"] }`,
      `resolver: ["127.0.0.1:${this.#port}"]`,
      `blocklists: ${blocklists.replaceAll('.bl', `.${UNDER}`)}`,
      // Not what these tests are about, and the DNS here has no more than lists.
      'authentication: { spf: false }',
      'sites: { acme: { domains: [acme.example], primary: "127.0.0.1:1", recipients: any } }',
    ];
    await writeFile(file, `${text.join('\n')}\n`);
  }

  async end(): Promise<void> {
    await this.daemon.remove();
    const gone = once(this.#unbound, 'exit');
    if (this.#unbound.exitCode === null && this.#unbound.kill('SIGKILL')) await gone;
    for (const list of this.lists) await list.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function unboundConfig(
  folder: string,
  port: number,
  lists: readonly Rbldnsd[],
  names: readonly Names[],
): string {
  const server = [
    `interface: 127.0.0.1@${port}`,
    'access-control: 127.0.0.0/8 allow',
    'do-daemonize: no',
    'use-syslog: no',
    'chroot: ""',
    'username: ""',
    `directory: "${folder}"`,
    'pidfile: ""',
    'do-not-query-localhost: no',
    'module-config: "iterator"',
    ...names.flatMap(({ address, name, ...more }) => [
      `local-data-ptr: "${address} ${name}"`,
      `local-data: "${name} A ${more.true ? address : '127.99.99.99'}"`,
    ]),
  ];
  const stubs = lists.flatMap(({ port, zones }) =>
    [...new Set(zones.map(({ zone }) => zone))].map(
      (zone) => `stub-zone:\n  name: "${zone}.${UNDER}"\n  stub-addr: 127.0.0.1@${port}`,
    ),
  );
  return `server:\n${server.map((line) => `  ${line}\n`).join('')}${stubs.join('\n')}\nremote-control:\n  control-enable: no\n`;
}
