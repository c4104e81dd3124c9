/**
 * A list of 1,000,000 recipients, and as many facts: what a look-up costs, and how long reading a list holds everything
 * else. Figures are printed; what is asserted has room for a busy machine.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, before, test } from 'node:test';
import { SystemClock } from '../../src/base/clock.ts';
import { openDatabase } from '../../src/base/database.ts';
import { silent } from '../../src/base/log.ts';
import { FACTS_SCHEMA, Facts, MOST_OF_A_SITE } from '../../src/policy/roster/facts.ts';
import { RecipientFile } from '../../src/policy/roster/file.ts';
import { readList } from '../../src/policy/roster/list.ts';
import { nameOf } from '../../src/policy/roster/names.ts';

const COUNT = 1_000_000;
const addressOf = (n: number): string => `first.last${n}@acme.example`;
let folder = '';
let file = '';

async function write(count: number): Promise<void> {
  const out = createWriteStream(file);
  for (let n = 0; n < count; ) {
    let text = '';
    for (const end = Math.min(count, n + 10_000); n < end; n++) text += `${addressOf(n)}\n`;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'million-'));
  file = join(folder, 'list');
  await write(COUNT);
});
after(() => rm(folder, { recursive: true }));

test('a look-up in a million takes less than two microseconds', async (t) => {
  const { list } = await readList(createReadStream(file), { octets: statSync(file).size, seed: 4711 });
  assert.equal(list.size, COUNT);
  const asked = Array.from({ length: 200_000 }, (_, i) => addressOf(i * 10 + (i % 2) * COUNT * 10));
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    let found = 0;
    const begun = performance.now();
    for (const address of asked) if (list.lookup(nameOf(address, '+')) === 'listed') found++;
    best = Math.min(best, ((performance.now() - begun) * 1000) / asked.length);
    assert.equal(found, asked.length / 4);
  }
  t.diagnostic(`${best.toFixed(2)} µs a look-up, half of them in vain`);
  assert.ok(best < 10, `${best} µs`);
});

test('a list of a million is read again without a pause of 50 ms', async (t) => {
  const source = new RecipientFile(file, { clock: new SystemClock(), log: silent, random: Math.random });
  await source.current();
  const held: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const before = source.view().read;
    await utimes(file, new Date(), new Date(Date.now() + round * 10_000));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    while (source.view().read === before) {
      await source.current();
      await new Promise((wake) => setTimeout(wake, 5));
    }
    delay.disable();
    held.push(delay.max / 1e6);
    assert.equal(source.view().recipients, COUNT);
  }
  t.diagnostic(`held everything else for ${held.map((ms) => ms.toFixed(1)).join(', ')} ms at most`);
  assert.ok(Math.min(...held) < 50, `${held} ms`);
});

test('a look at what was learned of a million, and is not in memory, takes less than 100 microseconds', (t) => {
  const db = openDatabase(join(folder, 'facts'), FACTS_SCHEMA);
  const insert = db.prepare("INSERT INTO facts VALUES (?, ?, 1, 1, 'handover', NULL)");
  db.exec('BEGIN');
  const siteOf = (n: number): string => `site${Math.floor(n / MOST_OF_A_SITE)}`;
  for (let n = 0; n < COUNT; n++) insert.run(siteOf(n), addressOf(n));
  db.exec('COMMIT');
  const facts = new Facts({ db, clock: new SystemClock(), log: silent });
  // 7919 and a million have no common factor: each once, in no order.
  const asked = Array.from({ length: 20_000 }, (_, i) => (i * 7919) % COUNT);
  const begun = performance.now();
  for (const n of asked) assert.ok(facts.get(siteOf(n), addressOf(n))?.good);
  const known = ((performance.now() - begun) * 1000) / asked.length;
  const then = performance.now();
  for (const n of asked) assert.equal(facts.get(siteOf(n), `no${n}@acme.example`), undefined);
  const unknown = ((performance.now() - then) * 1000) / asked.length;
  t.diagnostic(`${known.toFixed(1)} µs for one that is there, ${unknown.toFixed(1)} µs for one that is not`);
  assert.ok(known < 100 && unknown < 100);
  db.close();
});
