/**
 * `npm run bench`: Restante and Postfix in turn, in one run, on this machine; then rows of our own. Needs root,
 * Debian's postfix, unbound, rbldnsd and opendkim, and the machine for itself.
 *
 *   npm run bench -- [--rounds 3] [--seconds 10] [--warm-up 5000] [--only NAMES] [--folder DIR] [--json FILE]
 *   npm run bench -- --list
 *
 * NAMES are rows or their beginnings (`hold`, `hold-4k`, `drain`), `bars`, `own` or one of our own rows,
 * separated by commas. Progress is on standard error, the table on standard output.
 */
import { writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, measure, type Row, type Sample } from './bench.ts';
import { floor } from './compared/latency.ts';
import { syncRates } from './disk.ts';
import { Names } from './names.ts';
import { OWN } from './own/rows.ts';
import { postfix } from './postfix.ts';
import { Beside } from './processes.ts';
import { idsOf, type Measured, number, seenOf, spreadText, tableOf } from './report.ts';
import { restante } from './restante.ts';
import { chosen, isNamed, ROWS } from './rows.ts';
import { Senders } from './senders.ts';
import {
  DEAD_PORT,
  DNS_PORT,
  POSTFIX_PORT,
  RESTANTE_PORT,
  SECOND_PORT,
  type Server,
  SINK,
} from './server.ts';
import { refusal, Stage } from './stage.ts';

const OPTIONS = {
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '10' },
  'warm-up': { type: 'string', default: '5000' },
  entries: { type: 'string', default: '1000000' },
  only: { type: 'string' },
  folder: { type: 'string', default: tmpdir() },
  json: { type: 'string' },
  list: { type: 'boolean', default: false },
} as const;

async function compared(bench: Bench, row: Row, servers: readonly Server[]): Promise<Measured> {
  const found = servers.map((server) => ({ server: server.name, samples: [] as Sample[] }));
  for (let round = 0; round < bench.rounds; round++) {
    for (const [i, server] of servers.entries()) {
      const sample = await measure(bench, row, server, round === 0).catch((fault: Error) => {
        if (bench.stage.ending) throw fault;
        console.error(`${row.name} ${round + 1}/${bench.rounds} ${server.name}: FAILED: ${fault.message}`);
        process.exitCode = 1;
      });
      if (!sample) continue;
      found[i]?.samples.push(sample);
      const values = Object.entries(sample.values).map(([key, value]) => `${key} ${number(value)}`);
      console.error(`${row.name} ${round + 1}/${bench.rounds} ${server.name}: ${values.join(', ')}`);
    }
  }
  return { row, samples: found };
}

async function main(stage: Stage): Promise<void> {
  const { values: asked } = parseArgs({ options: OPTIONS });
  const only = asked.only?.split(',');
  const own = OWN.filter(({ name, long }) => (only ? only.includes('own') || isNamed(name, only) : !long));
  const rows = only ? chosen(only) : ROWS;
  if (asked.list) {
    for (const { name } of [...ROWS, ...OWN]) console.log(name);
    return;
  }
  if (rows.length + own.length === 0) throw new Error(`no row is called ${asked.only}; see --list`);
  const no = await refusal(stage, [RESTANTE_PORT, SECOND_PORT, POSTFIX_PORT, SINK.port, DEAD_PORT, DNS_PORT]);
  if (no) throw new Error(no);
  const folder = stage.folder(asked.folder);
  const shm = stage.folder('/dev/shm');
  const bench: Bench = {
    stage,
    folder,
    shm,
    senders: new Senders(shm),
    beside: new Beside(),
    seconds: Number(asked.seconds),
    warmUp: Number(asked['warm-up']),
    rounds: Number(asked.rounds),
    entries: Number(asked.entries),
    rates: new Map(),
  };
  await Names.start(bench);
  const ours = restante(join(folder, 'restante'));
  const theirs = postfix(join(folder, 'postfix'));
  const deferring = postfix(join(folder, 'deferring'), true);
  if (rows.length > 0)
    for (const server of [ours, theirs]) console.log(`--- ${server.name}\n${server.shown()}`);
  const disk = syncRates(folder, Math.min(bench.seconds, 3), bench.rounds);
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}. 4 KB append and fdatasync: ${spreadText(disk)} a second\n`,
  );
  const measured: Measured[] = [];
  const raw: Record<string, unknown> = { disk, compared: measured };
  const save = () => {
    if (asked.json) writeFileSync(asked.json, `${JSON.stringify(raw, null, 2)}\n`);
  };
  for (const row of rows) {
    measured.push(await compared(bench, row, row.holds ? [ours, theirs, deferring] : [ours, theirs]));
    save();
  }
  if (measured.length > 0) {
    console.log(tableOf(measured));
    console.log('* with defer_transports, which is the better here\n');
    console.log(idsOf(measured));
    console.log(seenOf(measured));
  }
  if (rows.some(({ name }) => name.startsWith('latency'))) {
    const found = await floor(bench, 4096);
    raw.floor = found;
    const text = Object.entries(found).map(([key, value]) => `${key} ${number(value)}`);
    console.log(`the latency client against smtp-sink, 4 KB, ms (client: % of a core): ${text.join(', ')}\n`);
  }
  for (const { name, run } of own) {
    console.error(`${name} …`);
    const lines = await run(bench);
    raw[name] = lines;
    console.log(`--- ${name}\n${lines.map((line) => `${line.what}: ${line.text}`).join('\n')}\n`);
  }
  save();
}

const stage = new Stage();
try {
  await main(stage);
} catch (fault) {
  console.error(`bench: ${fault instanceof Error ? fault.message : fault}`);
  process.exitCode = 1;
} finally {
  await stage.end();
}
