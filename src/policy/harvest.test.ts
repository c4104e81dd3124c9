import assert from 'node:assert/strict';
import { test } from 'node:test';
import { House, makeSite, peerAt, STRANGER } from '../../test/scenario/receive-harness.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY, HOUR, SECOND } from '../base/clock.ts';
import { reply } from '../mail/reply.ts';
import type { Roster, Verify } from '../site/site.ts';
import { Harvest } from './harvest.ts';
import { ACCEPT, type Refusal, reject } from './verdict.ts';

test('who tries out addresses waits longer and longer, and is sent away; who errs a few times does not', async () => {
  const clock = new SimClock();
  const verify: Verify = { good: DAY, bad: HOUR, unknown: 'return' };
  const recipients: Roster = { kind: 'roster', lists: [], verify, delimiter: '+' };
  const house = new House([makeSite('a', ['a.example'], { recipients })], {}, undefined, [
    new Harvest(clock),
  ]);
  const refusal = reply(550, '5.1.1', 'no such user');
  const nobody = Array.from({ length: 21 }, (_, i) => ({ address: `u${i}@a.example`, refusal }));
  house.rosters.learn('a', [{ address: 'joe@a.example' }, ...nobody]);
  const visit = house.visit();
  await visit.mail('FROM:<>');
  const waits: number[] = [];
  const asks = async (address: string): Promise<string> => {
    const [begun, armed] = [clock.monotonic(), clock.armed];
    let said: string | null = null;
    void visit.rcpt(`TO:<${address}>`).then((text) => (said = text));
    // An answer, or the wait for it: the list is a real file, which takes its own time.
    while (said === null && clock.armed === armed) await clock.settle();
    while (said === null) await clock.advance(SECOND);
    waits.push((clock.monotonic() - begun) / SECOND);
    return said;
  };
  assert.equal(await visit.rcpt('TO:<joe@a.example>'), '250 2.1.5', 'and the list has been read');
  for (let i = 0; i < 21; i++) assert.equal(await asks(`u${i}@a.example`), '550 5.1.1');
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10]);
  assert.equal(await asks('joe@a.example'), '421 4.7.0');
  const other = house.visit();
  await other.mail('FROM:<>');
  assert.equal(await other.rcpt('TO:<joe@a.example>'), '250 2.1.5', 'another connection is another matter');
});

test('a primary that has no enhanced codes refuses as well (through); what is refused for another reason is not counted', () => {
  const clock = new SimClock();
  const watch = new Harvest(clock).begin({ peer: peerAt(STRANGER), trusted: false });
  const asked = () => watch?.rcpt?.({} as never, {} as never);
  const refused = (times: number, no: Refusal) => {
    for (let i = 0; i < times; i++) watch?.refused?.(no);
  };
  refused(50, reject(550, '5.7.1', 'Relaying denied', ''));
  refused(50, { kind: 'defer', reply: reply(450, '4.1.1', 'later'), why: '' });
  assert.equal(asked(), ACCEPT);
  refused(6, { kind: 'reject', reply: { code: 550, text: ['no such user'] }, why: '' });
  assert.ok(asked() instanceof Promise);
  assert.equal(clock.armed, 1);
  watch?.closed?.();
  assert.equal(clock.armed, 0, 'for who has gone nothing waits');
});
