/**
 * The local resolver: unbound with the zone of those that send, and behind it rbldnsd with blocklists that list
 * nobody who comes. Both are Debian's, on loopback.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import type { Beside } from './processes.ts';
import { DNS_PORT, LISTS_PORT, sleep } from './server.ts';
import type { Stage } from './stage.ts';

const SOA = '$SOA 300 ns.bl.example root.bl.example 1 3600 600 86400 300\n$TTL 300\n';
const POINTS = ':127.0.0.2:Listed\n127.0.0.2\n192.0.2.0/24\n198.51.100.0/24\n';
/** By name below bl.example: the dataset of rbldnsd, and what stands in it. */
const LISTS: Readonly<Record<string, { readonly type: string; readonly data: string }>> = {
  zen: { type: 'ip4set', data: POINTS },
  second: { type: 'ip4set', data: POINTS },
  dbl: { type: 'dnset', data: ':127.0.1.2:Listed\ntest\n.bad.example\n' },
};

/** `blocklists:` of the configuration: two lists of addresses, one of the domains of senders. */
export const BLOCKLISTS =
  'blocklists: [zen.bl.example, second.bl.example, { zone: dbl.bl.example, kind: sender }]\n';

export class Names {
  readonly #running: ChildProcess[] = [];
  readonly #beside: Beside;

  static async start({ stage, shm, senders, beside }: Bench): Promise<void> {
    const names = new Names(beside);
    stage.add(() => names.#end());
    const folder = join(shm, 'names');
    mkdirSync(folder);
    names.#lists(folder);
    names.#resolver(folder, senders.zone());
    await names.#answer(stage);
  }

  private constructor(beside: Beside) {
    this.#beside = beside;
  }

  #lists(folder: string): void {
    const zones = Object.entries(LISTS).map(([name, { type, data }]) => {
      writeFileSync(join(folder, name), SOA + data);
      return `${name}.bl.example:${type}:${name}`;
    });
    const options = ['-n', '-b', `127.0.0.1/${LISTS_PORT}`, '-u', 'nobody', '-w', folder, '-c', '0'];
    this.#start('rbldnsd', [...options, ...zones]);
  }

  #resolver(folder: string, zone: string): void {
    const file = join(folder, 'unbound.conf');
    writeFileSync(join(folder, 'test.zone'), zone);
    const server = [
      `interface: 127.0.0.1@${DNS_PORT}`,
      'do-daemonize: no',
      'use-syslog: no',
      'chroot: ""',
      'username: ""',
      `directory: "${folder}"`,
      'pidfile: ""',
      'do-not-query-localhost: no',
      'module-config: "iterator"',
      'local-zone: "test." nodefault',
    ];
    writeFileSync(
      file,
      `server:
${server.map((line) => `  ${line}\n`).join('')}auth-zone:
  name: "test"
  zonefile: "test.zone"
  for-downstream: no
  for-upstream: yes
stub-zone:
  name: "bl.example"
  stub-addr: 127.0.0.1@${LISTS_PORT}
remote-control:
  control-enable: no
`,
    );
    this.#start('unbound', ['-d', '-c', file]);
  }

  #start(program: string, args: string[]): void {
    const child = spawn(program, args, { stdio: 'ignore', detached: true });
    this.#running.push(child);
    if (child.pid) this.#beside.add(child.pid);
  }

  /** Until zone and lists are answered; 20 s at most. */
  async #answer(stage: Stage): Promise<void> {
    const resolver = new Resolver({ timeout: 500, tries: 1 });
    resolver.setServers([`127.0.0.1:${DNS_PORT}`]);
    for (let i = 0; i < 100 && !stage.ending; i++) {
      try {
        await resolver.resolveTxt('b.test');
        for (const list of ['zen', 'second']) await resolver.resolve4(`2.0.0.127.${list}.bl.example`);
        await resolver.resolve4('test.dbl.bl.example');
        return;
      } catch {
        await sleep(200);
      }
    }
    throw new Error(`unbound (port ${DNS_PORT}) and rbldnsd (port ${LISTS_PORT}) do not answer`);
  }

  async #end(): Promise<void> {
    for (const child of this.#running) {
      if (!child.pid || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
}
