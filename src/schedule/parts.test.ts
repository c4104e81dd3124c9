/** The small machines that a keeper is made of, each alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Journal } from '../../test/support/keepers-world.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { LONGEST_INTERVAL, ownInterval, probeInterval, waryInterval } from './intervals.ts';
import { mayMove, QueueState, STATES } from './state.ts';
import type { KeeperState } from './view.ts';
import { Wary } from './wary.ts';
import { Window } from './window.ts';

describe('state', () => {
  const allowed = new Set([
    'up>down',
    'up>draining',
    'up>held',
    'down>draining',
    'down>held',
    'draining>up',
    'draining>down',
    'draining>held',
    'held>draining',
    'waiting>calling',
    'waiting>held',
    'calling>waiting',
    'calling>held',
    'held>waiting',
  ]);

  for (const from of STATES) {
    for (const to of STATES) {
      const legal = allowed.has(`${from}>${to}`);
      test(`from ${from} to ${to}: ${legal ? 'moves and says so' : 'refused, and nothing is changed'}`, async () => {
        const clock = new SimClock();
        const log = new Journal();
        const state = new QueueState(clock, log, from, 'before');
        const { since } = state;
        await clock.advance(SECOND);
        assert.equal(mayMove(from, to), legal);
        if (!legal) {
          assert.throws(() => state.to(to));
          assert.deepEqual([state.is, state.reason, state.since], [from, 'before', since]);
          assert.equal(log.lines.length, 0);
          return;
        }
        state.to(to, 'why');
        assert.deepEqual([state.is, state.reason, state.since], [to, 'why', clock.now()]);
        assert.deepEqual(log.of('queue state'), [{ from, to, why: 'why' }]);
      });
    }
  }

  test('every state can be left, and reached', () => {
    for (const one of STATES) {
      const others = STATES.filter((s: KeeperState) => s !== one);
      assert.ok(others.some((s) => mayMove(one, s)));
      assert.ok(others.some((s) => mayMove(s, one)));
    }
  });
});

describe('intervals', () => {
  const random = fc.double({ min: 0, max: 0.999999, noNaN: true });

  test('a probe waits 5 s at first and never longer than the cap, however many have failed', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 5 * SECOND, max: HOUR }), random, (failed, cap, r) => {
        const interval = probeInterval(failed, cap, () => r);
        assert.ok(interval > 0 && interval <= cap);
        if (failed === 0) assert.ok(interval <= 5 * SECOND && interval >= 4 * SECOND);
      }),
    );
  });

  test("a mail's own clock: 5 min, 10 min, then at most 30 min; never less than was meant", () => {
    fc.assert(
      fc.property(fc.nat(1000), random, (attempts, r) => {
        const interval = ownInterval(attempts, () => r);
        assert.ok(interval >= 5 * MINUTE && interval <= 30 * MINUTE);
        if (attempts === 0) assert.ok(interval < 6 * MINUTE);
        if (attempts === 1) assert.ok(interval >= 10 * MINUTE && interval < 11 * MINUTE);
        assert.ok(waryInterval(attempts > 0, () => r) <= LONGEST_INTERVAL);
      }),
    );
  });
});

describe('slow start', () => {
  const answer = (w: Window, mails: number, latency: number | null = 50, limit = 16) => {
    for (let i = 0; i < mails; i++) w.answered(latency, limit);
  };

  test('begins at one and doubles after ten mails a connection, up to the limit', () => {
    const w = new Window();
    const seen: number[] = [];
    for (let i = 0; i < 10 + 20 + 40 + 80 + 160; i++) {
      w.answered(null, 16);
      if (w.allowed !== seen.at(-1)) seen.push(w.allowed);
    }
    assert.deepEqual(seen, [1, 2, 4, 8, 16]);
    answer(w, 9);
    assert.equal(w.allowed, 16);
  });

  test('not one mail less', () => {
    const w = new Window();
    answer(w, 9);
    assert.equal(w.allowed, 1);
    answer(w, 1);
    assert.equal(w.allowed, 2);
    answer(w, 19);
    assert.equal(w.allowed, 2);
  });

  test('halves, and not below one', () => {
    const w = new Window();
    answer(w, 70);
    assert.equal(w.allowed, 8);
    w.halve();
    assert.equal(w.allowed, 4);
    for (let i = 0; i < 9; i++) w.halve();
    assert.equal(w.allowed, 1);
  });

  test('halves when answers become slow against the best seen', () => {
    const w = new Window();
    answer(w, 70, 50);
    assert.equal(w.allowed, 8);
    answer(w, 80, 3000);
    assert.equal(w.allowed, 4);
  });

  test('a site that was always slow is not held down', () => {
    const w = new Window();
    answer(w, 150, 5000);
    assert.equal(w.allowed, 16);
  });

  test('refusals say nothing of its pace', () => {
    const w = new Window();
    answer(w, 30, null);
    answer(w, 120, 4000);
    assert.equal(w.allowed, 16);
  });

  test('follows a limit that was lowered', () => {
    const w = new Window();
    answer(w, 150);
    assert.equal(w.allowed, 16);
    answer(w, 160, 50, 2);
    assert.equal(w.allowed, 2);
  });
});

describe('wary', () => {
  const feed = (w: Wary, answers: string) => [...answers].map((a) => w.answer(a === 'y')).some(Boolean);

  test('on at a return from down; off when acceptances clearly outnumber refusals', () => {
    const w = new Wary();
    w.begin();
    feed(w, 'yyyy');
    assert.equal(w.on, true);
    feed(w, 'y');
    assert.equal(w.on, false);
  });

  test('stays on while refusals are more than a few among the acceptances', () => {
    const w = new Wary();
    w.begin();
    feed(w, 'ynynynynynyn');
    assert.equal(w.on, true);
    feed(w, 'yyyyyyyyyyyyy');
    assert.equal(w.on, false);
  });

  test('on when refusals reach half of the last twenty with at least five', () => {
    const w = new Wary();
    feed(w, 'nnnn');
    assert.equal(w.on, false, 'four refusals are four refusals');
    feed(w, 'n');
    assert.equal(w.on, true);
  });

  test('the usual share of refusals does not turn it on', () => {
    const w = new Wary();
    for (let i = 0; i < 20; i++) feed(w, 'yyynyn');
    assert.equal(w.on, false);
  });

  test('old answers are forgotten', () => {
    const w = new Wary();
    feed(w, 'y'.repeat(200));
    feed(w, 'n'.repeat(10));
    assert.equal(w.on, true);
  });

  test('only refusals turn it on, only acceptances turn it off, and five of them always do', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (answers) => {
        const w = new Wary();
        for (const accepted of answers) {
          const before = w.on;
          const changed = w.answer(accepted);
          assert.equal(changed, w.on !== before);
          if (changed) assert.equal(w.on, !accepted);
        }
        for (let i = 0; i < 20; i++) w.answer(true);
        assert.equal(w.on, false);
      }),
    );
  });
});
