/**
 * Power loss at every operation of recorded histories, with all that the model (`test/support/memory-disk.ts`)
 * allows to survive: the extremes, and choices by seed. After each: nothing acknowledged is lost, octet for octet;
 * nothing settled rises again; outcome and notice are one; no notice is lost or doubled; room kept back is whole;
 * the spool works on; and a second loss during the start changes nothing of that.
 *
 * FAULT_SEEDS=n examines n times as many histories; from 5 on, each moment of them instead of one of five.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examine } from './examine.ts';
import { record } from './history.ts';

const TIMES = Number(process.env.FAULT_SEEDS ?? 1);
const EVERY = TIMES >= 5 ? 1 : 5;
const SEEDS = Array.from({ length: 2 * TIMES }, (_, i) => i + 1);
// Each test by itself: a slow machine has time, a hanging one ends.
const TIMEOUT = 5 * 60_000;

for (const seed of SEEDS) {
  test(`the power goes at any moment of history ${seed}`, { timeout: TIMEOUT }, async (t) => {
    const lives = await record({ seed });
    for (const [i, life] of lives.entries()) {
      const { states, different, second, violations } = await examine(life, `life ${i + 1}`, {
        seed,
        choices: 3,
        every: EVERY,
      });
      t.diagnostic(
        `life ${i + 1}: ${life.files.now} moments, one of ${EVERY} examined, ${states} disks, ${different} different, ${second} lost again`,
      );
      assert.deepEqual(violations, []);
      assert.ok(different > 50, `${different} different disks`);
    }
    const [first] = lives;
    // The history has in it what it is to have.
    const paths = first?.files.paths() ?? [];
    assert.ok(paths.length > 0);
    for (const name of ['undo', 'removal', 'body', 'reserve name', 'truncate']) {
      assert.ok((first?.marks.get(name)?.length ?? 0) > 0, `no ${name} in history ${seed}`);
    }
  });
}
