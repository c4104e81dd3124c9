/**
 * A long queue: its memory, its disk, how soon it accepts again after `kill -9`, what a mail costs beside it
 * and beside an empty queue in nine pairs, and what is left when it has drained. Then the disk for 64 KB.
 * A million mails of 4 KB need 5 GB and several minutes, so this row runs only when it is named.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, emptied, holds, timed, withSink } from '../bench.ts';
import { give, type Load } from '../load.ts';
import { memoryOf } from '../processes.ts';
import { number, spreadText } from '../report.ts';
import { type Restante, restante } from '../restante.ts';
import { SECOND_PORT, sleep } from '../server.ts';
import type { OwnLine, OwnRow } from './rows.ts';

const PAIRS = 9;
const REST_SECONDS = 60;
const SMALL: Load = { size: 4096, sessions: 20, reused: true };
const LARGE: Load = { ...SMALL, size: 65_536 };

/** Octets on the disk, and segments. What is kept back for a full disk is left out. */
function room(server: Restante): { octets: number; segments: number } {
  let [octets, segments] = [0, 0];
  const folder = join(server.spool, 'mail');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (name.startsWith('reserve.')) continue;
    octets += (statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    if (name.endsWith('.log')) segments++;
  }
  return { octets, segments };
}

/** The least room in 60 s of rest. */
async function rested(server: Restante): Promise<{ octets: number; segments: number }> {
  let least = room(server);
  for (let i = 0; i < REST_SECONDS; i += 2) {
    await sleep(2000);
    const now = room(server);
    if (now.octets < least.octets) least = now;
  }
  return least;
}

async function disk(server: Restante, what: string): Promise<OwnLine> {
  const bytes = server.bytes();
  const { octets, segments } = await rested(server);
  const ratio = octets / bytes;
  return { what, text: `${number(ratio)} octets for each of content, ${segments} segments` };
}

async function pairs(bench: Bench, full: Restante, empty: Restante): Promise<OwnLine[]> {
  const rates: [number[], number[]] = [[], []];
  const cpus: [number[], number[]] = [[], []];
  for (const server of [full, empty]) await give(bench.stage, server.port, bench.warmUp, SMALL);
  for (let i = 0; i < PAIRS; i++) {
    for (const at of i % 2 ? ([1, 0] as const) : ([0, 1] as const)) {
      const server = at ? empty : full;
      const count = bench.warmUp * 2;
      const sample = await timed(server, count, () => give(bench.stage, server.port, count, SMALL));
      rates[at].push(sample.values.rate ?? Number.NaN);
      cpus[at].push(sample.cpu ?? Number.NaN);
    }
  }
  return (['the long queue', 'an empty one'] as const).map((what, at) => ({
    what: `accepting beside ${what}, ${PAIRS} pairs`,
    text: `${spreadText(rates[at] ?? [])} mails/s, CPU ${spreadText(cpus[at] ?? [])} µs a mail`,
  }));
}

async function queue(bench: Bench, load: Load, entries: number, whole: boolean): Promise<OwnLine[]> {
  const full = restante(join(bench.folder, 'own'));
  const empty = restante(join(bench.folder, 'empty'), SECOND_PORT);
  for (const server of [full, empty]) server.wipe();
  const stopped = [full, empty].map((server) => bench.stage.add(() => server.stop()));
  const lines: OwnLine[] = [];
  try {
    await full.start();
    const { seconds } = await give(bench.stage, full.port, entries, load);
    await holds(full, entries);
    const name = `${entries.toLocaleString('en')} of ${load.size / 1024} KB`;
    lines.push({ what: `${name} accepted`, text: `${number(entries / seconds)} mails/s` });
    lines.push({ what: 'PSS then', text: `${number(memoryOf(full.pid()))} MiB` });
    lines.push(await disk(full, `disk within ${REST_SECONDS} s of rest`));
    if (whole) {
      await full.kill();
      const begun = performance.now();
      await full.start();
      lines.push({
        what: 'accepting again after kill -9',
        text: `${number(performance.now() - begun)} ms`,
      });
      await holds(full, entries);
      await sleep(5000);
      lines.push({ what: 'PSS 5 s later', text: `${number(memoryOf(full.pid()))} MiB` });
      await empty.start();
      lines.push(...(await pairs(bench, full, empty)));
      await empty.stop();
    }
    const held = full.queued();
    await withSink(bench, async (sink) => {
      const begun = performance.now();
      await full.flush();
      await sink.has(held);
      lines.push({
        what: 'drained, flush command included',
        text: `${number((held * 1000) / (performance.now() - begun))} mails/s`,
      });
      await emptied(full);
    });
    const left = await rested(full);
    lines.push({
      what: `left within ${REST_SECONDS} s after the drain`,
      text: `${left.segments} segments, ${number(left.octets / 2 ** 20)} MiB`,
    });
    return lines;
  } finally {
    for (const stop of stopped) await stop();
    for (const server of [full, empty]) server.wipe();
  }
}

export const million: OwnRow = {
  name: 'million',
  long: true,
  run: async (bench) => [
    ...(await queue(bench, SMALL, bench.entries, true)),
    ...(await queue(bench, LARGE, Math.ceil(bench.entries / 32), false)),
  ],
};
