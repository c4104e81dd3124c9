/**
 * The second half of the contract: what changes entries. See `contract.ts`.
 */
import assert from 'node:assert/strict';
import { DAY, HOUR } from '../base/clock.ts';
import {
  type Claim,
  DEFERRED,
  DELIVERED,
  entriesOf,
  entryFor,
  entryOf,
  envelopeOf,
  FAILED,
  HEAD,
  idsOf,
  isGone,
  leaseOf,
  octetsOf,
  put,
  putOne,
  settlement,
} from './contract-support.ts';
import type { EntryId, NewEntry } from './port.ts';

export const SETTLING: Record<string, Claim> = {
  'settled mail does not come back': async (world) => {
    const ids = [
      await putOne(world.spool, 'acme'),
      await putOne(world.spool, 'acme'),
      await putOne(world.spool, 'acme'),
    ];
    const lease = await leaseOf(world.spool, 'acme');
    await lease.settle([settlement(ids[0] ?? '', DELIVERED), settlement(ids[1] ?? '', FAILED)]);
    const spool = await world.reopen();
    assert.deepEqual(await idsOf(spool.find({})), [ids[2]]);
    assert.deepEqual(spool.summary('acme').count, 1);
  },
  'recipients are settled one by one': async (world) => {
    const [id = ''] = await put(world.spool, [entryFor('acme', 'a@x', 'b@x', 'c@x')]);
    const lease = await leaseOf(world.spool, 'acme');
    const outcomes = [DELIVERED, DEFERRED, FAILED].map((outcome, recipient) => ({ recipient, outcome }));
    await lease.settle([{ id, outcomes, nextTry: world.clock.now() + HOUR }]);
    const spool = await world.reopen();
    assert.deepEqual((await entryOf(spool, id)).recipients, [
      { state: 'delivered', last: DELIVERED },
      { state: 'pending', last: DEFERRED },
      { state: 'failed', last: FAILED },
    ]);
    const again = await leaseOf(spool, 'acme');
    await again.settle([
      {
        id,
        outcomes: [
          { recipient: 0, outcome: FAILED },
          { recipient: 1, outcome: DELIVERED },
        ],
      },
    ]);
    assert.ok(await isGone(spool, id));
  },
  'a notice is stored with the outcome that causes it, once': async (world) => {
    const id = await putOne(world.spool, 'acme');
    const about: NewEntry = {
      queue: '>example.net',
      envelope: envelopeOf('', 'Sender=B@example.net'),
      origin: { kind: 'notice', about: id },
    };
    const content = Buffer.from('Subject: failed\r\n\r\nnotice\r\n');
    const lease = await leaseOf(world.spool, 'acme');
    const failed = settlement(id, FAILED, { notice: { content, entry: about } });
    await lease.settle([failed]);
    await lease.settle([failed]);
    const spool = await world.reopen();
    const [notice, ...more] = await entriesOf(spool.find({}));
    assert.deepEqual(
      [notice?.queue, notice?.envelope, notice?.origin],
      ['>example.net', about.envelope, about.origin],
    );
    assert.equal(more.length, 0);
    assert.deepEqual(await octetsOf(await spool.open(notice?.id ?? '')), content);
  },
  'a warning is given once': async ({ spool, clock }) => {
    const id = await putOne(spool, 'acme');
    const lease = await leaseOf(spool, 'acme');
    const notice = { content: Buffer.from('n'), entry: entryFor('>example.net') };
    const [first] = await lease.due({ arrivedBefore: clock.now(), warned: 1 }, 1);
    assert.equal(first?.id, id);
    for (let i = 0; i < 2; i++) await lease.settle([{ id, outcomes: [], warned: 1, notice }]);
    assert.equal(spool.summary('>example.net').count, 1);
    assert.equal((await entryOf(spool, id)).warned, 1);
  },
  'a settlement of what is gone changes nothing': async ({ spool }) => {
    const lease = await leaseOf(spool, 'acme');
    const notice = { content: Buffer.from('n'), entry: entryFor('>example.net') };
    await lease.settle([
      settlement('zzzz', FAILED, { notice }),
      settlement('not an id!', FAILED, { notice }),
    ]);
    assert.deepEqual([...spool.queues()], []);
  },
  'failed mail may be kept as undeliverable, and offered again': async (world) => {
    const id = await putOne(world.spool, 'acme');
    const hold = { kind: 'undeliverable', reason: 'nobody may be told', since: world.clock.now() } as const;
    const lease = await leaseOf(world.spool, 'acme');
    await lease.settle([settlement(id, FAILED, { hold })]);
    const spool = await world.reopen();
    assert.deepEqual((await entryOf(spool, id)).hold, hold);
    const again = await leaseOf(spool, 'acme');
    assert.deepEqual(await again.ready(world.clock.now(), 1), []);
    assert.deepEqual(await spool.operate([id], { kind: 'release' }), [id]);
    const [entry] = await again.ready(world.clock.now(), 1);
    assert.deepEqual(entry?.recipients, [{ state: 'pending', last: FAILED }]);
  },
};

export const PEOPLE: Record<string, Claim> = {
  'hold, release, remove and hasten are durable': async (world) => {
    const ids: EntryId[] = [];
    for (let i = 0; i < 4; i++) ids.push(await putOne(world.spool, 'acme'));
    const [a = '', b = '', c = '', d = ''] = ids;
    const hold = { kind: 'operator', reason: 'looks odd' } as const;
    await (await leaseOf(world.spool, 'acme')).settle([
      settlement(d, DEFERRED, { nextTry: world.clock.now() + DAY }),
    ]);
    assert.deepEqual(await world.spool.operate([a, b, 'zzz'], { kind: 'hold', hold }), [a, b]);
    await world.spool.operate([b], { kind: 'release' });
    await world.spool.operate([c], { kind: 'remove', by: 'operator' });
    await world.spool.operate([d], { kind: 'hasten' });
    const spool = await world.reopen();
    assert.deepEqual((await entryOf(spool, a)).hold, hold);
    assert.ok(await isGone(spool, c));
    const lease = await leaseOf(spool, 'acme');
    assert.deepEqual(
      (await lease.ready(world.clock.now(), 9)).map((e) => e.id),
      [b, d],
    );
    assert.deepEqual([spool.summary('acme').count, spool.summary('acme').held], [3, 1]);
  },
  'a hold with an end ends by itself': async (world) => {
    const id = await putOne(world.spool, 'acme');
    const until = world.clock.now() + HOUR;
    await world.spool.operate([id], { kind: 'hold', hold: { kind: 'operator', reason: 'r', until } });
    const spool = await world.reopen();
    const lease = await leaseOf(spool, 'acme');
    assert.equal(lease.nextReady(), until);
    await world.clock.advance(HOUR);
    const [entry] = await lease.ready(world.clock.now(), 1);
    assert.deepEqual([entry?.id, entry?.hold], [id, undefined]);
    assert.equal(spool.summary('acme').held, 0);
  },
  'find filters, in order of arrival over all queues': async ({ spool, clock }) => {
    const ids: EntryId[] = [];
    for (const queue of ['acme', 'beta', 'acme']) {
      ids.push(await putOne(spool, queue));
      await clock.advance(1000);
    }
    const [a = '', b = '', c = ''] = ids;
    assert.deepEqual(await idsOf(spool.find({})), [a, b, c]);
    assert.deepEqual(await idsOf(spool.find({ limit: 2 })), [a, b]);
    assert.deepEqual(await idsOf(spool.find({ queue: 'acme' })), [a, c]);
    assert.deepEqual(await idsOf(spool.find({ queue: 'nobody' })), []);
    assert.deepEqual(await idsOf(spool.find({ ids: [c, a, 'zz'] })), [a, c]);
    assert.deepEqual(await idsOf(spool.find({ sender: '@EXAMPLE.net' })), [a, b, c]);
    assert.deepEqual(await idsOf(spool.find({ sender: 'sender=b@example.NET' })), [a, b, c]);
    assert.deepEqual(await idsOf(spool.find({ recipient: 'X@beta.example' })), [b]);
    assert.deepEqual(await idsOf(spool.find({ arrivedBefore: clock.now() - 2000 })), [a, b]);
    await spool.operate([b], { kind: 'hold', hold: { kind: 'site removed' } });
    assert.deepEqual(await idsOf(spool.find({ held: true })), [b]);
    assert.deepEqual(await idsOf(spool.find({ held: false })), [a, c]);
  },
  'find goes over long queues, while others change them': async ({ spool, clock }) => {
    const ids: EntryId[] = [];
    for (let i = 0; i < 300; i++) {
      ids.push(await putOne(spool, i < 200 ? 'acme' : i % 2 ? 'beta' : 'gamma'));
      if (i % 7 === 0) await clock.advance(1);
    }
    assert.deepEqual(await idsOf(spool.find({})), ids);
    const seen: EntryId[] = [];
    for await (const entry of spool.find({})) {
      seen.push(entry.id);
      if (seen.length === 10) await spool.operate(ids.slice(20, 290), { kind: 'remove', by: 'test' });
    }
    const sure = [...ids.slice(0, 20), ...ids.slice(290)];
    assert.deepEqual(
      seen.filter((id) => sure.includes(id)),
      sure,
    );
  },
  'summaries count': async ({ spool, clock }) => {
    const arrived = clock.now();
    await putOne(spool, 'acme', '12345');
    await clock.advance(1000);
    await putOne(spool, 'acme', '1');
    const bytes = 2 * HEAD.length + 6;
    assert.deepEqual(
      [...spool.queues()],
      [{ queue: 'acme', count: 2, held: 0, deferred: 0, bytes, oldest: arrived }],
    );
    assert.deepEqual([spool.health().entries, spool.health().bytes, spool.health().state], [2, bytes, 'ok']);
    assert.deepEqual(spool.summary('beta').oldest, null);
  },
};

export const MOVING: Record<string, Claim> = {
  'an entry moves whole, and stays moved': async (world) => {
    const id = await putOne(world.spool, 'acme');
    await world.spool.operate([id], { kind: 'hold', hold: { kind: 'site removed' } });
    await world.spool.move(id, 'beta');
    const spool = await world.reopen();
    const entry = await entryOf(spool, id);
    assert.deepEqual([entry.queue, entry.hold], ['beta', undefined]);
    assert.equal(spool.summary('acme').count, 0);
    assert.equal((await (await leaseOf(spool, 'beta')).ready(world.clock.now(), 1)).length, 1);
  },
  'one that is handed out comes to the new queue when it is settled': async ({ spool, clock }) => {
    const [a, b] = [await putOne(spool, 'acme'), await putOne(spool, 'acme')];
    const [from, to] = [await leaseOf(spool, 'acme'), await leaseOf(spool, 'beta')];
    await from.ready(clock.now(), 2);
    for (const id of [a, b]) await spool.move(id, 'beta');
    assert.deepEqual(await to.ready(clock.now(), 2), []);
    await from.settle([settlement(a, DELIVERED), settlement(b, DEFERRED, { nextTry: clock.now() + HOUR })]);
    assert.deepEqual(
      (await to.ready(clock.now(), 2)).map((e) => e.id),
      [b],
    );
  },
  'some recipients move as a new entry of the same mail': async (world) => {
    const body = Buffer.from('shared\r\n');
    const [id = ''] = await put(world.spool, [entryFor('acme', 'a@x', 'b@y', 'c@x')], body);
    await world.spool.move(id, 'beta', [1]);
    await world.spool.move(id, 'gamma', [1, 2]);
    const spool = await world.reopen();
    assert.deepEqual((await entryOf(spool, id)).recipients, [
      { state: 'pending' },
      { state: 'moved' },
      { state: 'moved' },
    ]);
    const [b, c] = [await entryOf(spool, `${id}.2`), await entryOf(spool, `${id}.3`)];
    assert.deepEqual([b.queue, b.envelope.recipients], ['beta', [{ address: 'b@y' }]]);
    assert.deepEqual([c.queue, c.envelope.recipients, c.mail], ['gamma', [{ address: 'c@x' }], id]);
    await (await leaseOf(spool, 'acme')).settle([settlement(id, DELIVERED)]);
    assert.ok(await isGone(spool, id));
    const last = await world.reopen();
    assert.deepEqual(await octetsOf(await last.open(c.id)), Buffer.concat([HEAD, body]));
  },
  'recipients that moved while they were handed out are settled in their new entry': async ({
    spool,
    clock,
  }) => {
    const [id = ''] = await put(spool, [entryFor('acme', 'a@x', 'b@y')]);
    const [from, to] = [await leaseOf(spool, 'acme'), await leaseOf(spool, 'beta')];
    await from.ready(clock.now(), 1);
    await spool.move(id, 'beta', [1]);
    assert.deepEqual(await to.ready(clock.now(), 1), []);
    await from.settle([{ id, outcomes: [0, 1].map((recipient) => ({ recipient, outcome: DELIVERED })) }]);
    assert.deepEqual([...spool.queues()], []);
  },
};
