import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Line, listLog } from '../../../test/scenario/receive-harness.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { HOUR, MINUTE, SECOND } from '../../base/clock.ts';
import type { ListSettings } from '../../config/blocklists.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import type { Answer } from '../../dns/port.ts';
import { List } from './list.ts';

const ZONE = 'zen.example.org';
const SETTINGS: ListSettings = {
  use: 'block',
  zone: ZONE,
  kinds: ['address'],
  points: [{ sort: 'ipv4', listed: '127.0.0.2', clean: '127.0.0.1' }],
  codes: [],
  weight: 1,
};
const BAD = '66.2.0.192';
const CLIENT = '7.2.0.192';

/** May say nothing at all. */
class Dns extends MemoryResolver {
  silent = false;
  override a(name: string): Promise<Answer<string>> {
    return this.silent ? new Promise(() => {}) : super.a(name);
  }
}

class World {
  readonly dns = new Dns();
  readonly clock = new SimClock();
  readonly lines: Line[] = [];
  readonly list: List;

  constructor() {
    this.dns.set('a', `2.0.0.127.${ZONE}`, '127.0.0.2').set('a', `${BAD}.${ZONE}`, '127.0.0.4');
    const log = listLog(this.lines);
    const { dns: resolver, clock } = this;
    this.list = new List({ settings: SETTINGS, resolver, clock, log, random: () => 0.5 });
  }

  static async started(): Promise<World> {
    const world = new World();
    world.list.start();
    await world.clock.settle();
    return world;
  }

  async ask(labels: string): Promise<string> {
    return (await this.list.ask('ipv4', labels, 5 * SECOND)).kind;
  }

  get state(): string {
    return this.list.view().state;
  }

  logged(event: string): unknown[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields.why);
  }
}

describe('a blocklist', () => {
  test('is not believed before its first good test', async () => {
    const world = new World();
    assert.equal(await world.ask(BAD), 'unasked');
    world.list.start();
    await world.clock.settle();
    assert.equal(await world.ask(BAD), 'listed');
    assert.equal(await world.ask(CLIENT), 'clean');
    const { asked, hits, timeouts, tested } = world.list.view();
    assert.deepEqual([asked, hits, timeouts, tested], [2, 1, 0, world.clock.now()]);
  });

  test('is tested each hour, and after a failure each minute', async () => {
    const world = await World.started();
    const tests = () => world.dns.asked.splice(0).filter((each) => each === `a 2.0.0.127.${ZONE}`).length;
    assert.equal(tests(), 1);
    await world.clock.advance(5 * HOUR);
    assert.equal(tests(), 5);
    world.dns.fail();
    await world.clock.advance(HOUR + 9 * MINUTE);
    assert.equal(tests(), 10);
  });

  test('that lists nothing is set aside at the third test running, with one alarm, and comes back', async () => {
    const world = await World.started();
    world.dns.forget(`2.0.0.127.${ZONE}`);
    await world.clock.advance(HOUR + MINUTE);
    assert.equal(world.state, 'doubtful');
    assert.equal(await world.ask(BAD), 'listed');
    await world.clock.advance(MINUTE);
    assert.equal(world.state, 'aside');
    assert.equal(await world.ask(BAD), 'unasked');
    await world.clock.advance(HOUR);
    assert.deepEqual(world.logged('blocklist set aside'), ['lists nothing: 127.0.0.2 is not there']);
    assert.equal(world.lines[0]?.fields.list, ZONE);
    world.dns.set('a', `2.0.0.127.${ZONE}`, '127.0.0.2');
    await world.clock.advance(MINUTE);
    assert.equal(world.state, 'good');
    assert.equal(await world.ask(BAD), 'listed');
    assert.equal(world.logged('blocklist is back').length, 1);
  });

  test('that lists everything is set aside by its first test', async () => {
    const world = await World.started();
    world.dns.set('a', `1.0.0.127.${ZONE}`, '127.0.0.2');
    await world.clock.advance(HOUR);
    assert.equal(world.state, 'aside');
    assert.deepEqual(world.logged('blocklist set aside'), ['lists everything: 127.0.0.1 is there']);
  });

  test('that lists everything is set aside by its first hit, which does not count', async () => {
    const world = await World.started();
    world.dns.set('a', `1.0.0.127.${ZONE}`, '127.0.0.2').set('a', `${CLIENT}.${ZONE}`, '127.0.0.2');
    assert.equal(await world.ask(CLIENT), 'unasked');
    assert.equal(world.state, 'aside');
    assert.equal(world.list.view().hits, 0);
  });

  test('that refuses our questions is set aside after five, and says why', async () => {
    const world = await World.started();
    world.dns.set('a', `${CLIENT}.${ZONE}`, '127.255.255.254');
    for (let i = 0; i < 5; i++) assert.equal(await world.ask(CLIENT), 'refused');
    assert.equal(world.state, 'aside');
    assert.match(String(world.logged('blocklist set aside')), /public resolver/);
    assert.equal(world.list.view().refused, 5);
  });

  test('an answer in between makes misses begin anew', async () => {
    const world = await World.started();
    world.dns.set('a', `${CLIENT}.${ZONE}`, '127.255.255.254');
    for (let i = 0; i < 8; i++) await world.ask(i % 4 === 3 ? BAD : CLIENT);
    assert.equal(world.state, 'good');
  });

  test('that is silent is waited for five times, each for its deadline, and then not at all', async () => {
    const world = await World.started();
    world.dns.silent = true;
    for (let i = 0; i < 5; i++) {
      const asked = world.ask(CLIENT);
      await world.clock.advance(5 * SECOND);
      assert.equal(await asked, 'silent');
    }
    assert.equal(world.state, 'aside');
    assert.equal(await world.ask(CLIENT), 'unasked');
    assert.match(String(world.logged('blocklist set aside')), /does not answer: no answer within 5 s/);
    assert.equal(world.list.view().timeouts, 5);
    world.dns.silent = false;
    await world.clock.advance(MINUTE);
    assert.equal(world.state, 'good');
  });

  test('that falls silent under load is waited for two seconds, by all that wait', async () => {
    const world = await World.started();
    world.dns.silent = true;
    const kinds: string[] = [];
    const ask = () => void world.ask(CLIENT).then((kind) => kinds.push(kind));
    for (let i = 0; i < 39; i++) {
      ask();
      await world.clock.advance(50);
    }
    assert.equal(kinds.length, 0);
    await world.clock.advance(50);
    ask();
    await world.clock.settle();
    assert.equal(world.state, 'aside');
    assert.deepEqual(new Set(kinds), new Set(['unasked']));
    assert.equal(kinds.length, 40);
    assert.equal(world.list.view().timeouts, 39);
  });

  test('that answers others is waited for, however many wait', async () => {
    const world = await World.started();
    for (let i = 0; i < 20; i++) {
      world.dns.silent = true;
      void world.ask(CLIENT);
      world.dns.silent = false;
      assert.equal(await world.ask(BAD), 'listed');
      await world.clock.advance(200);
    }
    assert.equal(world.state, 'good');
  });

  test('a good answer out of a cache brings no silent list back', async () => {
    const world = await World.started();
    const fresh = world.dns.asked.find(
      (name) => /^a \d+\.\d+\.\d+\.127\./.test(name) && !/ [12]\.0\.0\./.test(name),
    );
    world.dns.fail(true, fresh?.slice(2)).fail(true, `${CLIENT}.${ZONE}`);
    for (let i = 0; i < 5; i++) await world.ask(CLIENT);
    await world.clock.advance(10 * MINUTE);
    assert.equal(world.state, 'aside');
  });

  test('gives its reason, or none', async () => {
    const world = await World.started();
    world.dns.set('txt', `${BAD}.${ZONE}`, 'see example.org');
    assert.equal(await world.list.reason(BAD), 'see example.org');
    assert.equal(await world.list.reason(CLIENT), undefined);
  });

  test('that is stopped leaves no timer', async () => {
    const world = await World.started();
    world.list.stop();
    assert.equal(world.clock.armed, 0);
    assert.equal(await world.ask(BAD), 'unasked');
  });
});
