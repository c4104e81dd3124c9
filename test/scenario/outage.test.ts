/**
 * Outages in simulated time: what the keepers make of a site that is away for hours and weeks, comes
 * back greylisting, broken or well, and of a clock that jumps. Spool and sites are in memory; the
 * same stories are played with real programs in test/peer.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/base/clock.ts';
import { type FakeSite, LATER, NO, OK } from '../support/fake-handover.ts';
import { World } from '../support/keepers-world.ts';
import { plainEnvelope } from '../support/memory-spool.ts';
import type { SimClock } from '../support/sim-clock.ts';

const refused = { cause: 'connect', text: 'connection refused' } as const;

/** Puts off each mail until `delay` after its first try, as postgrey does. */
function greylist(site: FakeSite, clock: SimClock, delay: number): Map<string, number> {
  const first = new Map<string, number>();
  site.answer = (address) => {
    const since = first.get(address) ?? clock.monotonic();
    first.set(address, since);
    return clock.monotonic() - since >= delay ? OK : LATER;
  };
  return first;
}

/** Mails at even distances over `span`. */
async function arrivals(w: World, count: number, span: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    w.spool.put('acme');
    await w.clock.advance(span / count);
  }
}

describe('three hours, and the primary greylists', () => {
  for (const delay of [5 * MINUTE, 10 * MINUTE, 23 * MINUTE, HOUR]) {
    test(`1,000 mails are in within its delay of ${delay / MINUTE} min and 10 min`, async () => {
      const w = new World();
      const site = w.site('acme');
      site.trouble = refused;
      w.keepers.start();
      await arrivals(w, 1000, 3 * HOUR);
      const first = greylist(site, w.clock, delay);
      site.mend();
      const back = w.clock.monotonic();
      await w.clock.advance(MINUTE);
      assert.ok(Math.min(...first.values()) - back <= MINUTE, 'begun within one probe interval');
      await w.clock.advance(delay + 9 * MINUTE);
      assert.equal(site.arrived.size, 1000);
      assert.equal(site.taken.length, 1000);
      assert.equal(w.spool.entries.size, 0);
      assert.ok(site.tries.length < 5000, `${site.tries.length} tries`);
    });
  }

  test('new mail that comes meanwhile does not wait longer than that either', async () => {
    const delay = 20 * MINUTE;
    const w = new World();
    const site = w.site('acme');
    greylist(site, w.clock, delay);
    w.keepers.start();
    const arrived = new Map<string, number>();
    for (let i = 0; i < 300; i++) {
      arrived.set(w.spool.put('acme'), w.clock.monotonic());
      await w.clock.advance(20 * SECOND);
    }
    await w.clock.advance(delay + 10 * MINUTE);
    assert.equal(site.arrived.size, 300);
    for (const { id, at } of site.taken) {
      const waited = at - (arrived.get(id) ?? 0);
      assert.ok(waited <= delay + 10 * MINUTE, `${id} waited ${waited / MINUTE} min`);
    }
  });
});

test('three weeks: nothing is lost or bounced, and the drain begins within a minute', async () => {
  const w = new World();
  const site = w.site('acme');
  site.trouble = refused;
  w.keepers.start();
  for (let day = 0; day < 21; day++) {
    for (let i = 0; i < 50; i++) w.spool.put('acme');
    await w.clock.advance(DAY);
  }
  assert.ok(site.connects.length < (21 * DAY) / (45 * SECOND), `${site.connects.length} connections`);
  const back = w.clock.monotonic();
  site.mend();
  await w.clock.advance(MINUTE);
  assert.ok((site.taken[0]?.at ?? Infinity) - back <= MINUTE);
  await w.clock.advance(5 * MINUTE);
  assert.equal(site.arrived.size, 1050);
  assert.equal(site.taken.length, 1050);
  assert.equal(w.view('acme').state, 'up');
  assert.equal(w.spool.notices.length, 0);
});

test('451 to all for two hours, then well: all are begun within 60 seconds', async () => {
  const w = new World();
  const site = w.site('acme', { connections: 20 });
  site.answer = () => LATER;
  w.keepers.start();
  await arrivals(w, 600, 2 * HOUR);
  const back = w.clock.monotonic();
  site.answer = () => OK;
  await w.clock.advance(MINUTE);
  assert.equal(site.arrived.size, 600);
  assert.equal(site.taken.length, 600);
  for (const { at } of site.taken) assert.ok(at - back <= MINUTE);
});

test("the MX record is gone with the site's DNS for days: nothing is bounced", async () => {
  const w = new World();
  const site = w.site('acme', { hold: 30 * DAY });
  site.trouble = { cause: 'dns', text: 'acme.example: NXDOMAIN' };
  w.keepers.start();
  await arrivals(w, 100, DAY);
  await w.clock.advance(8 * DAY);
  assert.equal(w.spool.entries.size, 100);
  assert.equal(w.spool.settled.length, 0);
  assert.match(w.view('acme').reason ?? '', /NXDOMAIN/);
  site.mend();
  await w.clock.advance(7 * MINUTE);
  assert.equal(site.arrived.size, 100);
});

describe('a primary that comes back half-configured', () => {
  test('says 550 to everything for a day: nothing fails, and all goes in once it is well', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    await arrivals(w, 200, 3 * HOUR);
    site.mend();
    site.answer = () => NO;
    await w.clock.advance(20 * HOUR);
    assert.equal(w.spool.entries.size, 200);
    assert.ok([...w.spool.entries.values()].every((e) => !e.hold));
    site.answer = () => OK;
    await w.clock.advance(11 * MINUTE);
    assert.equal(site.arrived.size, 200);
  });

  test('refuses one domain of two: that one is held back, the other flows', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 200; i++) {
      const domain = i % 2 ? 'acme.example' : 'other.example';
      w.spool.put('acme', { envelope: plainEnvelope(`u${i}@${domain}`) });
    }
    await w.clock.advance(HOUR);
    site.mend();
    site.answer = (address) => (address.endsWith('@other.example') ? NO : OK);
    await w.clock.advance(3 * MINUTE);
    assert.equal(site.arrived.size, 100);
    assert.equal(w.spool.entries.size, 100);
    assert.equal(w.view('acme').wary, true);
    await w.clock.advance(5 * HOUR);
    const tries = site.tries.filter((t) => t.code === 550).length / 100;
    assert.ok(tries >= 4 && tries <= 8, `${tries} offers each`);
    await w.clock.advance(22 * HOUR);
    assert.ok([...w.spool.entries.values()].every((e) => e.hold?.kind === 'undeliverable'));
  });
});

describe('expiry', () => {
  test('a mail fails when its time is over and one more try was in vain; its sender is told', async () => {
    const w = new World();
    w.allow = ['sender.example'];
    const site = w.site('acme', { hold: 5 * DAY, probe: 10 * MINUTE });
    site.trouble = refused;
    w.sites.set('>sender.example', w.site('>sender.example'));
    w.keepers.start();
    await w.clock.advance(2 * DAY);
    w.spool.put('acme');
    await w.clock.advance(5 * DAY - MINUTE);
    assert.equal(w.spool.entries.size, 1);
    await w.clock.advance(12 * MINUTE);
    assert.equal(w.spool.notices.length, 1);
    assert.match(w.spool.notices[0]?.content ?? '', /Status: 5\.4\.7/);
    assert.equal(w.sites.get('>sender.example')?.taken.length, 1);
    assert.equal(w.spool.entries.size, 0);
  });

  test('without the right to tell it is kept as undeliverable', async () => {
    const w = new World();
    const site = w.site('acme', { hold: 5 * DAY, probe: 10 * MINUTE });
    site.trouble = refused;
    w.keepers.start();
    const id = w.spool.put('acme');
    await w.clock.advance(7 * DAY);
    assert.equal(w.spool.entries.get(id)?.hold?.kind, 'undeliverable');
    assert.equal(w.spool.notices.length, 0);
  });

  test('undeliverable mail goes by the rule of its operator only', async () => {
    const w = new World();
    const site = w.site('acme', { hold: DAY, probe: 2 * HOUR });
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(10 * DAY);
    assert.equal(w.spool.entries.size, 1);
    w.undeliverable = 20 * DAY;
    await w.clock.advance(10 * DAY);
    assert.equal(w.spool.entries.size, 1);
    await w.clock.advance(2 * DAY);
    assert.equal(w.spool.entries.size, 0);
    assert.equal(w.log.of('undeliverable mail removed').length, 1);
  });

  test('the sender is told of the delay at each age, once', async () => {
    const w = new World();
    w.allow = ['.sender.example', 'sender.example'];
    const site = w.site('acme', { warn: [4 * HOUR, 4 * DAY], probe: 10 * MINUTE });
    site.trouble = refused;
    w.site('>sender.example');
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(4 * HOUR - 11 * MINUTE);
    assert.equal(w.spool.notices.length, 0);
    await w.clock.advance(22 * MINUTE);
    assert.equal(w.spool.notices.length, 1);
    await w.clock.advance(3 * DAY);
    assert.equal(w.spool.notices.length, 1);
    await w.clock.advance(2 * DAY);
    assert.equal(w.spool.notices.length, 2);
    for (const { content } of w.spool.notices) assert.match(content, /Action: delayed/);
  });

  test('of two ages that have passed at once, one notice is sent', async () => {
    const w = new World();
    w.allow = ['sender.example'];
    const site = w.site('acme', { warn: [4 * HOUR, 4 * DAY] });
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme', { arrived: w.clock.now() - 5 * DAY });
    await w.clock.advance(HOUR);
    assert.equal(w.spool.notices.length, 1);
  });
});

describe('clocks and absences', () => {
  test('a jump forward expires nothing for 24 hours', async () => {
    const w = new World();
    const site = w.site('acme', { hold: 5 * DAY, probe: 10 * MINUTE });
    site.trouble = refused;
    w.keepers.start();
    await w.clock.advance(2 * DAY);
    w.spool.put('acme');
    await w.clock.advance(HOUR);
    w.clock.jump(365 * DAY);
    await w.clock.advance(23 * HOUR);
    assert.equal(w.spool.settled.length, 0);
    w.clock.jump(-365 * DAY);
    await w.clock.advance(2 * DAY);
    assert.equal(w.spool.settled.length, 0);
    site.mend();
    await w.clock.advance(11 * MINUTE);
    assert.equal(site.taken.length, 1);
  });

  test('a jump back does not put off what was put off', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => LATER;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(MINUTE);
    w.clock.jump(-365 * DAY);
    site.answer = () => OK;
    await w.clock.advance(6 * MINUTE);
    assert.equal(site.taken.length, 1);
  });

  test('after an absence of our own expiry waits 24 hours; after a short restart it does not', async () => {
    const w = new World();
    const site = w.site('acme', { hold: 5 * DAY, probe: 10 * MINUTE });
    site.trouble = refused;
    w.keepers.start();
    await w.clock.advance(2 * DAY);
    w.spool.put('acme');
    await w.clock.advance(DAY);
    const stopped = w.keepers.stop(0);
    await w.clock.advance(SECOND);
    await stopped;
    await w.clock.advance(6 * DAY);
    w.restart();
    await w.clock.advance(23 * HOUR);
    assert.equal(w.spool.settled.length, 0);
    w.restart();
    await w.clock.advance(50 * MINUTE);
    assert.equal(w.spool.settled.length, 0);
    await w.clock.advance(HOUR);
    assert.equal([...w.spool.entries.values()][0]?.hold?.kind, 'undeliverable');
  });
});

test('a dead site with 10,000 entries beside a living one costs it nothing', async () => {
  const w = new World();
  const dead = w.site('dead');
  dead.trouble = refused;
  const living = w.site('living');
  w.keepers.start();
  for (let i = 0; i < 10_000; i++) w.spool.put('dead');
  await w.clock.advance(5 * MINUTE);
  const put = new Map<string, number>();
  for (let i = 0; i < 200; i++) {
    put.set(w.spool.put('living'), w.clock.monotonic());
    await w.clock.advance(700);
  }
  const waits = living.taken.map((t) => t.at - (put.get(t.id) ?? 0)).sort((a, b) => a - b);
  assert.equal(waits.length, 200);
  assert.ok((waits[100] ?? Infinity) < 100, `median ${waits[100]} ms`);
  assert.ok((waits[199] ?? Infinity) < 100, `worst ${waits[199]} ms`);
  assert.ok(dead.connects.length < 20, `${dead.connects.length} connections to the dead one`);
});

test('killed in the middle of the drain: nothing is lost, repeats are those in flight', async () => {
  const w = new World();
  const site = w.site('acme', { connections: 4 });
  site.depth = 5;
  site.trouble = refused;
  w.keepers.start();
  for (let i = 0; i < 2000; i++) w.spool.put('acme');
  await w.clock.advance(10 * MINUTE);
  site.mend();
  w.keepers.flush('acme');
  for (let i = 0; i < 3; i++) {
    await w.clock.advance(2 * SECOND);
    assert.ok(w.spool.entries.size > 0);
    w.restart();
  }
  await w.clock.advance(2 * MINUTE);
  assert.equal(site.arrived.size, 2000);
  assert.ok(site.taken.length - 2000 <= 3 * 4 * 5, `${site.taken.length - 2000} repeats`);
});

test('the cable is pulled half-way: the rest follows, without repeats but those in flight', async () => {
  const w = new World();
  const site = w.site('acme', { connections: 4 });
  w.keepers.start();
  for (let i = 0; i < 1000; i++) w.spool.put('acme');
  await w.clock.advance(3 * SECOND);
  site.cut();
  const before = site.taken.length;
  assert.ok(before > 100 && before < 900, `${before}`);
  await w.clock.advance(40 * MINUTE);
  site.mend();
  const back = w.clock.monotonic();
  await w.clock.advance(2 * MINUTE);
  assert.equal(site.arrived.size, 1000);
  assert.ok((site.taken[before]?.at ?? Infinity) - back <= MINUTE);
  assert.ok(site.taken.length <= 1004);
});
