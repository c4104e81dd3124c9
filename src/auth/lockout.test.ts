import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { Lockout } from './lockout.ts';

const ATTACKER = '203.0.113.66';
const HOME = '198.51.100.7';

class World {
  readonly clock = new SimClock();
  readonly lockout: Lockout;

  constructor(room?: number) {
    this.lockout = new Lockout(this.clock, room);
  }

  /** A failure; null: it was locked out. */
  fail(address: string, name = 'acme'): { delay: number; locked: number } | null {
    return this.lockout.admit(address, name)?.fail() ?? null;
  }

  succeed(address: string, name = 'acme'): number | null {
    return this.lockout.admit(address, name)?.succeed() ?? null;
  }

  /** As often as it is let. */
  exhaust(address: string, name = 'acme'): number {
    let done = 0;
    while (this.fail(address, name)) done++;
    return done;
  }
}

describe('lock-out by address', () => {
  test('answers are held back longer with each failure, and the tenth locks out', () => {
    const world = new World();
    const delays = Array.from({ length: 10 }, (_, i) => world.fail(ATTACKER, `name${i}`)?.delay);
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000, 5000]);
    assert.equal(world.fail(ATTACKER), null);
    assert.equal(world.succeed(ATTACKER), null);
    assert.equal(world.succeed(HOME, 'other'), 0);
  });

  test('the lock ends, the next one is longer, and an hour of quiet forgives all', async () => {
    const world = new World();
    world.exhaust(ATTACKER);
    await world.clock.advance(MINUTE - 1);
    assert.equal(world.fail(ATTACKER), null);
    await world.clock.advance(1);
    const again = world.fail(ATTACKER, 'another');
    assert.ok(again && again.locked >= MINUTE, `locked for ${again?.locked}`);
    await world.clock.advance(HOUR);
    assert.equal(world.fail(ATTACKER, 'a third')?.delay, 500);
  });

  test('in a day it gets a guess in about five minutes', async () => {
    const world = new World();
    let guesses = 0;
    for (let minute = 0; minute < 24 * 60; minute++) {
      guesses += world.exhaust(ATTACKER, `name${minute}`);
      await world.clock.advance(MINUTE);
    }
    assert.ok(guesses > 200 && guesses < 350, `${guesses} guesses`);
  });

  test('IPv6 is counted by /64', () => {
    const world = new World();
    for (let i = 0; i < 10; i++) assert.ok(world.fail(`2001:db8:1:2::${i}`, `name${i}`));
    assert.equal(world.fail('2001:db8:1:2:ffff::1'), null);
    assert.ok(world.fail('2001:db8:1:3::1', 'name'));
  });

  test('attempts side by side gain nothing', () => {
    const world = new World();
    const open = Array.from({ length: 20 }, () => world.lockout.admit(ATTACKER, 'acme')).filter(
      (t) => t !== null,
    );
    assert.equal(open.length, 8);
    for (const ticket of open) ticket.fail();
    const more = Array.from({ length: 20 }, () => world.lockout.admit(ATTACKER, 'acme')).filter(
      (t) => t !== null,
    );
    assert.equal(more.length, 2);
    more[0]?.drop();
    assert.ok(world.lockout.admit(ATTACKER, 'acme'));
  });
});

describe('lock-out by name', () => {
  test('guesses from everywhere delay a login from a new address, and never lock it out', () => {
    const world = new World();
    for (let i = 0; i < 200; i++) world.fail(`192.0.2.${i}`);
    assert.equal(world.succeed(HOME), 3 * SECOND);
    const wrong = world.fail('198.51.100.99');
    assert.deepEqual(wrong, { delay: 3 * SECOND, locked: 0 });
  });

  test('while a name is guessed at, each failure counts double for its address', () => {
    const world = new World();
    for (let i = 0; i < 10; i++) world.fail(`192.0.2.${i}`);
    assert.equal(world.exhaust(ATTACKER), 5);
  });

  test('where a name has logged in before, guesses from elsewhere are not felt', async () => {
    const world = new World();
    assert.equal(world.succeed(HOME), 0);
    for (let i = 0; i < 200; i++) world.fail(`192.0.2.${i}`);
    assert.equal(world.succeed(HOME), 0);
    await world.clock.advance(31 * DAY);
    for (let i = 0; i < 20; i++) world.fail(`192.0.2.${i}`);
    assert.equal(world.succeed(HOME), 3 * SECOND);
  });

  test('nor are failures with other names from the same address (NAT)', () => {
    const world = new World();
    world.succeed(HOME);
    world.exhaust(HOME, 'a broken printer');
    assert.equal(world.succeed(HOME, 'newcomer'), null);
    assert.equal(world.succeed(HOME), 0);
  });

  test('failures at the familiar name itself lock that name at that address', () => {
    const world = new World();
    world.succeed(HOME);
    assert.equal(world.exhaust(HOME), 10);
    assert.equal(world.succeed(HOME), null);
    assert.equal(world.succeed('198.51.100.8'), 3 * SECOND);
  });

  test('it forgives in time', async () => {
    const world = new World();
    for (let i = 0; i < 10; i++) world.fail(`192.0.2.${i}`);
    await world.clock.advance(5 * MINUTE);
    assert.equal(world.succeed(HOME), 0);
  });
});

test('its memory is bounded: what was touched longest ago is forgotten', () => {
  const world = new World(100);
  world.exhaust(ATTACKER);
  for (let i = 0; i < 99; i++) world.fail(`192.0.2.${i}`, `name${i}`);
  assert.equal(world.fail(ATTACKER, 'x'), null);
  for (let i = 0; i < 101; i++) world.fail(`198.51.100.${i}`, `name${i}`);
  assert.ok(world.fail(ATTACKER, 'x'));
});
