/**
 * `while_up: defer`: who is sent to the primary, when, and how he gets past it. Simulated time.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DAY, MINUTE, SECOND } from '../../src/base/clock.ts';
import { type Keyed, openKeyed } from '../../src/base/keyed.ts';
import { Escapes } from '../../src/policy/escape.ts';
import { PROBE_WAIT } from '../../src/policy/while-up.ts';
import type { Site } from '../../src/site/site.ts';
import { SimClock } from '../support/sim-clock.ts';
import { EHLO, House, makeSite } from './receive-harness.ts';

const DEFERRED = '451 4.3.0';
const TAKEN = '250 2.1.5';

/** A site that defers; its primary is alive if `alive`, and was seen `ago`. */
class World {
  readonly house: House;
  asked = 0;
  alive = true;
  answer: Promise<void> = Promise.resolve();
  seenAt: number | undefined;

  constructor(more: Partial<Site> = {}, keyed?: Keyed) {
    const site = makeSite('one', ['one.example'], { whileUp: 'defer', ...more });
    const other = makeSite('two', ['two.example']);
    this.house = new House([site, other], { postmaster: 'admin@one.example' }, undefined, [], [], keyed);
    this.house.pulses = {
      seen: () => (this.seenAt === undefined ? undefined : { at: this.seenAt, host: 'mail.one.example' }),
      ask: async () => {
        this.asked++;
        await this.answer;
        if (this.alive) this.seenAt = this.house.clock.monotonic();
        return this.alive;
      },
    };
  }

  get clock(): SimClock {
    return this.house.clock;
  }

  async rcpt(recipient = 'u@one.example', sender = 'a@sender.example', address?: string): Promise<string> {
    const visit = this.house.visit(address);
    await visit.mail(`FROM:<${sender}>`);
    const said = await visit.rcpt(`TO:<${recipient}>`);
    this.words = visit.words;
    return said;
  }
  words = '';
}

describe('while the primary is up', () => {
  test('a sender is told which host to use, and no mail is asked for first if it was seen within a minute', async () => {
    const world = new World();
    world.seenAt = 0;
    await world.clock.advance(MINUTE);
    assert.equal(await world.rcpt(), DEFERRED);
    assert.equal(world.words, 'Use mail.one.example, it is up');
    assert.equal(world.asked, 0);
    await world.clock.advance(1);
    assert.equal(await world.rcpt('v@one.example'), DEFERRED);
    assert.equal(world.asked, 1, 'longer ago: it is asked');
    assert.equal(world.house.logged('recipient refused')[0]?.why, 'the primary is up (while_up: defer)');
  });

  test('a hidden host, and one that is known by its address only, is not named', async () => {
    const hidden = new World({ hide: true });
    assert.equal(await hidden.rcpt(), DEFERRED);
    assert.equal(hidden.words, 'Use the primary mail exchanger, it is up');
    for (const host of ['192.0.2.1', '2001:db8::1']) {
      const bare = new World();
      bare.house.pulses = { seen: () => ({ at: 0, host }), ask: async () => true };
      assert.equal(await bare.rcpt(), DEFERRED);
      assert.equal(bare.words, 'Use the primary mail exchanger, it is up');
    }
  });

  test('a primary that does not answer, or not in time, costs a sender seconds and no mail', async () => {
    const dead = new World();
    dead.alive = false;
    assert.equal(await dead.rcpt(), TAKEN);
    const slow = new World();
    slow.answer = new Promise(() => {});
    const said = slow.rcpt();
    await slow.clock.advance(PROBE_WAIT - 1);
    let done = false;
    void said.then(() => (done = true));
    await slow.clock.settle();
    assert.equal(done, false);
    await slow.clock.advance(1);
    assert.equal(await said, TAKEN);
    assert.equal(slow.clock.armed, 0);
  });

  for (const [what, standing] of [
    ['down or held', { up: false, wary: false }],
    ['wary', { up: true, wary: true }],
  ] as const) {
    test(`never while the site is ${what}`, async () => {
      const world = new World();
      world.seenAt = 0;
      world.house.standings.set('one', standing);
      assert.equal(await world.rcpt(), TAKEN);
      assert.equal(world.asked, 0);
    });
  }

  test('postmaster, other sites, the primary itself and those who are simply served are not sent away', async () => {
    const world = new World({ send: { domains: ['one.example'], to: 'any', networks: ['192.0.2.77/32'] } });
    world.seenAt = 0;
    assert.equal(await world.rcpt('postmaster@one.example'), TAKEN);
    assert.equal(await world.rcpt('u@two.example'), TAKEN);
    assert.equal(
      await world.rcpt('u@one.example', 'x@one.example', '192.0.2.77'),
      TAKEN,
      'a site that sends',
    );
    world.house.primaries.set('192.0.2.10', ['one']);
    assert.equal(await world.rcpt('u@one.example', 'a@sender.example', '192.0.2.10'), TAKEN);
    world.house.peers.add('192.0.2.11');
    assert.equal(await world.rcpt('u@one.example', 'a@sender.example', '192.0.2.11'), TAKEN, 'a peer');
    const visit = world.house.visit();
    visit.manner = { ...EHLO, authenticated: { login: 'x', sites: [] } };
    await visit.mail('FROM:<a@sender.example>');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), TAKEN);
    assert.equal(await world.rcpt(), DEFERRED);
  });
});

describe('the escape', () => {
  test('the same sender and recipient are taken after five minutes, from whatever address; no others are', async () => {
    const world = new World();
    assert.equal(await world.rcpt(), DEFERRED);
    await world.clock.advance(4 * MINUTE);
    assert.equal(await world.rcpt(), DEFERRED, 'too early');
    await world.clock.advance(MINUTE);
    assert.equal(await world.rcpt('U@ONE.example', 'A@sender.example', '203.0.113.200'), TAKEN);
    assert.equal(await world.rcpt('u@one.example', 'b@sender.example'), DEFERRED);
    assert.equal(await world.rcpt('v@one.example'), DEFERRED);
  });

  test('is remembered for two days, and then begins anew', async () => {
    const world = new World();
    assert.equal(await world.rcpt(), DEFERRED);
    await world.clock.advance(2 * DAY - MINUTE);
    assert.equal(await world.rcpt(), TAKEN);
    await world.clock.advance(2 * MINUTE);
    assert.equal(await world.rcpt(), DEFERRED);
  });

  test('outlives a restart', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'restante-escape-'));
    try {
      const path = join(dir, 'k.sqlite');
      const first = openKeyed(path);
      const world = new World({}, first);
      assert.equal(await world.rcpt(), DEFERRED);
      await world.clock.advance(SECOND);
      first.close();
      const second = openKeyed(path);
      const after = new World({}, second);
      await after.clock.advance(5 * MINUTE + SECOND);
      assert.equal(await after.rcpt(), TAKEN);
      assert.equal(await after.rcpt('v@one.example'), DEFERRED);
      second.close();
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test('a clock that jumped backwards sends nobody away for ever', async () => {
    const world = new World();
    assert.equal(await world.rcpt(), DEFERRED);
    world.clock.jump(-DAY);
    assert.equal(await world.rcpt(), TAKEN);
  });

  test('is bounded: when it is full nobody more is sent away, and the old make room', async () => {
    const clock = new SimClock();
    const keyed = openKeyed(':memory:');
    const escapes = new Escapes(clock, keyed, 10);
    const away = (n: number) => escapes.sendAway('one', `${n}@sender.example`, 'u@one.example');
    for (let n = 0; n < 10; n++) assert.equal(away(n), true);
    assert.equal(away(10), false);
    assert.equal(away(3), true, 'who is known is known');
    await clock.advance(2 * DAY);
    assert.equal(away(10), true);
    assert.equal(escapes.size, 1);
    escapes.flush();
    assert.equal(keyed.table('sent to the primary').entries().length, 1);
    keyed.close();
  });

  test('is written in portions, off the way of mail', async () => {
    const clock = new SimClock();
    const keyed = openKeyed(':memory:');
    const table = keyed.table('sent to the primary');
    const escapes = new Escapes(clock, keyed);
    for (let n = 0; n < 450; n++) escapes.sendAway('one', `${n}@sender.example`, 'u@one.example');
    assert.equal(table.entries().length, 0);
    await clock.advance(SECOND);
    assert.equal(table.entries().length, 450);
    assert.equal(clock.armed, 0);
    keyed.close();
  });
});
