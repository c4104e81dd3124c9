import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { House, listed, makeSite } from '../../test/scenario/receive-harness.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { SECOND } from '../base/clock.ts';
import { Harvest } from './harvest.ts';

test('who tries out addresses waits longer and longer, and is sent away; who errs a few times does not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'harvest-'));
  const path = join(folder, 'list');
  await writeFile(path, 'joe\n');
  const clock = new SimClock();
  const house = new House([makeSite('a', ['a.example'], { recipients: listed(path) })], {}, undefined, [
    new Harvest(clock),
  ]);
  const visit = house.visit();
  await visit.mail('FROM:<>');
  const waits: number[] = [];
  const asks = async (address: string): Promise<string> => {
    const [begun, armed] = [clock.monotonic(), clock.armed];
    let said: string | null = null;
    void visit.rcpt(`TO:<${address}>`).then((text) => (said = text));
    // An answer, or the wait for it: the list is a real file, which takes its own time.
    while (said === null && clock.armed === armed) await clock.settle();
    while (said === null) await clock.advance(SECOND);
    waits.push((clock.monotonic() - begun) / SECOND);
    return said;
  };
  assert.equal(await visit.rcpt('TO:<joe@a.example>'), '250 2.1.5', 'and the list has been read');
  for (let i = 0; i < 21; i++) assert.equal(await asks(`u${i}@a.example`), '550 5.1.1');
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10]);
  assert.equal(await asks('joe@a.example'), '421 4.7.0');
  const other = house.visit();
  await other.mail('FROM:<>');
  assert.equal(await other.rcpt('TO:<joe@a.example>'), '250 2.1.5', 'another connection is another matter');
  await rm(folder, { recursive: true });
});
