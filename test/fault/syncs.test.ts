/**
 * The proof of the proof: each sync of the store is left out, one at a time, and power loss is seen to break a
 * promise. So none of them is there for nothing, and the search would find one that is missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECOND } from '../../src/base/clock.ts';
import { idsOf, putOne } from '../../src/spool/contract-support.ts';
import { SYNC, type Sync } from '../../src/spool/log/syncs.ts';
import { NOTHING } from '../support/fates.ts';
import type { Fate } from '../support/memory-disk.ts';
import { MemoryFiles, type Operation } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { openOn } from './actor.ts';
import { examine } from './examine.ts';
import { record, rest } from './history.ts';

/** How long after the sync that is not there a loss is looked for. */
const WINDOW = 40;
/** What happens between a kill and a power loss is played by hand: true if the promise is kept. */
const BY_HAND: Partial<Record<Sync, (without: Sync | null) => Promise<boolean>>> = {
  [SYNC.seen]: unsyncedRecordIsSeen,
  [SYNC.seenNames]: unsyncedRemovalIsSeen,
  [SYNC.quarantine]: damagedOctetsAreKept,
  [SYNC.quarantineName]: damagedOctetsAreKept,
};

for (const why of Object.values(SYNC)) {
  test(`without the sync "${why}", power loss breaks a promise`, { timeout: 10 * 60_000 }, async (t) => {
    const byHand = BY_HAND[why];
    if (byHand) {
      assert.equal(await byHand(null), true, 'with it the promise is kept');
      assert.equal(await byHand(why), false, 'without it the promise is broken');
      return;
    }
    const found = await search(why);
    assert.ok(found, 'no violation was found');
    t.diagnostic(found.split('\n')[0] ?? '');
  });
}

async function search(without: Sync): Promise<string | null> {
  for (let seed = 1; seed <= 4; seed++) {
    for (const [i, life] of (await record({ seed, without })).entries()) {
      const after = { name: without, moments: WINDOW };
      const name = `life ${i + 1} of ${seed}`;
      const { violations } = await examine(life, name, { seed, choices: 2, once: true, after });
      if (violations[0] !== undefined) return violations[0];
    }
  }
  return null;
}

/** Killed between write and sync: the next process shows the mail, and from then on it has to be there. */
async function unsyncedRecordIsSeen(without: Sync | null): Promise<boolean> {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const spool = await openOn(files, clock);
  await putOne(spool, 'acme', 'first');
  files.fault = (op) => (op.why === SYNC.group ? { kind: 'crash', when: 'before' } : undefined);
  await putOne(spool, 'acme', 'second').catch(() => {});
  const left = files.killed(files.now, () => true);
  left.without = without;
  // It cannot be written once more.
  left.fault = (op) => (op.kind === 'create' ? { kind: 'error', code: 'ENOSPC' } : undefined);
  const shown = await idsOf((await openOn(left, clock)).find({}));
  assert.equal(shown.length, 2, 'what was written is seen');
  const again = await openOn(left.lost(left.now, NOTHING), clock);
  return (await idsOf(again.find({}))).length === 2 && again.health().corrupt === 0;
}

/**
 * Killed between the removal of a segment and its sync, and started where no segment can be made: what
 * speaks of the segment goes next, and must not go before it.
 */
async function unsyncedRemovalIsSeen(without: Sync | null): Promise<boolean> {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const limits = { segment: 1000 };
  const spool = await openOn(files, clock, { limits });
  for (let i = 0; i < 2; i++) {
    // The death of each stands in the segment of the next.
    const id = await putOne(spool, 'acme', 'x'.repeat(1200));
    await spool.operate([id], { kind: 'remove', by: 'test' });
  }
  const isRemoval = (op: Operation): boolean => op.kind === 'remove' && op.path.endsWith('.log');
  files.fault = (op) => (isRemoval(op) ? { kind: 'crash', when: 'after' } : undefined);
  await rest({ files, clock }, 2 * SECOND);
  const left = files.killed(files.now, () => true);
  left.without = without;
  left.fault = (op) => (op.kind === 'create' ? { kind: 'error', code: 'ENOSPC' } : undefined);
  let lost: MemoryFiles | null = null;
  const onlySecond: Fate = { ...NOTHING, name: (c) => c.node === null && /^0*2-.*log$/.test(c.name) };
  const again = await openOn(left, clock, { limits });
  assert.deepEqual(await idsOf(again.find({})), []);
  left.moment = (now, op) => {
    if (op.why === SYNC.removal) lost ??= left.lost(now, onlySecond);
  };
  await rest({ files: left, clock }, 2 * SECOND);
  assert.ok(lost, 'the second segment is removed');
  return (await idsOf((await openOn(lost, clock)).find({}))).length === 0;
}

/** Damaged octets are set aside for people, before the segment that had them may go. */
async function damagedOctetsAreKept(without: Sync | null): Promise<boolean> {
  const first = new MemoryFiles();
  const clock = new SimClock();
  const limits = { segment: 1e6 };
  const spool = await openOn(first, clock, { limits });
  await putOne(spool, 'acme', 'damaged');
  await putOne(spool, 'acme', 'whole');
  const files = first.kill();
  files.without = without;
  const log = files.octets(files.paths().find((path) => path.endsWith('.log')) ?? '');
  log[4] = (log[4] ?? 0) ^ 1;
  const again = await openOn(files, clock, { limits });
  const kept = files.paths().find((path) => path.includes('/quarantine/')) ?? '';
  const octets = Buffer.from(files.octets(kept));
  await again.operate(await idsOf(again.find({})), { kind: 'remove', by: 'test' });
  await rest({ files, clock }, 60 * SECOND);
  const lost = files.lost(files.now, NOTHING);
  return lost.has(kept) && lost.octets(kept).equals(octets);
}
