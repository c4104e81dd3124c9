/**
 * What slow and half-open clients cost: a server of its own, so many connections that say nothing, then so many that
 * dribble an octet a second; memory and CPU of the server for each, and who still gets through.
 *
 *   node bench/idle.ts [connections] [seconds]
 *
 * Clients come by the PROXY protocol, so that they are strangers from as many networks as is said. Ends what it began.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const COUNT = Number(process.argv[2] ?? 1000);
const SECONDS = Number(process.argv[3] ?? 15);
const TICKS = 100;
const ROOT = resolve(import.meta.dirname, '..');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return address && typeof address === 'object' ? address.port : 0;
}

const folder = mkdtempSync(join(tmpdir(), 'restante-idle-'));
const port = await freePort();
writeFileSync(
  join(folder, 'restante.yaml'),
  `hostname: mx2.bench.test
spool: ./spool
listen: { smtp: ["127.0.0.1:${port}"], proxy: [127.0.0.1] }
limits: { connections: ${COUNT} }
log: { level: warn }
sites: { bench: { domains: [example.test], primary: "127.0.0.1:9" } }
`,
);
const args = [
  '--disable-warning=ExperimentalWarning',
  'src/app/cli/main.ts',
  'serve',
  '-c',
  join(folder, 'restante.yaml'),
];
const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
const sockets = new Set<Socket>();

/** Resident memory in KiB, and CPU in ms. */
function cost(): { memory: number; cpu: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return { memory: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]), cpu: ((user + system) * 1000) / TICKS };
}

/** What it is told first; '' if nothing comes. */
async function come(address: string, ms = 10_000): Promise<{ socket: Socket; said: string }> {
  const socket = connect(port, '127.0.0.1');
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  socket.write(`PROXY TCP4 ${address} 192.0.2.25 4711 25\r\n`);
  const said = await Promise.race([
    once(socket, 'data').then(
      ([data]) => String(data),
      () => '',
    ),
    sleep(ms).then(() => ''),
  ]);
  socket.on('data', () => {});
  return { socket, said };
}

const line = (what: string, text: string): void => void process.stdout.write(`${what.padEnd(44)} ${text}\n`);

async function measured(
  what: string,
  before: { memory: number; cpu: number },
  work: () => void,
): Promise<void> {
  const begun = cost();
  const timer = setInterval(work, 1000);
  await sleep(SECONDS * 1000);
  clearInterval(timer);
  const end = cost();
  const each = ((end.memory - before.memory) / sockets.size).toFixed(1);
  line(
    what,
    `${sockets.size} open, ${each} KiB each, CPU ${((end.cpu - begun.cpu) / SECONDS / 10).toFixed(2)} % of a core`,
  );
}

try {
  for (let tries = 0; tries < 100; tries++) {
    if ((await come('192.0.2.1', 300)).said !== '') break;
    await sleep(100);
  }
  for (const socket of sockets) socket.destroy();
  await sleep(3000);
  const before = cost();
  const crowd = Math.floor(COUNT * 0.89);
  const said = await Promise.all(
    Array.from({ length: crowd }, (_, i) => come(`198.18.${i % 250}.${1 + (i >> 8)}`)),
  );
  line('greeted', `${said.filter((s) => s.said.startsWith('220')).length} of ${crowd}`);
  await measured('idle', before, () => {});
  await measured('dribbling, an octet a second', before, () => {
    for (const socket of sockets) socket.write('N');
  });
  const late = await Promise.all(Array.from({ length: 100 }, (_, i) => come(`203.0.${i}.1`)));
  line(
    'others who come when it is nearly full',
    `${late.filter((s) => s.said.startsWith('220')).length} of 100 greeted`,
  );
  await sleep(1000);
  line(
    'of the crowd, then',
    `${said.filter((s) => s.socket.destroyed || s.socket.readableEnded).length} asked to end`,
  );
} finally {
  for (const socket of sockets) socket.destroy();
  child.kill('SIGTERM');
  await once(child, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
