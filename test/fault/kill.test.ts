/**
 * The process is killed at every operation of recorded lives, by many seeds: before it, in the middle of a
 * write, after it. What is on the disk is all there, but no safer than before. The next process finds all that
 * was promised; and what it has shown is still there when the power goes after that.
 *
 * FAULT_SEEDS=n makes it n times as long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fateOf, NOTHING, seeded } from '../support/fates.ts';
import type { Fate } from '../support/memory-disk.ts';
import type { MemoryFiles } from '../support/memory-files.ts';
import type { View } from './book.ts';
import { type Life, record, recordShort, verify } from './history.ts';

const SEEDS = 6 * Number(process.env.FAULT_SEEDS ?? 1);

test('killed at any operation of many short lives', { timeout: 30 * 60_000 }, async (t) => {
  let runs = 0;
  for (let seed = 100; seed < 100 + SEEDS; seed++)
    runs += await killEverywhere(await recordShort(seed), seed);
  t.diagnostic(`${runs} kills`);
  assert.ok(runs > 1000);
});

test('killed at any operation of a whole history', { timeout: 30 * 60_000 }, async (t) => {
  let runs = 0;
  for (const life of await record({ seed: 7 })) runs += await killEverywhere(life, 7);
  t.diagnostic(`${runs} kills`);
});

async function killEverywhere(life: Life, seed: number): Promise<number> {
  const viewAt = life.book.reader();
  const random = seeded(seed);
  for (let moment = 1; moment <= life.files.now; moment++) {
    const view = viewAt(moment);
    // What was under way: it has taken place, or not.
    const tookPlace = random() < 0.5;
    const files = life.files.killed(moment, () => tookPlace);
    const where = `seed ${seed}, killed at ${moment}`;
    try {
      await verify(files, view.copy(), moment, moment % 3 === 0);
      if (moment % 3 === 1) await loseAfterwards(files, view, moment);
    } catch (error) {
      throw new Error(`${where}: ${String(error)}`, { cause: error });
    }
  }
  return life.files.now;
}

/** The next process has shown what is there, and did nothing else: then the power goes. */
async function loseAfterwards(files: MemoryFiles, view: View, seed: number): Promise<void> {
  const now = view.copy();
  const again = files.killed(files.now, () => true);
  await verify(again, now, seed, false);
  const fate: Fate = seed % 2 === 0 ? NOTHING : fateOf(seed, Buffer.alloc(0));
  await verify(again.lost(again.now, fate), now, seed, false);
}
