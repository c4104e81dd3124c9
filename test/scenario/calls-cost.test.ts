/**
 * What one site's call costs when a thousand others have mail waiting too: counted work, not time. Reads
 * are counted through the spool's file port, leases and questions through the spool port.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openKeyed } from '../../src/base/keyed.ts';
import { silent } from '../../src/base/log.ts';
import { Notices } from '../../src/notify/notices.ts';
import { Keepers } from '../../src/schedule/keepers.ts';
import { openLogSpool } from '../../src/spool/log/index.ts';
import type { Lease, Spool } from '../../src/spool/port.ts';
import { FakeSite } from '../support/fake-handover.ts';
import { POLICY } from '../support/keepers-world.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';

const MAILS = 3;

interface Cost {
  /** Of files, in the time of the call. */
  reads: number;
  octets: number;
  /** Leases that were asked anything in that time. */
  readonly asked: Set<string>;
  taken: number;
  /** Connections of other sites. */
  others: number;
}

/** Notes which leases are used. */
function watched(spool: Spool, asked: Set<string>): Spool {
  const watch = (lease: Lease): Lease =>
    new Proxy(lease, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => {
          asked.add(target.queue);
          return value.apply(target, given);
        };
      },
    });
  return new Proxy(spool, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (key === 'lease') {
        return async (queue: string, holder: string) => {
          asked.add(queue);
          const lease = await target.lease(queue, holder);
          return lease.kind === 'lease' ? watch(lease) : lease;
        };
      }
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function fill(spool: Spool, names: readonly string[]): Promise<void> {
  for (let i = 0; i < MAILS; i++) {
    // Round by round, so that the queues lie mixed in the segments.
    for (let n = 0; n < names.length; n += 50) await Promise.all(names.slice(n, n + 50).map(put));
  }

  async function put(queue: string): Promise<void> {
    const draft = await spool.draft({ queues: [queue] });
    if (draft.kind !== 'draft') throw new Error(draft.text);
    await draft.write(Buffer.alloc(3000, 'x'));
    const envelope = {
      sender: 's@sender.example',
      recipients: [{ address: `u@${queue}.example` }],
      body: '7bit' as const,
      smtputf8: false,
    };
    const origin = { kind: 'received' as const, peer: '192.0.2.1', helo: 'x', protocol: 'ESMTP' };
    await draft.commit(Buffer.from('Received: x\r\n'), [{ queue, envelope, origin }]);
  }
}

/** Files in memory are slow to grow: the room kept back is to be small. */
const LIMITS = { reserve: 0, keptForOutcomes: 4096, keptForCompaction: 4096 };

async function costOfCall(sites: number): Promise<Cost> {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const names = Array.from({ length: sites }, (_, i) => `site${i}`);
  const store = () =>
    openLogSpool({ dir: '/spool', files, clock, log: silent, random: randomBytes, limits: LIMITS });
  const filled = await store();
  await fill(filled, names);
  await filled.close();
  // Started anew: nothing is in a cache.
  const real = await store();
  const cost: Cost = { reads: 0, octets: 0, asked: new Set(), taken: 0, others: 0 };
  const spool = watched(real, cost.asked);
  const faces = new Map(names.map((name) => [name, new FakeSite(clock, name)]));
  const keyed = openKeyed(':memory:');
  const keepers = new Keepers({
    spool,
    clock,
    log: silent,
    random: () => 0.5,
    keyed,
    notices: new Notices({
      clock,
      random: () => 0.5,
      settings: () => ({ hostname: 'mx2.example', allow: [], queueFor: (d) => `>${d}` }),
    }),
    handoverFor: (queue) => faces.get(queue) ?? null,
    policyFor: () => ({ ...POLICY, way: 'call' }),
  });
  keepers.start();
  await clock.advance(1000);
  cost.asked.clear();
  const called = `site${sites >> 1}`;
  files.fault = (op) => {
    if (op.kind === 'read') {
      cost.reads++;
      cost.octets += op.octets;
    }
    return undefined;
  };
  const answer = keepers.call(called, 'ETRN');
  assert.deepEqual(answer, { kind: 'begun', queued: MAILS });
  for (let i = 0; i < 200 && keepers.view(called)?.state === 'calling'; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(100);
  }
  files.fault = () => undefined;
  const asked = new Set(cost.asked);
  cost.taken = faces.get(called)?.taken.length ?? 0;
  for (const [name, face] of faces) if (name !== called) cost.others += face.connects.length;
  await keepers.stop();
  await real.close();
  keyed.close();
  return { ...cost, asked };
}

test('one of 1,000 sites with queues calls: its queue is read as if it were the only one, and no other is touched', async (t) => {
  const alone = await costOfCall(1);
  const among = await costOfCall(1000);
  t.diagnostic(`alone: ${alone.reads} reads; among 1,000: ${among.reads} reads, ${among.octets} octets`);
  assert.equal(alone.taken, MAILS);
  assert.equal(among.taken, MAILS);
  assert.deepEqual([...among.asked], ['site500']);
  assert.equal(among.others, 0);
  assert.ok(alone.reads > 0);
  // Alone they stand side by side, and come in fewer reads.
  assert.ok(among.reads <= MAILS, `${among.reads} reads of ${MAILS} mails, ${alone.reads} alone`);
});
