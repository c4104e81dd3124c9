/**
 * The part of the contract on mail that is held from the beginning (quarantine). See `contract.ts`.
 */
import assert from 'node:assert/strict';
import { HOUR } from '../base/clock.ts';
import {
  type Claim,
  entryFor,
  entryOf,
  FAILED,
  HEAD,
  idsOf,
  leaseOf,
  listOf,
  octetsOf,
  put,
  settlement,
} from './contract-support.ts';
import type { Hold, NewEntry } from './port.ts';

const ODD: Hold = { kind: 'operator', reason: 'looks odd' };
const held = (queue: string, hold: Hold = ODD, ...recipients: string[]): NewEntry => ({
  ...entryFor(queue, ...recipients),
  hold,
});

export const HELD: Record<string, Claim> = {
  'mail that begins held is handed to nobody before it is released, across restarts': async (world) => {
    let spool = world.spool;
    for (const size of [10, 400_000]) {
      const [id = ''] = await put(spool, [held('acme')], Buffer.alloc(size, 'x'));
      for (let restarts = 0; restarts < 3; restarts++) {
        if (restarts > 0) spool = await world.reopen();
        const lease = await leaseOf(spool, 'acme');
        assert.deepEqual(await lease.ready(world.clock.now(), 9), []);
        assert.deepEqual(await lease.due({ arrivedBefore: world.clock.now() }, 9), []);
        assert.deepEqual(await listOf(lease), []);
        assert.equal(lease.nextReady(), null);
        const { count, held } = spool.summary('acme');
        assert.deepEqual([count, held], [1, 1]);
        assert.deepEqual(await idsOf(spool.find({ held: true })), [id]);
        const entry = await entryOf(spool, id);
        assert.deepEqual(
          [entry.hold, entry.recipients, entry.attempts, entry.envelope],
          [ODD, [{ state: 'pending' }], 0, entryFor('acme').envelope],
        );
        await lease.release();
      }
      assert.deepEqual(await spool.operate([id], { kind: 'release' }), [id]);
      spool = await world.reopen();
      const lease = await leaseOf(spool, 'acme');
      const [entry] = await lease.ready(world.clock.now(), 9);
      assert.deepEqual([entry?.id, entry?.hold], [id, undefined]);
      assert.equal((await octetsOf(await spool.open(id))).length, HEAD.length + size);
      await lease.settle([settlement(id, FAILED)]);
      assert.deepEqual([...spool.queues()], []);
      await lease.release();
    }
  },
  'of one mail some entries may be held, and others not': async (world) => {
    const until = world.clock.now() + HOUR;
    const ids = await put(world.spool, [
      entryFor('acme'),
      held('beta', { ...ODD, until }),
      held('gamma', ODD, 'a@gamma.example', 'b@gamma.example'),
    ]);
    const spool = await world.reopen();
    const readyIn = async (queue: string) => {
      const lease = await leaseOf(spool, queue);
      const entries = await lease.ready(world.clock.now(), 9);
      const next = lease.nextReady();
      await lease.release();
      return { ids: entries.map((e) => e.id), next };
    };
    assert.deepEqual(await readyIn('acme'), { ids: [ids[0]], next: null });
    assert.deepEqual(await readyIn('beta'), { ids: [], next: until });
    assert.deepEqual(await readyIn('gamma'), { ids: [], next: null });
    await world.clock.advance(HOUR);
    assert.deepEqual(await readyIn('beta'), { ids: [ids[1]], next: null });
    assert.deepEqual((await entryOf(spool, ids[2] ?? '')).recipients.length, 2);
  },
  'what is held stays held when some of its recipients move': async (world) => {
    const [id = ''] = await put(world.spool, [held('acme', ODD, 'a@x', 'b@y')]);
    await world.spool.move(id, 'beta', [1]);
    const spool = await world.reopen();
    assert.deepEqual((await entryOf(spool, `${id}.2`)).hold, ODD);
    assert.deepEqual(await (await leaseOf(spool, 'beta')).ready(world.clock.now(), 9), []);
  },
  'a notice may begin held': async (world) => {
    const [id = ''] = await put(world.spool, [entryFor('acme')]);
    const lease = await leaseOf(world.spool, 'acme');
    const notice = { content: Buffer.from('n'), entry: held('>example.net') };
    await lease.settle([settlement(id, FAILED, { notice })]);
    const spool = await world.reopen();
    assert.equal(spool.summary('>example.net').held, 1);
    assert.deepEqual(await (await leaseOf(spool, '>example.net')).ready(world.clock.now(), 9), []);
  },
};
