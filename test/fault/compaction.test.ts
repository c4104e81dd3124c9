/**
 * Compaction when it goes wrong: a copy that did not become durable, and segments that were damaged since they
 * were written. No delivered mail comes back from the dead.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE, SECOND } from '../../src/base/clock.ts';
import { entryOf, idsOf, isGone, putOne } from '../../src/spool/contract-support.ts';
import type { EntryId, Spool } from '../../src/spool/port.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { LIMITS, openOn } from './actor.ts';
import { rest } from './history.ts';

const limits = { ...LIMITS, segment: 2500, gathered: 1e6 };
const remove = (spool: Spool, ids: readonly EntryId[]) => spool.operate(ids, { kind: 'remove', by: 'test' });
const logs = (files: MemoryFiles): string[] => files.paths().filter((path) => path.endsWith('.log'));

test('a copy whose sync failed is told of its death for as long as it is on disk', async () => {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const spool = await openOn(files, clock, { limits });
  const put = (): Promise<EntryId> => putOne(spool, 'acme', 'x'.repeat(900));
  const [dead, other] = [await put(), await put()];
  await put();
  await remove(spool, [other]);
  let copy = '';
  files.fault = (op) => {
    if (copy === '' && op.why === 'group') copy = op.path;
    else if (op.kind !== 'remove' || op.path !== copy) return undefined;
    return { kind: 'error', code: 'EIO' };
  };
  const [first = ''] = logs(files);
  await rest({ files, clock }, 20 * SECOND);
  assert.ok(copy !== '' && !files.has(first), 'it is copied, at the second try');
  await remove(spool, [dead]);
  const before = logs(files).filter((path) => path !== copy);
  for (let i = 0; i < 6; i++) {
    const [one] = [await put(), await put(), await put()];
    await remove(spool, [one]);
    await rest({ files, clock }, 20 * SECOND);
  }
  await remove(spool, await idsOf(spool.find({})));
  await put();
  await rest({ files, clock }, MINUTE);
  assert.deepEqual(
    logs(files).filter((path) => before.includes(path)),
    [],
    'where it was, and its death, is gone',
  );
  assert.ok(files.has(copy), 'the copy is not');
  const again = await openOn(files.kill(), clock, { limits });
  assert.ok(await isGone(again, dead));
});

for (const carried of [true, false]) {
  const where = carried ? 'is carried on with living mail' : 'stands in a segment that is not copied';
  test(`a copy and its death stay for as long as the original cannot be removed, where the death ${where}`, async () => {
    const files = new MemoryFiles();
    const clock = new SimClock();
    const spool = await openOn(files, clock, { limits });
    const put = (): Promise<EntryId> => putOne(spool, 'acme', 'x'.repeat(900));
    const [dead, other] = [await put(), await put()];
    await put();
    const [original = ''] = logs(files);
    files.fault = (op) =>
      op.kind === 'remove' && op.path === original ? { kind: 'error', code: 'EIO' } : undefined;
    await remove(spool, [other]);
    await rest({ files, clock }, 20 * SECOND);
    if (carried) await remove(spool, [dead]);
    for (let i = 0; i < 6; i++) {
      const [one] = [await put(), await put(), await put()];
      await remove(spool, [one]);
      await rest({ files, clock }, 20 * SECOND);
    }
    for (let i = 0; i < 3; i++) {
      await remove(spool, await idsOf(spool.find({})));
      for (let j = 0; j < 3; j++) await put();
      await rest({ files, clock }, MINUTE);
    }
    assert.ok(files.has(original));
    const again = await openOn(files.kill(), clock, { limits });
    assert.ok(await isGone(again, dead));
  });
}

for (const isDamaged of [false, true]) {
  const what = isDamaged ? 'damaged since: it stays' : 'whole: it goes, and they are carried on';
  test(`a segment with deaths that are still needed, ${what}`, async () => {
    const files = new MemoryFiles();
    const clock = new SimClock();
    const spool = await openOn(files, clock, { limits });
    const dead = await putOne(spool, 'acme', 'dead');
    const living = await putOne(spool, 'acme', 'f'.repeat(2300));
    await remove(spool, [dead]);
    const filling = await putOne(spool, 'acme', 'g'.repeat(2300));
    const last = await putOne(spool, 'acme', 'last');
    await rest({ files, clock }, 3 * SECOND);
    const [, second = ''] = logs(files);
    const damage = (disk: MemoryFiles): void => {
      const octets = disk.octets(second);
      octets[10] = (octets[10] ?? 0) ^ 1;
    };
    if (isDamaged) {
      await files.remove(second.replace('.log', '.idx'));
      damage(files);
    }
    await remove(spool, [filling]);
    await rest({ files, clock }, MINUTE);
    assert.equal(files.has(second), isDamaged);
    const disk = files.kill();
    if (isDamaged) damage(disk);
    const again = await openOn(disk, clock, { limits });
    const there = (await idsOf(again.find({}))).filter((id) => id !== dead);
    assert.deepEqual(there, [living, last]);
    // With its death damaged it may come back: never silently.
    assert.equal(again.health().corrupt, isDamaged ? 1 : 0);
    assert.ok(isDamaged || (await isGone(again, dead)));
  });
}

test('a state that changes while it is copied stays changed, though the copy stands behind it', async () => {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const spool = await openOn(files, clock, { limits });
  const hold = (reason: string) => spool.operate([id], { kind: 'hold', hold: { kind: 'operator', reason } });
  const id = await putOne(spool, 'acme', 'held');
  await hold('first');
  const filling = await putOne(spool, 'acme', 'f'.repeat(2300));
  await putOne(spool, 'acme', 'the next segment');
  const before = logs(files);
  let second: Promise<unknown> | null = null;
  files.fault = (op) => {
    if (op.why === 'group' && !before.includes(op.path)) second ??= hold('second');
    return undefined;
  };
  await remove(spool, [filling]);
  await rest({ files, clock }, 10 * SECOND);
  assert.ok(second, 'it is copied');
  await second;
  assert.equal(files.has(before[0] ?? ''), false);
  const again = await openOn(files.kill(), clock, { limits });
  const entry = await entryOf(again, id);
  assert.deepEqual(entry.hold, { kind: 'operator', reason: 'second' });
});
