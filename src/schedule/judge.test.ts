import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plainEnvelope } from '../../test/support/memory-spool.ts';
import { DAY, HOUR, type Instant, MINUTE } from '../base/clock.ts';
import type { Outcome } from '../mail/outcome.ts';
import { reply } from '../mail/reply.ts';
import type { Entry } from '../spool/port.ts';
import { answerOf, type Circumstances, judge, pendingOf } from './judge.ts';

const NOW: Instant = 1e12;
const host = 'mx.example';
const taken: Outcome = { kind: 'delivered', reply: reply(250, '2.0.0', 'ok'), host };
const later: Outcome = { kind: 'deferred', reply: reply(451, '4.7.1', 'later'), host };
const never: Outcome = { kind: 'failed', reply: reply(550, '5.1.1', 'no'), host };

function entry(lasts: (Outcome | undefined)[], attempts = 0): Entry {
  return {
    id: 'm1',
    mail: 'm1',
    queue: 'acme',
    origin: { kind: 'notice', about: '' },
    arrived: NOW - DAY,
    size: 1,
    attempts,
    nextTry: 0,
    warned: 0,
    envelope: { ...plainEnvelope(''), recipients: lasts.map((_, i) => ({ address: `${i}@x.example` })) },
    recipients: lasts.map((last) => ({ state: 'pending', ...(last ? { last } : {}) })),
  };
}

const by = (more: Partial<Circumstances> = {}): Circumstances => ({
  now: NOW,
  wary: false,
  random: () => 0,
  passes: () => null,
  ...more,
});

const told = (...outcomes: Outcome[]) => outcomes.map((outcome, recipient) => ({ recipient, outcome }));

describe('a ruling', () => {
  test('each recipient goes its own way', () => {
    const r = judge(entry([undefined, undefined, undefined]), told(taken, later, never), by());
    assert.deepEqual(
      [r.delivered, r.waiting, r.failed].map((l) => l.map((t) => t.recipient)),
      [[0], [1], [2]],
    );
    assert.equal(r.nextTry, NOW + 5 * MINUTE);
  });

  test('a deferral knows since when', () => {
    const first = judge(entry([undefined]), told(later), by()).waiting[0]?.outcome;
    assert.equal(first?.kind === 'deferred' && first.since, NOW);
    const second = judge(entry([first], 1), told(later), by({ now: NOW + HOUR })).waiting[0]?.outcome;
    assert.equal(second?.kind === 'deferred' && second.since, NOW);
  });

  test('wary: a refusal is held back, offered after 30 min, then hourly, believed after 24 h', () => {
    const first = judge(entry([undefined]), told(never), by({ wary: true }));
    assert.equal(first.failed.length, 0);
    assert.equal(first.heldBack, 1);
    assert.equal(first.nextTry, NOW + 30 * MINUTE);
    const last = first.waiting[0]?.outcome;
    assert.equal(last?.reply.code, 550);
    const again = entry([last], 1);
    const second = judge(again, told(never), by({ wary: true, now: NOW + HOUR }));
    assert.equal(second.nextTry, NOW + 2 * HOUR);
    assert.equal(judge(again, told(never), by({ wary: true, now: NOW + DAY - 1 })).failed.length, 0);
    assert.equal(judge(again, told(never), by({ wary: true, now: NOW + DAY })).failed.length, 1);
    assert.equal(judge(again, told(never), by({ now: NOW + HOUR })).failed.length, 1, 'not wary: believed');
  });

  test('a deferral before it does not count as a refusal', () => {
    const put = judge(entry([undefined]), told(later), by()).waiting[0]?.outcome;
    const r = judge(entry([put], 1), told(never), by({ wary: true, now: NOW + 2 * DAY }));
    assert.equal(r.failed.length, 0);
  });

  test('a greylist that is known brings the next try forward, and never puts it off', () => {
    const soon = judge(entry([undefined], 5), told(later), by({ passes: () => NOW + 7 * MINUTE }));
    assert.equal(soon.nextTry, NOW + 7 * MINUTE);
    const far = judge(entry([undefined], 0), told(later), by({ passes: () => NOW + HOUR }));
    assert.equal(far.nextTry, NOW + 5 * MINUTE);
  });
});

test('what the mail met as a whole', () => {
  assert.equal(answerOf(told(never, taken, later)), 'accepted');
  assert.equal(answerOf(told(never, later)), 'deferred');
  assert.equal(answerOf(told(never, never)), 'refused');
});

test('only pending recipients are to be tried', () => {
  const e = entry([undefined, undefined]);
  assert.deepEqual(pendingOf({ ...e, recipients: [{ state: 'delivered' }, { state: 'pending' }] }), [1]);
});
