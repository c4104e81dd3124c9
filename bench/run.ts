/**
 * `npm run bench`: Restante and Postfix in turn, in one run, on this machine. Needs root and Debian's
 * postfix, and the machine for itself. Each timed part lasts about ten seconds behind a warm-up.
 *
 *   npm run bench -- [--rounds 3] [--seconds 10] [--only hold,forward,drain,restart]
 *
 * Prints each figure as its median (least–most), and the ratio of the medians.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { NO_BORDERS } from '../src/app/cli/format.ts';
import { give, type Load, Sink } from './load.ts';
import { cpuOf, memoryOf } from './processes.ts';
import { postfix, restante, type Server } from './servers.ts';

type Scenario = 'hold' | 'forward' | 'drain' | 'restart';

interface Row {
  readonly scenario: Scenario;
  readonly load: Load;
}

interface Figures {
  /** Mails a second; for restart, milliseconds to the greeting. */
  readonly main: number;
  /** Microseconds of CPU for a mail. */
  readonly cpu: number | null;
  /** MiB. */
  readonly memory: number;
}

const REUSED: Load = { size: 4096, sessions: 20, reused: true };
const ROWS: readonly Row[] = [
  { scenario: 'hold', load: REUSED },
  { scenario: 'hold', load: { ...REUSED, reused: false } },
  { scenario: 'hold', load: { ...REUSED, sessions: 1 } },
  { scenario: 'hold', load: { ...REUSED, sessions: 100 } },
  { scenario: 'hold', load: { ...REUSED, size: 65536 } },
  { scenario: 'forward', load: REUSED },
  { scenario: 'forward', load: { ...REUSED, reused: false } },
  { scenario: 'drain', load: REUSED },
  { scenario: 'restart', load: REUSED },
];

const { values: asked } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
    'warm-up': { type: 'string', default: '5000' },
    only: { type: 'string', default: 'hold,forward,drain,restart' },
  },
});
const rounds = Number(asked.rounds);
const seconds = Number(asked.seconds);
const warmUp = Number(asked['warm-up']);
const folder = mkdtempSync(join(tmpdir(), 'restante-bench-'));
// Postfix's processes run as another user.
chmodSync(folder, 0o755);
const servers = [restante(join(folder, 'restante')), postfix(join(folder, 'postfix'))];

/** Warms up, and returns how many mails make a timed part of about `seconds`. */
async function warm(server: Server, load: Load): Promise<number> {
  const took = await give(server.port, warmUp, load);
  return Math.max(1000, Math.round((warmUp / took) * seconds));
}

async function measure(server: Server, { scenario, load }: Row): Promise<Figures> {
  server.wipe();
  await server.start();
  try {
    switch (scenario) {
      case 'hold':
        return await hold(server, load);
      case 'forward':
        return await forward(server, load);
      case 'drain':
        return await drain(server, load);
      case 'restart':
        return await restart(server, load);
    }
  } finally {
    await server.stop();
  }
}

async function hold(server: Server, load: Load): Promise<Figures> {
  const count = await warm(server, load);
  const cpu = cpuOf(server.pid());
  const took = await give(server.port, count, load);
  return figures(server, count / took, cpu, count);
}

async function forward(server: Server, load: Load): Promise<Figures> {
  const sink = await Sink.start(join(folder, 'sink'));
  try {
    const count = await warm(server, load);
    await sink.has(warmUp, performance.now());
    const cpu = cpuOf(server.pid());
    const begun = performance.now();
    await give(server.port, count, load);
    const took = await sink.has(warmUp + count, begun);
    return figures(server, count / took, cpu, count);
  } finally {
    await sink.stop();
  }
}

async function drain(server: Server, load: Load): Promise<Figures> {
  const count = await warm(server, load);
  await give(server.port, count, load);
  // The same restart for both: Postfix counts what it tried in vain, and so do we.
  await server.stop();
  await server.start();
  const held = server.queued();
  const cpu = cpuOf(server.pid());
  const sink = await Sink.start(join(folder, 'sink'));
  try {
    const begun = performance.now();
    server.flush();
    const took = await sink.has(held, begun);
    return figures(server, held / took, cpu, held);
  } finally {
    await sink.stop();
  }
}

async function restart(server: Server, load: Load): Promise<Figures> {
  await give(server.port, 20_000, load);
  await server.stop();
  const begun = performance.now();
  await server.start();
  return { main: performance.now() - begun, cpu: null, memory: memoryOf(server.pid()) };
}

const figures = (server: Server, main: number, before: number, count: number): Figures => ({
  main,
  cpu: ((cpuOf(server.pid()) - before) / count) * 1e6,
  memory: memoryOf(server.pid()),
});

function spread(values: readonly number[]): { median: number; text: string } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  const median = at(Math.floor(sorted.length / 2));
  const round = (n: number) => Math.round(n).toLocaleString('en');
  return { median, text: `${round(median)} (${round(at(0))}–${round(at(sorted.length - 1))})` };
}

const titleOf = ({ scenario, load }: Row): string => {
  const size = load.size >= 1024 ? `${load.size / 1024} KB` : `${load.size} B`;
  if (scenario === 'restart') return 'restart over 20,000, ms';
  return `${scenario}, ${size}, ${load.sessions} sessions, ${load.reused ? 'reused' : 'new each'}, mails/s`;
};

async function main(): Promise<void> {
  for (const server of servers) console.log(`--- ${server.name}\n${server.shown()}`);
  const table = new Table({
    head: ['', 'Restante', 'Postfix', 'ratio', 'CPU µs a mail', 'ratio', 'PSS MiB'],
    // Columns that line up, without borders.
    chars: NO_BORDERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  const only = asked.only.split(',');
  for (const row of ROWS.filter((r) => only.includes(r.scenario))) {
    const found = servers.map((): Figures[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, server] of servers.entries()) found[i]?.push(await measure(server, row));
    }
    const [ours, theirs] = found.map((all) => ({
      main: spread(all.map((f) => f.main)),
      cpu: spread(all.map((f) => f.cpu ?? Number.NaN)),
      memory: spread(all.map((f) => f.memory)),
    }));
    if (!ours || !theirs) continue;
    const cpu = row.scenario !== 'restart';
    table.push([
      titleOf(row),
      ours.main.text,
      theirs.main.text,
      `${(ours.main.median / theirs.main.median).toFixed(1)} ×`,
      cpu ? `${Math.round(ours.cpu.median)} / ${Math.round(theirs.cpu.median)}` : '',
      cpu ? `1/${(theirs.cpu.median / ours.cpu.median).toFixed(1)}` : '',
      `${Math.round(ours.memory.median)} / ${Math.round(theirs.memory.median)}`,
    ]);
    console.error(`${titleOf(row)}: done`);
  }
  console.log(table.toString());
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
