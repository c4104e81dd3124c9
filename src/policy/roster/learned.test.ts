import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../base/clock.ts';
import { openDatabase } from '../../base/database.ts';
import { silent } from '../../base/log.ts';
import { reply } from '../../mail/reply.ts';
import { FACTS_SCHEMA, Facts } from './facts.ts';
import { Learned, saysNoMailbox } from './learned.ts';
import { nameOf } from './names.ts';
import { PATIENCE, RETURNING_SCHEMA, Returning, steady } from './returning.ts';

const of = { site: 'acme', verify: { good: 31 * DAY, bad: 3 * HOUR, unknown: 'return' as const } };

describe('what is learned of a recipient', () => {
  let clock: SimClock;
  let facts: Facts;
  let learned: Learned;

  beforeEach(() => {
    clock = new SimClock();
    facts = new Facts({ db: openDatabase(':memory:', FACTS_SCHEMA), clock, log: silent });
    learned = new Learned(facts, clock);
  });

  const name = (address: string) => nameOf(address, '+');
  const taken = (address: string) => learned.taken(of, name(address), 'handover');
  const refused = (address: string) => learned.refused(of, name(address), 'handover');
  const known = (address: string) => learned.known(of, name(address)).kind;

  test('nothing at first; taken is good, refused is bad for three hours', async () => {
    assert.equal(known('joe@a.example'), 'unknown');
    taken('joe@a.example');
    refused('ann@a.example');
    assert.deepEqual([known('joe@a.example'), known('ann@a.example')], ['good', 'bad']);
    await clock.advance(3 * HOUR);
    assert.deepEqual([known('joe@a.example'), known('ann@a.example')], ['good', 'unknown']);
  });

  test('a good one is bad only after refusals that are spread over a day', async () => {
    taken('joe@a.example');
    for (let hour = 0; hour < 24; hour++) {
      refused('joe@a.example');
      assert.equal(known('joe@a.example'), 'good', `after ${hour} h`);
      await clock.advance(HOUR);
    }
    refused('joe@a.example');
    assert.equal(known('joe@a.example'), 'bad');
    taken('joe@a.example');
    assert.equal(known('joe@a.example'), 'good', 'one acceptance is enough');
  });

  test('one acceptance in between begins the day anew', async () => {
    taken('joe@a.example');
    refused('joe@a.example');
    await clock.advance(20 * HOUR);
    taken('joe@a.example');
    await clock.advance(20 * HOUR);
    refused('joe@a.example');
    assert.equal(known('joe@a.example'), 'good');
  });

  test('a good one is due for a question before its time is over, and good still after it', async () => {
    taken('joe@a.example');
    const age = () => {
      const found = learned.known(of, name('joe@a.example'));
      return found.kind === 'good' ? found.age : found.kind;
    };
    assert.equal(age(), 'fresh');
    await clock.advance(24 * DAY);
    assert.equal(age(), 'due');
    await clock.advance(8 * DAY);
    assert.equal(age(), 'over');
  });

  test('a sub-address is good with its mailbox, and teaches the mailbox', () => {
    taken('joe+list@a.example');
    assert.deepEqual([known('joe@a.example'), known('joe+x@a.example')], ['good', 'good']);
  });

  test('a refused sub-address says nothing of its mailbox', async () => {
    refused('joe+x@a.example');
    assert.deepEqual([known('joe+x@a.example'), known('joe@a.example')], ['bad', 'unknown']);
    taken('ann@a.example');
    refused('ann+x@a.example');
    assert.equal(known('ann+x@a.example'), 'good', 'its mailbox was good: a day is needed');
    await clock.advance(DAY);
    refused('ann+x@a.example');
    assert.deepEqual([known('ann+x@a.example'), known('ann@a.example')], ['bad', 'good']);
  });

  test('a sub-address that is there without its mailbox is known by itself', () => {
    refused('joe@a.example');
    assert.equal(known('joe+x@a.example'), 'bad');
    taken('joe+x@a.example');
    assert.deepEqual([known('joe+x@a.example'), known('joe@a.example')], ['good', 'bad']);
  });

  test('what is known already is not written again', async () => {
    taken('joe@a.example');
    facts.flush();
    const before = clock.armed;
    for (let i = 0; i < 1000; i++) taken('joe@a.example');
    assert.equal(clock.armed, before, 'a write would wait for its second');
    await clock.advance(5 * DAY);
    taken('joe@a.example');
    assert.equal(clock.armed, before + 1);
  });

  test('a site has no more than its share, and others keep theirs', () => {
    const db = openDatabase(':memory:', FACTS_SCHEMA);
    const few = new Facts({ db, clock, log: silent, most: 10 });
    const fact = { good: true, at: clock.now(), by: 'import' as const };
    for (let i = 0; i < 30; i++) few.set('acme', `u${i}@a.example`, fact);
    few.set('other', 'joe@b.example', fact);
    assert.equal(few.summary('acme').good, 10);
    assert.equal(few.get('acme', 'u20@a.example'), undefined);
    assert.ok(few.get('other', 'joe@b.example'));
    assert.ok(few.delete('acme', 'u0@a.example'));
    few.set('acme', 'u20@a.example', fact);
    assert.ok(few.get('acme', 'u20@a.example'));
  });

  test('bad ones go when their time is over, good ones long after it', async () => {
    taken('joe@a.example');
    refused('ann@a.example');
    await clock.advance(DAY);
    facts.prune('acme', clock.now() - 3 * HOUR, clock.now() - 90 * DAY);
    const { good, bad } = facts.summary('acme');
    assert.deepEqual([good, bad], [1, 0]);
  });
});

test('facts and pairs are there after a restart, and after kill -9 but for the last second', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'roster-'));
  const file = join(folder, 'roster.sqlite');
  const clock = new SimClock();
  const open = () => {
    const db = openDatabase(file, FACTS_SCHEMA + RETURNING_SCHEMA);
    const facts = new Facts({ db, clock, log: silent });
    return {
      facts,
      learned: new Learned(facts, clock),
      returning: new Returning({ db, clock, log: silent }),
    };
  };
  const one = open();
  one.learned.taken(of, nameOf('joe@a.example', '+'), 'verification');
  one.returning.comesBack('acme', 'ann@b.example', 'new@a.example');
  await clock.advance(SECOND);
  one.learned.taken(of, nameOf('late@a.example', '+'), 'verification');
  const two = open();
  assert.equal(two.learned.known(of, nameOf('joe@a.example', '+')).kind, 'good');
  assert.equal(two.learned.known(of, nameOf('late@a.example', '+')).kind, 'unknown');
  await clock.advance(5 * MINUTE);
  assert.equal(two.returning.comesBack('acme', 'ann@b.example', 'new@a.example'), true);
  rmSync(folder, { recursive: true });
});

describe('which refusals say that there is no such mailbox', () => {
  const rows: [code: number, enhanced: string | undefined, says: boolean][] = [
    [550, '5.1.1', true],
    [551, '5.1.6', true],
    [553, '5.1.3', true],
    [550, undefined, true],
    [553, undefined, true],
    [550, '5.7.1', false],
    [550, '5.1.8', false],
    [550, '5.2.1', false],
    [550, '5.4.1', false],
    [554, '5.1.1', false],
    [552, '5.2.2', false],
    [450, '4.1.1', false],
    [554, undefined, false],
  ];
  for (const [code, enhanced, says] of rows) {
    test(`${code} ${enhanced ?? 'without an enhanced code'}: ${says ? 'yes' : 'no'}`, () =>
      assert.equal(saysNoMailbox(reply(code, enhanced, 'no')), says));
  }
});

describe('those who come back', () => {
  let clock: SimClock;
  let returning: Returning;
  const make = (more = {}) =>
    new Returning({ db: openDatabase(':memory:', RETURNING_SCHEMA), clock, log: silent, ...more });
  beforeEach(() => {
    clock = new SimClock();
    returning = make();
  });
  afterEach(() => returning.flush());
  const comes = (sender = 'ann@b.example', recipient = 'joe@a.example', site = 'acme') =>
    returning.comesBack(site, sender, recipient);

  test('are put off for five minutes, less what clocks round off, however often they ask', async () => {
    assert.equal(comes(), false);
    for (let i = 0; i < 4; i++) {
      await clock.advance(MINUTE);
      assert.equal(comes(), false);
    }
    await clock.advance(PATIENCE - 4 * MINUTE - 1);
    assert.equal(comes(), false);
    await clock.advance(1);
    assert.equal(comes(), true);
    assert.equal(comes(), true, 'and at once from then on');
  });

  test('are another sender, recipient or site: each has a time of its own', async () => {
    comes();
    await clock.advance(5 * MINUTE);
    assert.equal(comes('bob@b.example'), false);
    assert.equal(comes('ann@b.example', 'jane@a.example'), false);
    assert.equal(comes('ann@b.example', 'joe@a.example', 'other'), false);
    assert.equal(comes(''), false);
    assert.equal(comes(), true);
  });

  test('are forgotten two days after they were seen last', async () => {
    comes();
    await clock.advance(DAY);
    assert.equal(comes(), true);
    await clock.advance(DAY + 23 * HOUR);
    assert.equal(comes(), true);
    await clock.advance(2 * DAY);
    assert.equal(comes(), false);
  });

  test('are bounded: those that never came back make room first', async () => {
    returning = make({ most: 30, mostOfASite: 20 });
    comes();
    await clock.advance(5 * MINUTE);
    assert.equal(comes(), true);
    for (let i = 0; i < 100; i++) comes(`${'x'.repeat(i + 1)}@spam.example`);
    assert.equal(returning.count('acme'), 20);
    assert.equal(comes(), true, 'one that came back is there still');
    for (let i = 0; i < 100; i++) comes(`${'x'.repeat(i + 1)}@spam.example`, 'joe@b.example', 'other');
    assert.ok(returning.count('acme') + returning.count('other') <= 30);
  });

  test('a clock that is set back costs another five minutes, no more', async () => {
    comes();
    clock.jump(-DAY);
    assert.equal(comes(), false);
    await clock.advance(5 * MINUTE);
    assert.equal(comes(), true);
  });

  const rows: [one: string, other: string, same: boolean][] = [
    ['list-bounces+joe=a.example@l.example', 'list-bounces+ann=c.example@L.example', true],
    ['bounce-4711-x@l.example', 'bounce-4712-x@l.example', true],
    ['prvs=0123456789=ann@b.example', 'prvs=9876543210=ann@b.example', true],
    ['prvs=0123456789=ann@b.example', 'ann@b.example', true],
    ['SRS0=HHHH=TT=b.example=ann@f.example', 'srs0=GGGG=UU=b.example=ann@f.example', true],
    ['SRS0=HHHH=TT=b.example=ann@f.example', 'srs0=HHHH=TT=b.example=bob@f.example', false],
    ['ann@b.example', 'bob@b.example', false],
    ['ann@b.example', 'ann@c.example', false],
    ['', 'ann@b.example', false],
  ];
  for (const [one, other, same] of rows) {
    test(`<${one}> and <${other}> are ${same ? 'one sender' : 'two'}`, () =>
      assert.equal(steady(one) === steady(other), same));
  }
});
