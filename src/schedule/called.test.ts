/** Queues whose site calls for its mail: waiting, calling, and all that must go on between. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FakeSite, LATER, NO, OK } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import type { QueuePolicy } from './policy.ts';
import type { CallSummary } from './view.ts';

function world(policy: Partial<QueuePolicy> = {}): { w: World; site: FakeSite } {
  const w = new World();
  const site = w.site('acme', { way: 'call', ...policy });
  w.keepers.start();
  return { w, site };
}

/** The caller's own connection: the fake site's, opened in its name. */
const turned = (site: FakeSite) => (signal: AbortSignal) => site.connect(signal);

const last = (w: World): CallSummary => {
  const call = w.view('acme').calls?.last[0];
  assert.ok(call);
  return call;
};

describe('between calls', () => {
  test('nothing is probed or handed over, for weeks', async () => {
    const { w, site } = world();
    for (let i = 0; i < 20; i++) w.spool.put('acme');
    await w.clock.advance(20 * DAY);
    assert.equal(site.connects.length, 0);
    const view = w.view('acme');
    assert.equal(view.state, 'waiting');
    assert.equal(view.reason, 'waits for its call; it has not called yet');
    assert.equal(view.nextProbe, null);
    assert.equal(w.log.of('queue state').length, 0);
  });

  test('after a restart too, and the last call is still known', async () => {
    const { w, site } = world();
    w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    w.spool.put('acme');
    w.restart();
    await w.clock.advance(DAY);
    assert.equal(site.connects.length, 1);
    assert.match(w.view('acme').reason ?? '', /^waits for its call; last call \S+ took 1 mail$/);
  });
});

describe('a call', () => {
  test('works the queue through, as fast as a drain does, and ends', async () => {
    const { w, site } = world({ connections: 4 });
    for (let i = 0; i < 200; i++) w.spool.put('acme');
    await w.clock.advance(HOUR);
    assert.deepEqual(w.keepers.call('acme', 'ETRN from 192.0.2.1'), { kind: 'begun', queued: 200 });
    assert.equal(w.view('acme').state, 'calling');
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 200);
    assert.equal(site.taken.length, 200);
    assert.ok(site.peak > 1 && site.peak <= 4, `${site.peak} connections`);
    assert.equal(site.lines.size, 0);
    assert.equal(w.view('acme').state, 'waiting');
    const { by, mails, octets, left, why } = last(w);
    assert.deepEqual(
      { by, mails, octets, left, why },
      {
        by: 'ETRN from 192.0.2.1',
        mails: 200,
        octets: 400_000,
        left: 0,
        why: null,
      },
    );
  });

  test('takes mail that comes while it lasts, and none that comes after it', async () => {
    const { w, site } = world();
    w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(15);
    w.spool.put('acme');
    await w.clock.advance(10 * SECOND);
    assert.equal(site.taken.length, 2);
    w.spool.put('acme');
    await w.clock.advance(DAY);
    assert.equal(site.taken.length, 2);
  });

  test('of an empty queue costs no connection, and is remembered', async () => {
    const { w, site } = world();
    assert.deepEqual(w.keepers.call('acme', 'ETRN'), { kind: 'empty' });
    await w.clock.advance(MINUTE);
    assert.equal(site.connects.length, 0);
    assert.equal(last(w).by, 'ETRN');
  });

  test('while one is under way is answered, and changes nothing', async () => {
    const { w, site } = world();
    for (let i = 0; i < 20; i++) w.spool.put('acme');
    w.keepers.call('acme', 'one');
    await w.clock.advance(50);
    assert.equal(w.keepers.call('acme', 'two').kind, 'under way');
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 20);
    assert.equal(w.view('acme').calls?.last.length, 1);
  });

  test('while one ends is made after it, and nothing that belongs to it is forgotten between', async () => {
    const { w, site } = world();
    site.goodbye = 4 * SECOND;
    w.spool.put('acme');
    w.keepers.call('acme', 'one');
    await w.clock.advance(SECOND);
    w.spool.put('acme');
    assert.equal(w.keepers.call('acme', 'two').kind, 'under way');
    await w.clock.advance(4 * SECOND);
    assert.equal(site.callsOver, 0);
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 2);
    assert.equal(last(w).by, 'two');
    assert.equal(site.callsOver, 1);
  });

  test('that meets trouble ends with its reason; nothing is tried until the next one', async () => {
    const { w, site } = world();
    site.cut('connection refused');
    for (let i = 0; i < 3; i++) w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(DAY);
    assert.equal(site.connects.length, 1);
    assert.equal(last(w).why, 'connection refused');
    assert.equal(last(w).left, 3);
    assert.match(w.view('acme').reason ?? '', /took 0 mails, then: connection refused$/);
    site.mend();
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 3);
  });

  test('brings forward what was put off, and leaves it for the next when it is put off again', async () => {
    const { w, site } = world();
    site.answer = () => LATER;
    w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(10 * SECOND);
    assert.equal(w.view('acme').state, 'waiting');
    assert.equal(last(w).deferred, 1);
    await w.clock.advance(DAY);
    assert.equal(site.tries.length, 1);
    site.answer = () => OK;
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(10 * SECOND);
    assert.equal(site.taken.length, 1);
  });

  test('is not ended for ever by one mail that breaks its line: that one comes last', async () => {
    const { w, site } = world();
    const bad = w.spool.put('acme');
    for (let i = 0; i < 5; i++) w.spool.put('acme');
    site.answer = (_, parcel) => (parcel.id === bad ? 'lost' : OK);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 5);
    assert.equal(w.view('acme').state, 'waiting');
    assert.equal(last(w).left, 1);
  });

  test('counts what was refused', async () => {
    const { w, site } = world();
    site.answer = () => NO;
    w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(last(w).refused, 1);
  });

  test('of a site that is pushed is a sign of life', async () => {
    const { w, site } = world({ way: 'push' });
    site.cut();
    w.spool.put('acme');
    await w.clock.advance(10 * MINUTE);
    site.mend();
    const before = site.connects.length;
    assert.deepEqual(w.keepers.call('acme', 'ETRN'), { kind: 'alive', queued: 1 });
    await w.clock.advance(200);
    assert.equal(site.connects.length, before + 1);
    assert.equal(site.taken.length, 1);
  });
});

describe('a call whose own connection is turned round', () => {
  test('feeds that one connection only, to the end of the queue, then ends it', async () => {
    const { w, site } = world({ way: 'turn', connections: 8 });
    for (let i = 0; i < 700; i++) w.spool.put('acme');
    assert.equal(w.keepers.call('acme', 'ATRN', turned(site)).kind, 'begun');
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 700);
    assert.equal(site.connects.length, 1);
    assert.equal(site.lines.size, 0);
    assert.equal(w.view('acme').state, 'waiting');
    assert.equal(last(w).why, null);
  });

  test('that breaks loses nothing, and repeats at most what was in flight', async () => {
    const { w, site } = world({ way: 'turn' });
    site.depth = 4;
    for (let i = 0; i < 50; i++) w.spool.put('acme');
    w.keepers.call('acme', 'ATRN', turned(site));
    await w.clock.advance(500);
    for (const line of [...site.lines]) line.destroy();
    await w.clock.advance(MINUTE);
    assert.equal(w.view('acme').state, 'waiting');
    assert.equal(site.connects.length, 1);
    assert.notEqual(last(w).why, null);
    w.keepers.call('acme', 'ATRN', turned(site));
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 50);
    assert.ok(site.taken.length <= 54, `${site.taken.length}`);
  });

  test('that never speaks ends, and the next call is taken', async () => {
    const { w, site } = world({ way: 'turn' });
    w.spool.put('acme');
    w.keepers.call('acme', 'ATRN', async () => ({ kind: 'trouble', cause: 'greeting', text: 'no greeting' }));
    await w.clock.advance(SECOND);
    assert.equal(last(w).why, 'no greeting');
    assert.equal(w.keepers.call('acme', 'ATRN', turned(site)).kind, 'begun');
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 1);
  });

  test('is refused to a site of another way, and so is any other call to this one', async () => {
    const { w, site } = world({ way: 'turn' });
    w.site('beta', { way: 'call' });
    w.site('gamma', { way: 'push' });
    for (const queue of ['acme', 'beta', 'gamma']) w.spool.put(queue);
    assert.equal(w.keepers.call('acme', 'ETRN').kind, 'another way');
    assert.equal(w.keepers.call('beta', 'ATRN', turned(site)).kind, 'another way');
    assert.equal(w.keepers.call('gamma', 'ATRN', turned(site)).kind, 'another way');
    assert.equal(w.keepers.flush('acme'), false);
  });
});

describe('a loan of the lease', () => {
  async function borrow(w: World) {
    const lent = await w.keepers.lend('acme', 'POP3 session of acme');
    assert.ok(lent.kind === 'lent', JSON.stringify(lent));
    return lent;
  }

  test('gives the queue to one at a time, and what is settled counts', async () => {
    const { w } = world({ way: 'lend' });
    for (let i = 0; i < 3; i++) w.spool.put('acme');
    await w.clock.advance(SECOND);
    const lent = await borrow(w);
    assert.equal(w.view('acme').state, 'calling');
    assert.equal((await w.keepers.lend('acme', 'another')).kind, 'not lent');
    const [entry] = await lent.lease.ready(w.clock.now(), 1);
    assert.ok(entry);
    const outcome = { kind: 'delivered', reply: { code: 250, text: ['DELE'] }, host: 'pop3' } as const;
    await lent.lease.settle([{ id: entry.id, outcomes: [{ recipient: 0, outcome }] }]);
    await lent.end({ mails: 1, octets: 2000 });
    assert.equal(w.view('acme').state, 'waiting');
    assert.equal(w.spool.entries.size, 2);
    assert.deepEqual([last(w).mails, last(w).left], [1, 2]);
    await w.clock.advance(10 * SECOND);
    await (await borrow(w)).end({ mails: 0, octets: 0 });
  });

  test('ends at once when an operator holds the queue', async () => {
    const { w } = world({ way: 'lend' });
    w.spool.put('acme');
    await w.clock.advance(SECOND);
    const lent = await borrow(w);
    await w.keepers.hold('acme', 'no', null);
    assert.equal(lent.lease.lost.aborted, true);
    await lent.end({ mails: 0, octets: 0 });
    assert.equal((await w.keepers.lend('acme', 'again')).kind, 'not lent');
    await w.keepers.release('acme');
    await (await borrow(w)).end({ mails: 0, octets: 0 });
  });

  test('between two of them expiry goes on', async () => {
    const { w } = world({ way: 'lend', hold: 10 * DAY });
    w.allow = ['sender.example'];
    w.spool.put('acme');
    await (await borrow(w)).end({ mails: 0, octets: 0 });
    await w.clock.advance(18 * DAY);
    assert.equal(w.spool.notices.length, 1);
  });
});

describe('mail whose time is over', () => {
  test('is given to the next call all the same; fails with its notice when that cannot take it', async () => {
    const { w, site } = world({ hold: 10 * DAY });
    w.allow = ['sender.example'];
    w.spool.put('acme');
    await w.clock.advance(11 * DAY);
    assert.equal(w.spool.notices.length, 0);
    site.cut('no route to host');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(w.spool.notices.length, 1);
    assert.match(w.spool.notices[0]?.content ?? '', /no route to host/);
    assert.equal(w.spool.summary('acme').count, 0);
  });

  test('is handed over when that takes it', async () => {
    const { w, site } = world({ hold: 10 * DAY });
    w.spool.put('acme');
    await w.clock.advance(16 * DAY);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 1);
  });

  test('fails with its notice when no call comes for a week more, and until then the date is shown', async () => {
    const { w } = world({ hold: 10 * DAY });
    w.allow = ['sender.example'];
    w.spool.put('acme');
    const { keptUntil } = w.view('acme').calls ?? {};
    assert.equal(keptUntil, w.clock.now() + 17 * DAY);
    await w.clock.advance(17 * DAY - HOUR);
    assert.equal(w.spool.notices.length, 0);
    await w.clock.advance(2 * HOUR);
    assert.equal(w.spool.notices.length, 1);
    assert.match(w.spool.notices[0]?.content ?? '', /the site never called/);
    assert.equal(w.spool.summary('acme').count, 0);
  });

  test('is kept as undeliverable when its sender may not be told', async () => {
    const { w } = world({ hold: 10 * DAY });
    w.spool.put('acme');
    await w.clock.advance(18 * DAY);
    const [entry] = w.spool.entries.values();
    assert.equal(entry?.hold?.kind, 'undeliverable');
  });
});

describe('delays', () => {
  test('are told of while nobody calls, if the site wants it', async () => {
    const { w } = world({ warn: [4 * HOUR] });
    w.allow = ['sender.example'];
    w.spool.put('acme');
    await w.clock.advance(6 * HOUR);
    assert.equal(w.spool.notices.length, 1);
    await w.clock.advance(5 * DAY);
    assert.equal(w.spool.notices.length, 1);
  });
});

describe('an operator', () => {
  test('holds a queue in the middle of a call, and releases it to wait for the next', async () => {
    const { w, site } = world();
    for (let i = 0; i < 100; i++) w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(100);
    await w.keepers.hold('acme', 'moving', null);
    await w.clock.advance(MINUTE);
    const taken = site.taken.length;
    assert.ok(taken > 0 && taken < 100);
    assert.equal(site.lines.size, 0);
    assert.equal(w.keepers.call('acme', 'ETRN').kind, 'held');
    await w.keepers.release('acme');
    await w.clock.advance(DAY);
    assert.equal(site.taken.length, taken);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 100);
    assert.equal(site.taken.length, 100);
  });

  test('flushes: that is a call', async () => {
    const { w, site } = world();
    w.spool.put('acme');
    assert.equal(w.keepers.flush('acme'), true);
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 1);
  });
});

describe('another way to collect', () => {
  test('by a reload, in the middle of a call and back: nothing lost, nothing given twice, one at a time', async () => {
    const { w, site } = world();
    site.latency = 50;
    for (let i = 0; i < 300; i++) w.spool.put('acme');
    const to = (way: QueuePolicy['way']) => {
      const policy = w.policies.get('acme');
      assert.ok(policy);
      w.policies.set('acme', { ...policy, way });
      w.keepers.reload();
    };
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(300);
    to('turn');
    await w.clock.advance(10 * SECOND);
    const before = site.taken.length;
    assert.ok(before > 0 && before < 300, `${before}`);
    assert.equal(w.view('acme').state, 'waiting');
    w.keepers.call('acme', 'ATRN', turned(site));
    await w.clock.advance(SECOND);
    to('lend');
    await w.clock.advance(10 * SECOND);
    const lent = await w.keepers.lend('acme', 'POP3');
    assert.ok(lent.kind === 'lent');
    to('push');
    assert.equal(lent.lease.lost.aborted, true);
    await lent.end({ mails: 0, octets: 0 });
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 300);
    assert.equal(site.taken.length, 300);
    to('call');
    w.spool.put('acme');
    await w.clock.advance(DAY);
    assert.equal(site.taken.length, 300);
    assert.equal(w.view('acme').state, 'waiting');
  });

  test('ending in the middle of a call is in order: what was out comes back first', async () => {
    const { w, site } = world();
    for (let i = 0; i < 100; i++) w.spool.put('acme');
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(105);
    const stopped = w.keepers.stop();
    await w.clock.advance(10 * SECOND);
    await stopped;
    assert.equal(site.taken.length + w.spool.entries.size, 100);
    assert.equal(w.log.of('call over')[0]?.mails, site.taken.length);
  });
});

describe('thin links', () => {
  test('get the smallest first, or sender by sender, as they wish', async () => {
    for (const order of ['size', 'sender', 'arrival'] as const) {
      const { w, site } = world({ order });
      const put = (size: number, sender: string) =>
        w.spool.put('acme', {
          size,
          envelope: { sender, recipients: [{ address: 'u@acme.example' }], body: '7bit', smtputf8: false },
        });
      const ids = [put(3000, 'a@x'), put(1000, 'b@x'), put(2000, 'a@x')];
      w.keepers.call('acme', 'ETRN');
      await w.clock.advance(MINUTE);
      const expected = { size: [1, 2, 0], sender: [0, 2, 1], arrival: [0, 1, 2] }[order];
      assert.deepEqual(
        site.taken.map((t) => t.id),
        expected.map((i) => ids[i]),
        order,
      );
    }
  });

  test('are told once of a mail that is too large; an operator lets it go with the next call', async () => {
    const { w, site } = world({ largest: 1_000_000 });
    const large = w.spool.put('acme', { size: 5_000_000 });
    const small = w.spool.put('acme');
    for (let i = 0; i < 3; i++) {
      w.keepers.call('acme', 'ETRN');
      await w.clock.advance(MINUTE);
    }
    assert.equal(w.spool.notices.length, 1);
    assert.equal(site.taken.length, 2);
    assert.ok(site.arrived.has(small) && !site.arrived.has(large));
    assert.match(w.spool.notices[0]?.content ?? '', /5000000 octets/);
    assert.equal(w.spool.notices[0]?.entry.queue, 'acme');
    assert.equal(w.spool.entries.get(large)?.hold?.kind, 'operator');
    await w.spool.operate([large], { kind: 'release' });
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.ok(site.arrived.has(large));
    assert.equal(w.spool.notices.length, 1);
  });
});

test('a loan shows no mail that is too large, but the note of it; when an operator lets it go it is there', async () => {
  const { w } = world({ way: 'lend', largest: 1_000_000 });
  const large = w.spool.put('acme', { size: 5_000_000 });
  const small = w.spool.put('acme', { size: 1_000_000 });
  const shown = async (): Promise<string[]> => {
    const lent = await w.keepers.lend('acme', 'POP3');
    assert.ok(lent.kind === 'lent');
    const ids: string[] = [];
    for await (const { id } of lent.lease.list()) ids.push(id);
    await lent.end({ mails: 0, octets: 0 });
    return ids;
  };
  await w.clock.advance(SECOND);
  const first = await shown();
  assert.equal(first.length, 2);
  assert.ok(first.includes(small) && !first.includes(large), String(first));
  assert.equal(w.spool.notices.length, 1);
  assert.equal(w.spool.entries.get(large)?.hold?.kind, 'operator');
  assert.deepEqual(await shown(), first);
  await w.spool.operate([large], { kind: 'release' });
  assert.equal((await shown()).includes(large), true);
  assert.equal(w.spool.notices.length, 1);
});

describe('other sites', () => {
  test('are not touched by a call: no lease, no connection, no timer of theirs', async () => {
    const { w, site } = world();
    for (let i = 0; i < 100; i++) {
      w.site(`other${i}`, { way: 'call' });
      w.spool.put(`other${i}`);
    }
    w.spool.put('acme');
    await w.clock.advance(SECOND);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 1);
    for (let i = 0; i < 100; i++) assert.equal(w.sites.get(`other${i}`)?.connects.length, 0);
  });
});
