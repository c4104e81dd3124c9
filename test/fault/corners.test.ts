/**
 * Corners that the histories seldom come to, each with its story: what fails, in which order, and what is
 * still true.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MINUTE, SECOND } from '../../src/base/clock.ts';
import {
  DELIVERED,
  entryFor,
  FAILED,
  idsOf,
  leaseOf,
  octetsOf,
  putOne,
  settlement,
} from '../../src/spool/contract-support.ts';
import type { EntryId, Spool } from '../../src/spool/port.ts';
import { NOTHING } from '../support/fates.ts';
import { MemoryFiles, type Operation } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { LIMITS, openOn } from './actor.ts';
import { rest } from './history.ts';

interface World {
  files: MemoryFiles;
  readonly clock: SimClock;
  spool: Spool;
}

async function world(files = new MemoryFiles(), limits = LIMITS): Promise<World> {
  const clock = new SimClock();
  return { files, clock, spool: await openOn(files, clock, { limits }) };
}

/** Another process on what a killed one has left. */
const afterKill = (w: World, limits = LIMITS): Promise<World> => world(w.files.kill(), limits);

const fail = (files: MemoryFiles, code: string, which: (op: Operation) => boolean): void => {
  files.fault = (op) => (which(op) ? { kind: 'error', code } : undefined);
};

async function putLarge(spool: Spool, recipients: string[]): Promise<{ id: EntryId; content: Buffer }> {
  const draft = await spool.draft({ queues: ['acme'] });
  assert.ok(draft.kind === 'draft');
  const body = Buffer.alloc(5000, `large ${draft.id} `);
  await draft.write(body);
  const result = await draft.commit(Buffer.from('head\r\n\r\n'), [entryFor('acme', ...recipients)]);
  assert.equal(result.kind, 'committed');
  return { id: draft.id, content: Buffer.concat([Buffer.from('head\r\n\r\n'), body]) };
}

const logOf = (files: MemoryFiles): string[] => files.paths().filter((path) => path.endsWith('.log'));

describe('where not even a new file can be made', () => {
  test('outcomes and the notices they cause are settled, in the room kept back', async () => {
    const before = await world();
    const ids = [await putOne(before.spool, 'acme'), await putOne(before.spool, 'acme')];
    await rest(before, 5 * SECOND);
    const files = before.files.kill();
    fail(files, 'ENOSPC', (op) => op.kind === 'create');
    files.capacity = 0;
    const w = await world(files);
    const lease = await leaseOf(w.spool, 'acme');
    await lease.ready(w.clock.now(), 9);
    const notice = { content: Buffer.from('failed'), entry: entryFor('>example.net') };
    let isSettled = false;
    const settled = lease
      .settle(ids.map((id) => settlement(id, FAILED, { notice })))
      .then(() => (isSettled = true));
    await rest(w, 40 * SECOND);
    assert.ok(isSettled, 'it is settled while the disk is full');
    await settled;
    assert.equal(w.spool.summary('acme').count, 0);
    assert.equal(w.spool.summary('>example.net').count, 2);
    const again = await afterKill(w);
    assert.equal(again.spool.summary('acme').count, 0);
    assert.equal(again.spool.summary('>example.net').count, 2);
  });

  test('new mail is refused for want of room, 452, and taken again when there is some', async () => {
    const w = await world();
    await putOne(w.spool, 'acme');
    fail(w.files, 'ENOSPC', (op) => op.kind === 'create' || op.kind === 'write');
    assert.equal(await refusal(w.spool), 'full');
    await rest(w, 5 * SECOND);
    assert.equal(await refusal(w.spool), 'full');
    assert.equal(w.spool.health().state, 'full');
    w.files.fault = () => undefined;
    await rest(w, 40 * SECOND);
    assert.equal(w.spool.health().state, 'ok');
    assert.equal(await refusal(w.spool), 'taken');
  });
});

describe('where nothing can be written', () => {
  for (const [code, why, state] of [
    ['EROFS', 'readonly', 'readonly'],
    ['ENOSPC', 'full', 'full'],
  ] as const) {
    test(`${code} for the next segment: refused as ${why}; it is tried again though nobody asks`, async () => {
      const w = await world();
      for (let i = 0; i < 2; i++) await putOne(w.spool, 'acme', 'a'.repeat(1400));
      fail(w.files, code, (op) => op.kind === 'create' || op.kind === 'rename');
      assert.equal(await refusal(w.spool), why);
      assert.equal(await refusal(w.spool), why);
      assert.equal(w.spool.health().state, state);
      w.files.fault = () => undefined;
      await rest(w, 40 * SECOND);
      assert.equal(w.spool.health().state, 'ok');
      assert.equal(await refusal(w.spool), 'taken');
    });
  }

  for (const code of ['EROFS', 'EIO']) {
    test(`${code}: mail is refused, 451, and taken again without a restart and without an outcome`, async () => {
      const w = await world();
      const id = await putOne(w.spool, 'acme');
      fail(w.files, code, (op) => ['create', 'write', 'datasync', 'truncate', 'rename'].includes(op.kind));
      assert.equal(await refusal(w.spool), 'io');
      assert.equal(await refusal(w.spool), 'readonly');
      assert.equal(w.spool.health().state, 'readonly');
      assert.match(w.spool.health().why ?? '', new RegExp(code));
      // What is there can still be handed over.
      assert.ok((await octetsOf(await w.spool.open(id))).length > 0);
      w.files.fault = () => undefined;
      await rest(w, 40 * SECOND);
      assert.equal(await refusal(w.spool), 'taken');
      assert.equal(w.spool.health().state, 'ok');
    });
  }
});

test('no segment number is used twice, whatever could not be made', async () => {
  const w = await world();
  const [id = ''] = [await putOne(w.spool, 'acme')];
  const first = logOf(w.files);
  // Not one new segment can be made; meanwhile the last one empties.
  fail(w.files, 'ENOSPC', (op) => op.kind === 'create' && op.path.endsWith('.log'));
  w.files.fault = (op) =>
    op.path.endsWith('.log') && (op.kind === 'create' || (op.kind === 'write' && op.octets > 1000))
      ? { kind: 'error', code: 'ENOSPC' }
      : undefined;
  await w.spool.operate([id], { kind: 'remove', by: 'test' });
  fail(w.files, 'EIO', (op) => op.why === 'group');
  assert.equal(await refusal(w.spool), 'io');
  fail(w.files, 'ENOSPC', (op) => op.kind === 'create' || op.kind === 'rename');
  await rest(w, 2 * MINUTE);
  assert.deepEqual(logOf(w.files), first, 'the highest number stays on disk');
});

test('a large body is there for the entry that was split off while all others were settled', async () => {
  const pauses = Array.from({ length: 12 }, (_, i) => i);
  for (const pause of pauses) {
    const w = await world(new MemoryFiles(), { ...LIMITS, cache: 0 });
    const { id, content } = await putLarge(w.spool, ['x@acme.example', 'y@acme.example']);
    const lease = await leaseOf(w.spool, 'acme');
    await lease.ready(w.clock.now(), 1);
    const moved = w.spool.move(id, 'beta', [1]);
    for (let i = 0; i < pause; i++) await new Promise((resolve) => setImmediate(resolve));
    await lease.settle([{ id, outcomes: [{ recipient: 0, outcome: DELIVERED }] }]);
    await moved;
    const [there = ''] = await idsOf(w.spool.find({ queue: 'beta' }));
    await w.clock.settle();
    assert.ok((await octetsOf(await w.spool.open(there))).equals(content), `after ${pause} turns`);
  }
});

test('a large mail that was refused as the disk failed is not there, or is there whole', async () => {
  const w = await world();
  await putOne(w.spool, 'acme');
  let hasFailed = false;
  w.files.fault = (op) => {
    if (op.why !== 'group' && !(hasFailed && op.kind === 'create')) return undefined;
    hasFailed = true;
    return { kind: 'error', code: 'EIO' };
  };
  await assert.rejects(putLarge(w.spool, ['x@acme.example']));
  const again = await afterKill(w);
  for (const id of await idsOf(again.spool.find({}))) await octetsOf(await again.spool.open(id));
  assert.equal(again.spool.health().corrupt, 0);
});

test('a failed sync closes the segment: it is never written or synced again, and health says so', async () => {
  const w = await world();
  const id = await putOne(w.spool, 'acme');
  let failed = '';
  w.files.fault = (op) => {
    if (failed === '' && op.why === 'group') {
      failed = op.path;
      return { kind: 'error', code: 'EIO' };
    }
    const isChange = ['write', 'datasync', 'truncate'].includes(op.kind);
    assert.ok(op.path !== failed || !isChange, `${op.kind} after it`);
    return undefined;
  };
  assert.equal(await refusal(w.spool), 'io');
  assert.equal(w.spool.health().state, 'doubtful');
  assert.equal(await refusal(w.spool), 'taken');
  await rest(w, MINUTE);
  assert.equal(w.spool.health().state, 'ok');
  assert.ok(!w.files.has(failed), 'what was in it is copied, and it is gone');
  assert.ok((await octetsOf(await w.spool.open(id))).length > 0);
});

/*
 * A sync fails under an outcome and the notice it causes, and the process is killed before either is durable elsewhere.
 * The next one can read them, and cannot tell that they are not on the disk: then the power goes.
 */
test('after a failed sync, a kill and power loss, a mail is there, or the notice about it', async () => {
  const w = await world(new MemoryFiles(), { ...LIMITS, segment: 1600 });
  const id = await putOne(w.spool, 'acme', 'a'.repeat(1400));
  await putOne(w.spool, 'beta', 'b');
  const lease = await leaseOf(w.spool, 'acme');
  await lease.ready(w.clock.now(), 9);
  fail(w.files, 'EIO', (op) => op.kind === 'datasync' || op.kind === 'create');
  const notice = { content: Buffer.from('failed'), entry: entryFor('>example.net') };
  void lease.settle([settlement(id, FAILED, { notice })]).catch(() => {});
  await rest(w, 5 * SECOND);
  const next = await afterKill(w, { ...LIMITS, segment: 1600 });
  assert.equal(next.spool.summary('>example.net').count, 1);
  await rest(next, MINUTE);
  const last = await world(next.files.lost(next.files.now, NOTHING));
  assert.equal(last.spool.summary('acme').count + last.spool.summary('>example.net').count, 1);
  assert.equal(last.spool.health().corrupt, 0);
});

describe('where octets cannot be read', () => {
  test('a start goes on, serves the rest, keeps the segment, and has all again when it can be read', async () => {
    const w = await world(new MemoryFiles(), { ...LIMITS, segment: 1000 });
    const ids = [
      await putOne(w.spool, 'acme', 'a'.repeat(1400)),
      await putOne(w.spool, 'acme', 'b'.repeat(1400)),
    ];
    const bad = logOf(w.files)[0] ?? '';
    const files = w.files.kill();
    fail(files, 'EIO', (op) => op.kind === 'read' && op.path === bad);
    const again = await world(files);
    assert.deepEqual(await idsOf(again.spool.find({})), ids.slice(1));
    assert.ok(again.spool.health().corrupt > 0, 'it is counted');
    await again.spool.operate(ids.slice(1), { kind: 'remove', by: 'test' });
    await rest(again, 2 * MINUTE);
    assert.ok(files.has(bad), 'what cannot be read is not thrown away');
    files.fault = () => undefined;
    assert.deepEqual(await idsOf((await afterKill(again)).spool.find({})), ids.slice(0, 1));
  });

  test('a mail that could not be read is offered again without a restart', async () => {
    const w = await world(new MemoryFiles(), { ...LIMITS, cache: 0 });
    const id = await putOne(w.spool, 'acme');
    const lease = await leaseOf(w.spool, 'acme');
    fail(w.files, 'EIO', (op) => op.kind === 'read');
    assert.deepEqual(await lease.ready(w.clock.now(), 1), []);
    assert.equal(w.spool.health().corrupt, 1);
    w.files.fault = () => undefined;
    await rest(w, 2 * MINUTE);
    const arrived: string[] = [];
    w.spool.onArrival((queue) => arrived.push(queue));
    assert.deepEqual(
      (await lease.ready(w.clock.now(), 1)).map((e) => e.id),
      [id],
    );
    assert.equal(w.spool.health().corrupt, 0);
  });

  test('damage to a large body is counted when it is met, and the mail is set aside', async () => {
    const w = await world();
    const { id } = await putLarge(w.spool, ['x@acme.example']);
    const octets = w.files.octets(`/var/spool/large/${id}`);
    octets[2000] = (octets[2000] ?? 0) ^ 4;
    await assert.rejects(async () => octetsOf(await w.spool.open(id)), /bad checksum/);
    assert.equal(w.spool.health().corrupt, 1);
    const lease = await leaseOf(w.spool, 'acme');
    assert.deepEqual(await lease.ready(w.clock.now(), 1), []);
    // Looked at again, it is not counted again.
    await assert.rejects(async () => octetsOf(await w.spool.open(id)), /bad checksum/);
    assert.equal(w.spool.health().corrupt, 1);
  });
});

describe('where a start cannot tidy up', () => {
  test('damaged octets that cannot be set aside, and orphans that cannot go, do not stop it', async () => {
    const w = await world(new MemoryFiles(), { ...LIMITS, segment: 1e6 });
    const ids = [await putOne(w.spool, 'acme', '#1#'), await putOne(w.spool, 'acme', 'two')];
    const files = w.files.kill();
    const log = files.octets(logOf(files)[0] ?? '');
    log[log.indexOf('#1#')] = 0;
    await (await files.open('/var/spool/large/zzz', 'create')).close();
    const changes = ['create', 'write', 'rename', 'remove', 'syncDir'];
    fail(files, 'ENOSPC', (op) => changes.includes(op.kind) && /quarantine|large/.test(op.path));
    const again = await world(files);
    assert.deepEqual(await idsOf(again.spool.find({})), ids.slice(1));
  });
});

async function refusal(spool: Spool): Promise<string> {
  const draft = await spool.draft({ queues: ['acme'] });
  if (draft.kind === 'refused') return draft.why;
  const result = await draft.commit(Buffer.from('head'), [entryFor('acme')]);
  return result.kind === 'refused' ? result.why : 'taken';
}
