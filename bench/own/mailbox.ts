/**
 * A mailbox of 100,000 messages: how long a collector waits from its password to the last line of UIDL, by PASS,
 * STAT, LIST and UIDL one after another over cleartext loopback. Of two recipients each, as one message or as a
 * copy for each. The first session after a start is told apart: nothing is warm then.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { type Bench, holds } from '../bench.ts';
import { cpuOf, memoryOf, Peak } from '../processes.ts';
import { number, spreadText } from '../report.ts';
import { type Restante, restante } from '../restante.ts';
import { SECOND_PORT } from '../server.ts';
import type { OwnLine, OwnRow } from './rows.ts';

const BIN = join(resolve(import.meta.dirname, '../..'), 'bin/restante');
const MESSAGES = 100_000;
const SESSIONS = 5;
const PASSWORD = 'of the benchmark';

/** Milliseconds, and MiB. */
interface Session {
  readonly login: number;
  readonly stat: number;
  readonly list: number;
  readonly uidl: number;
  readonly all: number;
  readonly cpu: number;
  readonly client: number;
  readonly memory: number;
}

function configure(folder: string, server: Restante, copies: 'one' | 'each'): void {
  writeFileSync(
    join(folder, 'restante.yaml'),
    `hostname: mx2.bench.test
spool: ${server.spool}
listen: { smtp: ["127.0.0.1:${server.port}"], pop3: ["127.0.0.1:${SECOND_PORT}"] }
limits: { connections: 2000, connections_per_client: 1000 }
sites: { bench: { domains: [example.test], collect: mailbox, mailbox: { copies: ${copies} } } }
`,
  );
}

/** The octets of each reply are counted, and a reply of many lines ends with a dot alone. */
async function session(server: Restante, expected: number): Promise<Session> {
  const socket = connect(SECOND_PORT, '127.0.0.1');
  let tail = '';
  let lines = 0;
  let wake = () => {};
  socket.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
    tail = (tail + chunk.toString('latin1')).slice(-200);
    wake();
  });
  const failed = new Promise<never>((_, fail) => {
    socket.once('error', fail);
    socket.once('close', () => fail(new Error(`the connection ended: ${tail}`)));
  });
  failed.catch(() => {});
  const told = async (ends: () => boolean) => {
    while (!ends()) {
      const more = new Promise<void>((done) => {
        wake = done;
      });
      await Promise.race([more, failed]);
    }
    if (tail.startsWith('-ERR')) throw new Error(tail);
  };
  const ask = async (command: string, many = false): Promise<number> => {
    const begun = performance.now();
    [tail, lines] = ['', 0];
    socket.write(`${command}\r\n`);
    await told(() => (many ? tail.endsWith('\r\n.\r\n') : tail.endsWith('\r\n')));
    return performance.now() - begun;
  };
  await told(() => tail.endsWith('\r\n'));
  await ask('USER bench');
  const peak = new Peak(server.pid(), 50);
  const [cpu, own] = [cpuOf(server.pid()), process.cpuUsage()];
  const login = await ask(`PASS ${PASSWORD}`);
  const stat = await ask('STAT');
  const count = Number(/^\+OK (\d+) /.exec(tail)?.[1]);
  if (count !== expected) throw new Error(`STAT tells ${count} messages, and ${expected} are there`);
  const list = await ask('LIST', true);
  if (lines !== expected + 2) throw new Error(`LIST has ${lines} lines`);
  const uidl = await ask('UIDL', true);
  if (lines !== expected + 2) throw new Error(`UIDL has ${lines} lines`);
  const used = process.cpuUsage(own);
  const found = {
    ...{ login, stat, list, uidl, all: login + stat + list + uidl },
    cpu: (cpuOf(server.pid()) - cpu) * 1000,
    client: (used.user + used.system) / 1000,
    memory: peak.end(),
  };
  await ask('QUIT');
  socket.destroy();
  return found;
}

async function sessions(server: Restante, name: string): Promise<OwnLine[]> {
  const before = memoryOf(server.pid());
  const first = await session(server, MESSAGES);
  const rest: Session[] = [];
  while (rest.length < SESSIONS) rest.push(await session(server, MESSAGES));
  const of = (key: keyof Session) => spreadText(rest.map((one) => one[key]));
  const parts = (['login', 'stat', 'list', 'uidl'] as const).map((key) => `${key} ${of(key)}`);
  return [
    { what: `${name}: the first session`, text: `${number(first.all)} ms, CPU ${number(first.cpu)} ms` },
    { what: `${name}: ${SESSIONS} sessions`, text: `${of('all')} ms (${parts.join(', ')})` },
    { what: `${name}: CPU`, text: `${of('cpu')} ms (the client ${of('client')})` },
    {
      what: `${name}: PSS`,
      text: `${number(before)} MiB before, ${number(Math.max(first.memory, ...rest.map((one) => one.memory)))} at most`,
    },
  ];
}

export const mailbox: OwnRow = {
  name: 'mailbox-100k',
  long: false,
  async run(bench: Bench) {
    const folder = join(bench.folder, 'own');
    const server = restante(folder);
    server.wipe();
    const stopped = bench.stage.add(() => server.stop());
    const lines: OwnLine[] = [];
    try {
      mkdirSync(server.spool, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
      configure(folder, server, 'one');
      const secret = ['secret', 'set', 'bench', '--password-file', join(folder, 'password')];
      execFileSync(BIN, [...secret, '-c', join(folder, 'restante.yaml')]);
      await server.start();
      const how = ['-s', '20', '-m', String(MESSAGES), '-l', '1024', '-r', '2', '-d', '-f', 'a@b.test'];
      await bench.stage.run('smtp-source', [...how, '-t', 'u@example.test', `127.0.0.1:${server.port}`]);
      await holds(server, MESSAGES);
      for (const copies of ['one', 'each'] as const) {
        await server.stop();
        configure(folder, server, copies);
        await server.start();
        lines.push(...(await sessions(server, `copies: ${copies}`)));
      }
      return lines;
    } finally {
      await stopped();
      server.wipe();
    }
  },
};
