/**
 * A list of 1,000,000 recipients: what a look-up costs. Figures are printed; what is
 * asserted has room for a busy machine.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
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
