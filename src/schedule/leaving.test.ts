/** A queue's way changes while the old way's peer says nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeSite } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { MINUTE, SECOND } from '../base/clock.ts';
import { MANNERS } from './leaving.ts';
import type { QueuePolicy, Way } from './policy.ts';

const MAILS = 5;

/** Of the old way, and of the new one. */
function world(way: Way, more: Partial<QueuePolicy> = {}) {
  const w = new World();
  const old = w.site('acme', { way, connections: 1, ...more });
  old.latency = 10 * MINUTE;
  const ids = Array.from({ length: MAILS }, () => w.spool.put('acme'));
  const next = new FakeSite(w.clock);
  w.keepers.start();
  const to = (way: Way) => {
    const policy = w.policies.get('acme');
    assert.ok(policy);
    w.policies.set('acme', { ...policy, way });
    w.sites.set('acme', next);
    w.keepers.reload();
  };
  const begin = () => {
    if (way === 'call') w.keepers.call('acme', 'ETRN');
    if (way === 'turn') w.keepers.call('acme', 'ATRN', (signal) => old.connect(signal));
    return w.clock.advance(5 * SECOND);
  };
  return { w, old, next, ids, to, begin };
}

/** A state that is `down`, so that the first mail is on a probe. */
const WAYS: Readonly<Record<string, Way>> = { 'a probe': 'push', 'a call': 'call', 'a turned line': 'turn' };

describe('another way, while the peer of the old one is silent', () => {
  for (const [name, way] of Object.entries(WAYS)) {
    const other: Way = way === 'push' ? 'call' : 'push';
    const start = (w: World) => (other === 'call' ? w.keepers.call('acme', 'ETRN') : null);

    test(`has the whole queue within seconds of ${name} whose mail was not sent to its end`, async () => {
      const { w, old, next, ids, to, begin } = world(way);
      await begin();
      assert.equal(old.lines.size, 1);
      to(other);
      await w.clock.advance(MANNERS - 1);
      assert.equal(next.taken.length, 0);
      await w.clock.advance(2 * SECOND);
      assert.equal(old.lines.size, 0);
      start(w);
      await w.clock.advance(10 * SECOND);
      assert.deepEqual(next.taken.map((t) => t.id).sort(), ids);
      await w.clock.advance(20 * MINUTE);
      assert.equal(old.taken.length, 0);
      assert.equal(w.spool.entries.size, 0);
    });

    test(`has all but the mail that ${name} may have given, until the answer to it comes`, async () => {
      const { w, old, next, ids, to, begin } = world(way);
      old.sentWhole = true;
      await begin();
      to(other);
      await w.clock.advance(MANNERS + SECOND);
      start(w);
      await w.clock.advance(10 * SECOND);
      assert.deepEqual(next.taken.map((t) => t.id).sort(), ids.slice(1));
      assert.deepEqual([...w.spool.entries.keys()], ids.slice(0, 1));
      assert.equal(w.log.of('given up with mail in doubt').length, 1);
      await w.clock.advance(10 * MINUTE);
      assert.deepEqual(
        old.taken.map((t) => t.id),
        ids.slice(0, 1),
      );
      assert.equal(w.spool.entries.size, 0);
      assert.equal(next.taken.length, MAILS - 1, 'it was not given twice');
    });

    test(`has also that mail, once ${name} ends without an answer`, async () => {
      const { w, old, next, to, begin } = world(way);
      old.sentWhole = true;
      await begin();
      to(other);
      await w.clock.advance(MANNERS + SECOND);
      start(w);
      await w.clock.advance(10 * SECOND);
      assert.equal(next.taken.length, MAILS - 1);
      old.cut();
      await w.clock.advance(SECOND);
      start(w);
      await w.clock.advance(10 * SECOND);
      assert.equal(next.arrived.size, MAILS);
      assert.equal(next.taken.length, MAILS);
      assert.equal(w.spool.entries.size, 0);
    });
  }

  test('and a third one: each begins when those before it have let go', async () => {
    const { w, old, next, to, begin } = world('call');
    old.sentWhole = true;
    next.latency = 10 * MINUTE;
    next.sentWhole = true;
    await begin();
    to('push');
    await w.clock.advance(MANNERS + 20 * SECOND);
    assert.equal(next.lines.size, 1);
    to('call');
    const third = new FakeSite(w.clock);
    w.sites.set('acme', third);
    w.keepers.reload();
    await w.clock.advance(MANNERS + SECOND);
    w.keepers.call('acme', 'ETRN');
    await w.clock.advance(10 * SECOND);
    assert.equal(third.taken.length, MAILS - 2);
    await w.clock.advance(20 * MINUTE);
    assert.deepEqual([old.taken.length, next.taken.length, third.taken.length], [1, 1, MAILS - 2]);
    assert.equal(w.spool.entries.size, 0);
  });

  test('and outcomes that could not be stored at first are stored before it begins', async () => {
    for (const way of ['push', 'call'] as const) {
      const { w, old, next, to, begin } = world(way);
      old.latency = 20;
      w.spool.broken = true;
      await begin();
      const before = old.taken.length;
      assert.ok(before > 0);
      to(way === 'push' ? 'call' : 'push');
      await w.clock.advance(MINUTE);
      assert.equal(next.taken.length, 0);
      w.spool.broken = false;
      await w.clock.advance(2 * MINUTE);
      w.keepers.call('acme', 'ETRN');
      await w.clock.advance(MINUTE);
      assert.equal(w.spool.entries.size, 0, way);
      assert.equal(old.taken.length + next.taken.length, MAILS, way);
    }
  });

  test('at the end of the program all is cut in time', async () => {
    const { w, old, begin } = world('call');
    old.sentWhole = true;
    await begin();
    let ended = false;
    void w.keepers.stop().then(() => (ended = true));
    await w.clock.advance(4 * SECOND);
    assert.ok(ended);
    assert.equal(w.spool.entries.size, MAILS);
  });
});
