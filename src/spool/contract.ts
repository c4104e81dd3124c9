/**
 * The contract of the spool port, as tests: every implementation passes them. `world` makes an empty
 * store; `reopen` ends the process that has it, in order, and starts another on what is left.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE } from '../base/clock.ts';
import { MOVING, PEOPLE, SETTLING } from './contract-changes.ts';
import { DOUBT } from './contract-doubt.ts';
import { HELD } from './contract-held.ts';
import {
  type Claim,
  DEFERRED,
  DELIVERED,
  entryFor,
  entryOf,
  HEAD,
  isGone,
  leaseOf,
  listOf,
  octetsOf,
  put,
  putOne,
  type SpoolWorld,
  settlement,
} from './contract-support.ts';
import type { EntryId, Spool } from './port.ts';

const IN_AND_OUT: Record<string, Claim> = {
  'what was committed is read back octet for octet, before and after a restart': async (world) => {
    const body = Buffer.from([...'8-bit \u00e4\r\n.dot\r\n'].map((c) => c.charCodeAt(0)));
    const [id = ''] = await put(world.spool, [entryFor('acme')], body.subarray(0, 4), body.subarray(4));
    for (const spool of [world.spool, await world.reopen()]) {
      assert.deepEqual(await octetsOf(await spool.open(id)), Buffer.concat([HEAD, body]));
      const entry = await entryOf(spool, id);
      assert.deepEqual(entry.envelope, entryFor('acme').envelope);
      assert.deepEqual(entry.origin, entryFor('acme').origin);
      assert.equal(entry.size, HEAD.length + body.length);
      assert.equal(entry.arrived, world.clock.now());
      assert.deepEqual(entry.recipients, [{ state: 'pending' }]);
    }
  },
  'a large mail streams in and out, from any place': async (world) => {
    const piece = Buffer.alloc(65_521, 'abcdefghijklmnopqrstuvwxyz');
    const pieces = Array.from({ length: 20 }, (_, i) => Buffer.concat([Buffer.from([i]), piece]));
    const whole = Buffer.concat([HEAD, ...pieces]);
    const [id = ''] = await put(world.spool, [entryFor('acme')], ...pieces.map((p) => Buffer.from(p)));
    const spool = await world.reopen();
    assert.deepEqual(await octetsOf(await spool.open(id)), whole);
    const lease = await leaseOf(spool, 'acme');
    for (const from of [1, HEAD.length, HEAD.length + 1, 262_144 + HEAD.length, 700_001, whole.length]) {
      assert.deepEqual(await octetsOf(await lease.open(id, from)), whole.subarray(from), `from ${from}`);
    }
  },
  'one mail for several queues is one entry in each': async (world) => {
    const [a = '', b = '', c = ''] = await put(
      world.spool,
      ['acme', 'beta', '>x.example'].map((q) => entryFor(q)),
    );
    assert.deepEqual([b, c], [`${a}.2`, `${a}.3`]);
    const lease = await leaseOf(world.spool, 'acme');
    await lease.settle([settlement(a, DELIVERED)]);
    const spool = await world.reopen();
    assert.ok(await isGone(spool, a));
    assert.deepEqual((await entryOf(spool, b)).envelope, entryFor('beta').envelope);
    assert.equal((await entryOf(spool, c)).mail, a);
    assert.deepEqual(await octetsOf(await spool.open(c)), HEAD);
  },
  'the id of the draft is the id of the mail': async ({ spool }) => {
    const draft = await spool.draft({ queues: ['acme'] });
    if (draft.kind !== 'draft') throw new Error('refused');
    const committed = await draft.commit(HEAD, [entryFor('acme')]);
    assert.deepEqual(committed, { kind: 'committed', entries: [draft.id] });
    assert.match(draft.id, /^[A-Za-z0-9_-]+$/);
  },
  'a draft shows what was written to it, as often as it is asked': async (world) => {
    for (const size of [10, 400_000]) {
      const draft = await world.spool.draft({ queues: ['acme'] });
      if (draft.kind !== 'draft') throw new Error('refused');
      const whole = Buffer.concat([Buffer.alloc(size, 'abc'), Buffer.from('end')]);
      await draft.write(Buffer.from(whole.subarray(0, size)));
      await draft.write(Buffer.from('end'));
      for (let i = 0; i < 2; i++) {
        const read: Uint8Array[] = [];
        for await (const piece of draft.read()) read.push(piece);
        assert.ok(Buffer.concat(read).equals(whole), `${size} octets`);
      }
      await draft.commit(HEAD, [entryFor('acme')]);
      assert.deepEqual(await octetsOf(await world.spool.open(draft.id)), Buffer.concat([HEAD, whole]));
    }
  },
  'a draft that is rewound has the body that is written afterwards': async (world) => {
    for (const size of [10, 400_000]) {
      const draft = await world.spool.draft({ queues: ['acme'] });
      if (draft.kind !== 'draft') throw new Error('refused');
      await draft.write(Buffer.alloc(size, 'x'));
      await draft.rewind();
      assert.equal(draft.written, 0);
      const body = Buffer.alloc(400_000 - size, 'y');
      await draft.write(Buffer.from(body));
      await draft.commit(HEAD, [entryFor('acme')]);
      const spool = await world.reopen();
      assert.deepEqual(await octetsOf(await spool.open(draft.id)), Buffer.concat([HEAD, body]));
      world = { ...world, spool };
    }
  },
  'a draft that was not committed leaves nothing': async (world) => {
    for (const size of [10, 400_000]) {
      const aborted = await world.spool.draft({ queues: ['acme'] });
      const left = await world.spool.draft({ queues: ['acme'] });
      for (const draft of [aborted, left]) if (draft.kind === 'draft') await draft.write(Buffer.alloc(size));
      if (aborted.kind === 'draft') await aborted.abort();
      if (aborted.kind === 'draft') await aborted.abort();
    }
    const spool = await world.reopen();
    assert.deepEqual([...spool.queues()], []);
  },
  'ids are not given twice, whatever restarts': async (world) => {
    const ids = new Set<EntryId>();
    let { spool } = world;
    for (let i = 0; i < 3; i++) {
      for (let n = 0; n < 3; n++) ids.add(await putOne(spool, 'acme'));
      const lease = await leaseOf(spool, 'acme');
      await lease.settle([...ids].map((id) => settlement(id, DELIVERED)));
      spool = await world.reopen();
    }
    assert.equal(ids.size, 9);
  },
  'a hint is given for what arrives': async ({ spool }) => {
    const hints: string[] = [];
    const stop = spool.onArrival((queue) => hints.push(queue));
    const id = await putOne(spool, 'acme');
    await spool.move(id, 'beta');
    await spool.operate([id], { kind: 'hold', hold: { kind: 'operator', reason: 'r' } });
    await spool.operate([id], { kind: 'release' });
    stop();
    await putOne(spool, 'acme');
    assert.deepEqual(hints, ['acme', 'beta', 'beta']);
  },
};

const HANDING_OUT: Record<string, Claim> = {
  'entries are handed out in order of arrival, once': async ({ spool, clock }) => {
    const ids: EntryId[] = [];
    for (let i = 0; i < 5; i++) {
      ids.push(await putOne(spool, 'acme'));
      await clock.advance(10);
    }
    const lease = await leaseOf(spool, 'acme');
    const take = async (n: number) => (await lease.ready(clock.now(), n)).map((e) => e.id);
    assert.deepEqual(await take(2), ids.slice(0, 2));
    assert.deepEqual(await take(2), ids.slice(2, 4));
    lease.giveBack([ids[1] ?? '']);
    assert.deepEqual(await take(9), [ids[1], ids[4]]);
    assert.deepEqual(await take(9), []);
    assert.equal(lease.nextReady(), null);
  },
  'the smallest first, or sender by sender, when that is asked for': async ({ spool, clock }) => {
    const ids: EntryId[] = [];
    for (const [sender, octets] of [
      ['b@x', 300],
      ['a@x', 200],
      ['b@x', 100],
      ['a@x', 200],
    ] as const) {
      const plain = entryFor('acme');
      const entry = { ...plain, envelope: { ...plain.envelope, sender } };
      ids.push(...(await put(spool, [entry], Buffer.alloc(octets, 'x'))));
      await clock.advance(10);
    }
    for (const [order, expected] of [
      ['arrival', [0, 1, 2, 3]],
      ['size', [2, 1, 3, 0]],
      ['sender', [1, 3, 0, 2]],
    ] as const) {
      const lease = await leaseOf(spool, 'acme');
      const got: EntryId[] = [];
      for (let i = 0; i < 4; i++) {
        for (const { id } of await lease.ready(clock.now(), 1, order)) got.push(id);
      }
      assert.deepEqual(
        got,
        expected.map((i) => ids[i]),
        order,
      );
      assert.deepEqual(await lease.ready(clock.now(), 1, order), []);
      // What comes back, and what is new, has its turn.
      lease.giveBack([ids[0] ?? '']);
      assert.deepEqual(
        (await lease.ready(clock.now(), 9, order)).map((e) => e.id),
        [ids[0]],
      );
      await lease.release();
    }
  },
  'one that was put off is not handed out before its time': async (world) => {
    const id = await putOne(world.spool, 'acme');
    const due = world.clock.now() + 5 * MINUTE;
    const first = await leaseOf(world.spool, 'acme');
    await first.ready(world.clock.now(), 1);
    await first.settle([settlement(id, DEFERRED, { nextTry: due })]);
    for (const spool of [world.spool, await world.reopen()]) {
      await first.release();
      const lease = await leaseOf(spool, 'acme');
      assert.deepEqual(await lease.ready(due - 1, 1), []);
      assert.equal(lease.nextReady(), due);
      const [entry] = await lease.ready(due, 1);
      assert.equal(entry?.attempts, 1);
      assert.deepEqual(entry?.recipients, [{ state: 'pending', last: DEFERRED }]);
      assert.equal(spool.summary('acme').deferred, 1);
      await lease.release();
    }
  },
  'hasten brings all that were put off forward': async ({ spool, clock }) => {
    const ids = [await putOne(spool, 'acme'), await putOne(spool, 'acme'), await putOne(spool, 'acme')];
    const lease = await leaseOf(spool, 'acme');
    await lease.settle(
      ids.map((id, i) => settlement(id, DEFERRED, { nextTry: clock.now() + (i + 1) * HOUR })),
    );
    lease.hasten(clock.now());
    assert.equal(lease.nextReady(), clock.now());
    assert.deepEqual(
      (await lease.ready(clock.now(), 2)).map((e) => e.id),
      ids.slice(0, 2),
    );
    await lease.settle([settlement(ids[0] ?? '', DEFERRED, { nextTry: clock.now() + DAY })]);
    assert.deepEqual(
      (await lease.ready(clock.now(), 2)).map((e) => e.id),
      ids.slice(2),
    );
  },
  'due: the oldest with fewer warnings, neither held nor handed out': async ({ spool, clock }) => {
    const ids: EntryId[] = [];
    for (let i = 0; i < 4; i++) {
      ids.push(await putOne(spool, 'acme'));
      await clock.advance(HOUR);
    }
    const [a = '', b = '', c = ''] = ids;
    await spool.operate([b], { kind: 'hold', hold: { kind: 'site removed' } });
    const lease = await leaseOf(spool, 'acme');
    const arrivedBefore = clock.now() - 2 * HOUR;
    assert.deepEqual(
      (await lease.due({ arrivedBefore, warned: 1 }, 9)).map((e) => e.id),
      [a, c],
    );
    await lease.settle([{ id: a, outcomes: [], warned: 1 }]);
    lease.giveBack([c]);
    assert.deepEqual(
      (await lease.due({ arrivedBefore, warned: 1 }, 9)).map((e) => e.id),
      [c],
    );
    assert.deepEqual(
      (await lease.due({ arrivedBefore, warned: 2 }, 9)).map((e) => e.id),
      [a],
    );
    lease.giveBack([a, c]);
    assert.deepEqual(
      (await lease.due({ arrivedBefore }, 1)).map((e) => e.id),
      [a],
    );
  },
  'list tells all that is not held, in order of arrival: put off or handed out, too': async (world) => {
    const { spool, clock } = world;
    const ids: EntryId[] = [];
    for (let i = 0; i < 5; i++) {
      ids.push(await putOne(spool, 'acme', 'x'.repeat(i)));
      await clock.advance(10);
    }
    await putOne(spool, 'beta');
    const [a = '', b = '', c = ''] = ids;
    const until = clock.now() + HOUR;
    await spool.operate([b], { kind: 'hold', hold: { kind: 'operator', reason: 'r', until } });
    const lease = await leaseOf(spool, 'acme');
    await lease.settle([settlement(c, DEFERRED, { nextTry: clock.now() + HOUR })]);
    await lease.ready(clock.now(), 1);
    const listed = await listOf(lease);
    assert.deepEqual(
      listed.map((l) => l.id),
      ids.filter((id) => id !== b),
    );
    assert.deepEqual(
      [listed[0]?.id, listed[0]?.arrived, listed[2]?.size],
      [a, clock.now() - 50, HEAD.length + 3],
    );
    await clock.advance(HOUR);
    assert.equal((await listOf(lease)).length, 5);
    await lease.release();
    assert.deepEqual(await listOf(lease), []);
  },
  'a listing tells the extent of an envelope until something of it is final, before and after a restart':
    async (world) => {
      const to = ['a@x', 'b\u00fc@x', 'c@x'];
      const [id = ''] = await put(world.spool, [entryFor('acme', ...to)]);
      const many = Array.from({ length: 300 }, (_, i) => `u${i}@x`);
      await put(world.spool, [entryFor('acme', ...many)]);
      const sender = 'Sender=B@example.net'.length;
      const extentsOf = async (spool: Spool) => {
        const lease = await leaseOf(spool, 'acme');
        const [first, second] = await listOf(lease);
        // Too many for an index: it may leave the extent out.
        if (second?.extent) assert.equal(second.extent.recipients, 300);
        return { lease, extent: first?.extent };
      };
      const whole = await extentsOf(world.spool);
      assert.deepEqual(whole.extent, { recipients: 3, octets: sender + 3 + 5 + 3, each: [3, 5, 3] });
      const spool = await world.reopen();
      const again = await extentsOf(spool);
      assert.deepEqual(again.extent, whole.extent);
      await again.lease.settle([settlement(id, DEFERRED, { nextTry: world.clock.now() })]);
      assert.deepEqual((await listOf(again.lease))[0]?.extent, whole.extent);
      await again.lease.settle([{ id, outcomes: [{ recipient: 1, outcome: DELIVERED }] }]);
      await again.lease.release();
      const rest = await extentsOf(spool);
      assert.equal(rest.extent, undefined);
      assert.equal((await extentsOf(await world.reopen())).extent, undefined);
    },
  'a queue has one holder, and its epoch rises': async ({ spool, clock }) => {
    const id = await putOne(spool, 'acme');
    const first = await leaseOf(spool, 'acme');
    assert.deepEqual(await spool.lease('acme', 'other'), { kind: 'busy', holder: 'keeper' });
    assert.equal((await first.ready(clock.now(), 1)).length, 1);
    await first.release();
    assert.ok(first.lost.aborted);
    assert.deepEqual(await first.ready(clock.now(), 1), []);
    const second = await leaseOf(spool, 'acme');
    assert.ok(second.epoch > first.epoch);
    assert.deepEqual(
      (await second.ready(clock.now(), 1)).map((e) => e.id),
      [id],
    );
  },
  'under a lost lease what is final counts, and nothing else': async ({ spool, clock }) => {
    const [a, b] = [await putOne(spool, 'acme'), await putOne(spool, 'acme')];
    const lost = await leaseOf(spool, 'acme');
    await lost.ready(clock.now(), 2);
    await lost.release();
    const lease = await leaseOf(spool, 'acme');
    const [, second] = await lease.ready(clock.now(), 2);
    await lost.settle([settlement(a, DELIVERED), settlement(b, DEFERRED, { nextTry: clock.now() + HOUR })]);
    assert.ok(await isGone(spool, a));
    assert.deepEqual(await entryOf(spool, b), second);
    await lease.settle([settlement(a, DELIVERED), settlement(b, DELIVERED)]);
    assert.deepEqual([...spool.queues()], []);
  },
};

export function spoolContract(name: string, world: () => Promise<SpoolWorld>): void {
  const groups = { IN_AND_OUT, HANDING_OUT, DOUBT, SETTLING, PEOPLE, MOVING, HELD };
  describe(`spool contract: ${name}`, () => {
    for (const claims of Object.values(groups)) {
      for (const [claim, run] of Object.entries(claims)) {
        test(claim, async () => {
          const here = await world();
          try {
            await run(here);
          } finally {
            await here.end();
          }
        });
      }
    }
  });
}
