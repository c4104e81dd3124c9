/** What keepers share, and their clockwork, each part alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY, HOUR, MINUTE } from '../base/clock.ts';
import { openKeyed } from '../base/keyed.ts';
import { silent } from '../base/log.ts';
import { Alarm } from './alarm.ts';
import { Greylist } from './greylist.ts';
import { Meter } from './meter.ts';
import { type Heartbeat, Patience } from './patience.ts';
import { type Turn, Turns } from './turns.ts';

describe('turns', () => {
  test('never more than the limit; who waits longest is next', () => {
    const turns = new Turns(2);
    const had: string[] = [];
    const held: Turn[] = [];
    const ask = (who: string) =>
      turns.ask((turn) => {
        had.push(who);
        held.push(turn);
      });
    for (const who of ['a', 'b', 'c', 'd']) ask(who);
    assert.deepEqual(had, ['a', 'b']);
    assert.equal(turns.wanted, true);
    held.shift()?.end();
    assert.deepEqual(had, ['a', 'b', 'c']);
    held.shift()?.end();
    assert.deepEqual(had, ['a', 'b', 'c', 'd']);
    assert.equal(turns.taken, 2);
  });

  test('a wish can be taken back, and a turn ends once', () => {
    const turns = new Turns(1);
    const held: Turn[] = [];
    turns.ask((t) => held.push(t));
    const withdraw = turns.ask((t) => held.push(t));
    withdraw();
    held[0]?.end();
    held[0]?.end();
    assert.equal(turns.taken, 0);
    assert.equal(held.length, 1);
  });

  test('an idle connection is closed for the first who wants one', () => {
    const turns = new Turns(1);
    const held: Turn[] = [];
    turns.ask((t) => held.push(t));
    held[0]?.lend(() => held[0]?.end());
    turns.ask((t) => held.push(t));
    assert.equal(held.length, 2);
  });

  test('one that is used again is not closed', () => {
    const turns = new Turns(1);
    const held: Turn[] = [];
    turns.ask((t) => held.push(t));
    held[0]?.lend(() => assert.fail('reclaimed'));
    held[0]?.use();
    turns.ask((t) => held.push(t));
    assert.equal(held.length, 1);
  });

  test('whatever is asked, ended, lent and withdrawn: the count is right', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(99), { maxLength: 100 }), (limit, acts) => {
        const turns = new Turns(limit);
        const live = new Set<Turn>();
        let given = 0;
        let asked = 0;
        let withdrawn = 0;
        const wishes: { had: boolean; withdraw: () => void }[] = [];
        for (const act of acts) {
          const [turn] = [...live].slice(act % Math.max(1, live.size));
          if (act < 40) {
            asked++;
            const wish = { had: false, withdraw: () => {} };
            wish.withdraw = turns.ask((t) => {
              given++;
              wish.had = true;
              live.add(t);
            });
            wishes.push(wish);
          } else if (act < 60 && turn) {
            live.delete(turn);
            turn.end();
          } else if (act < 80 && turn) {
            turn.lend(() => {
              live.delete(turn);
              turn.end();
            });
          } else {
            const wish = wishes.find((w) => !w.had);
            if (!wish) continue;
            wish.had = true;
            wish.withdraw();
            withdrawn++;
          }
          assert.equal(turns.taken, live.size);
          assert.ok(turns.taken <= limit);
          assert.equal(turns.wanted, asked - withdrawn > given);
          if (turns.wanted) assert.equal(turns.taken, limit);
        }
      }),
    );
  });
});

describe('patience', () => {
  const table = () => openKeyed(':memory:').table<Heartbeat>('t');

  test('a first start waits, and then no more', async () => {
    const clock = new SimClock();
    const patience = new Patience(clock, table(), silent);
    assert.equal(patience.over, false);
    await clock.advance(DAY);
    assert.equal(patience.over, true);
  });

  test('a short stop changes nothing, even in the middle of the waiting', async () => {
    const clock = new SimClock();
    const kept = table();
    const first = new Patience(clock, kept, silent);
    await clock.advance(20 * HOUR);
    first.beat();
    await clock.advance(30 * MINUTE);
    const second = new Patience(clock, kept, silent);
    await clock.advance(3 * HOUR);
    assert.equal(second.over, false);
    await clock.advance(2 * HOUR);
    assert.equal(second.over, true);
  });

  for (const jump of [30 * DAY, -30 * DAY]) {
    test(`a jump of ${jump / DAY} days is seen at once, and waited for`, async () => {
      const clock = new SimClock();
      const patience = new Patience(clock, table(), silent);
      await clock.advance(2 * DAY);
      assert.equal(patience.over, true);
      clock.jump(jump);
      assert.equal(patience.over, false);
      assert.equal(patience.jumps, 1);
      await clock.advance(23 * HOUR);
      assert.equal(patience.over, false);
      await clock.advance(2 * HOUR);
      assert.equal(patience.over, true);
    });

    test(`so is one of ${jump / DAY} days while we were off`, async () => {
      const clock = new SimClock();
      const kept = table();
      const first = new Patience(clock, kept, silent);
      await clock.advance(2 * DAY);
      first.beat();
      clock.jump(jump);
      assert.equal(new Patience(clock, kept, silent).over, false);
    });
  }

  test('small corrections are none', async () => {
    const clock = new SimClock();
    const patience = new Patience(clock, table(), silent);
    await clock.advance(2 * DAY);
    for (let i = 0; i < 100; i++) {
      clock.jump(MINUTE);
      assert.equal(patience.over, true);
    }
  });
});

describe('greylist', () => {
  test('the shortest wait that sufficed is remembered for a day', async () => {
    const clock = new SimClock();
    const greylist = new Greylist(clock);
    const since = clock.now();
    await clock.advance(10 * MINUTE);
    assert.equal(greylist.passes(clock.now()), null);
    assert.equal(greylist.accepted(since), true);
    assert.equal(greylist.accepted(since - HOUR), false);
    assert.equal(greylist.delay, 10 * MINUTE);
    const at = greylist.passes(clock.now()) ?? 0;
    assert.ok(at >= clock.now() + 10 * MINUTE && at <= clock.now() + 11 * MINUTE);
    assert.equal(greylist.passes(since - HOUR), null, 'that one should have passed: nothing is known of it');
    await clock.advance(DAY);
    assert.equal(greylist.delay, null);
  });
});

test('the meter tells mails a second, soon after the first and a while after the last', async () => {
  const clock = new SimClock();
  const meter = new Meter(clock);
  await clock.advance(HOUR);
  for (let i = 0; i < 50; i++) {
    meter.count();
    await clock.advance(100);
  }
  assert.ok(Math.abs(meter.rate - 10) < 1.5, `${meter.rate}`);
  for (let i = 0; i < 300; i++) {
    meter.count();
    await clock.advance(100);
  }
  assert.ok(Math.abs(meter.rate - 10) < 1.5, `${meter.rate}`);
  await clock.advance(MINUTE);
  assert.equal(meter.rate, 0);
});

test('the alarm has one timer, and rings by the earliest time that was set', async () => {
  const clock = new SimClock();
  const rung: number[] = [];
  const alarm = new Alarm(clock, () => rung.push(clock.monotonic()));
  alarm.by([null, 500, 900]);
  alarm.by([200]);
  alarm.by([700]);
  alarm.by([null]);
  assert.equal(clock.armed, 1);
  await clock.advance(1000);
  assert.deepEqual(rung, [200]);
  assert.equal(clock.armed, 0);
});
