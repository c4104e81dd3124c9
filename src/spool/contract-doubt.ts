/**
 * The part of the contract on mail in doubt: handed out, perhaps taken, while its queue goes to another holder. See
 * `contract.ts`.
 */
import assert from 'node:assert/strict';
import { HOUR } from '../base/clock.ts';
import {
  type Claim,
  DEFERRED,
  DELIVERED,
  entryFor,
  entryOf,
  idsOf,
  isGone,
  leaseOf,
  listOf,
  put,
  putOne,
  settlement,
} from './contract-support.ts';
import type { Lease } from './port.ts';

const listed = async (lease: Lease) => (await listOf(lease)).map(({ id }) => id);
const handedOut = async (lease: Lease, now: number) => (await lease.ready(now, 9)).map(({ id }) => id);

export const DOUBT: Record<string, Claim> = {
  'what a lease leaves in doubt is nobody’s until it is settled or given back': async ({ spool, clock }) => {
    const ids = [await putOne(spool, 'acme'), await putOne(spool, 'acme'), await putOne(spool, 'acme')];
    const [a = '', b = '', c = ''] = ids;
    const first = await leaseOf(spool, 'acme');
    await first.ready(clock.now(), 3);
    await first.release([a, b]);
    const second = await leaseOf(spool, 'acme');
    second.hasten(clock.now());
    assert.deepEqual(await listed(second), [c]);
    assert.deepEqual(await handedOut(second, clock.now()), [c]);
    assert.deepEqual(await second.due({ arrivedBefore: clock.now() + HOUR }, 9), []);
    assert.equal(second.nextReady(), null);
    // People see them all the while.
    assert.deepEqual(await idsOf(spool.find({ queue: 'acme' })), ids);

    const hints: string[] = [];
    spool.onArrival((queue) => hints.push(queue));
    await first.settle([settlement(a, DELIVERED)]);
    assert.ok(await isGone(spool, a));
    first.giveBack([b, c]);
    await clock.advance(0);
    assert.ok(hints.includes('acme'), 'the new holder is told');
    assert.deepEqual(await listed(second), [b, c]);
    assert.deepEqual(await handedOut(second, clock.now()), [b]);
    // It is the new holder's now.
    first.giveBack([b]);
    assert.deepEqual(await handedOut(second, clock.now()), []);
  },
  'what was in doubt and is put off is given out again as it was': async ({ spool, clock }) => {
    const id = await putOne(spool, 'acme');
    const first = await leaseOf(spool, 'acme');
    const [before] = await first.ready(clock.now(), 1);
    await first.release([id]);
    await first.settle([settlement(id, DEFERRED, { nextTry: clock.now() + HOUR })]);
    assert.deepEqual(await entryOf(spool, id), before);
    assert.deepEqual(await handedOut(await leaseOf(spool, 'acme'), clock.now()), [id]);
  },
  'what was split from an entry in doubt is in doubt with it': async ({ spool, clock }) => {
    const [id = ''] = await put(spool, [entryFor('acme', 'a@acme.example', 'b@beta.example')]);
    const first = await leaseOf(spool, 'acme');
    await first.ready(clock.now(), 1);
    await spool.move(id, 'beta', [1]);
    await first.release([id]);
    const beta = await leaseOf(spool, 'beta');
    assert.deepEqual(await listed(beta), []);
    await first.settle([{ id, outcomes: [0, 1].map((recipient) => ({ recipient, outcome: DELIVERED })) }]);
    assert.deepEqual([...spool.queues()], []);
  },
  'a restart forgets that it was in doubt': async (world) => {
    const id = await putOne(world.spool, 'acme');
    const first = await leaseOf(world.spool, 'acme');
    await first.ready(world.clock.now(), 1);
    await first.release([id]);
    const lease = await leaseOf(await world.reopen(), 'acme');
    assert.deepEqual(await handedOut(lease, world.clock.now()), [id]);
  },
};
