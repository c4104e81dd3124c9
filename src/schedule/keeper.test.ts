import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LATER, NO, OK } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { plainEnvelope } from '../../test/support/memory-spool.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';

const refused = { cause: 'connect', text: 'connection refused' } as const;

describe('up', () => {
  test('new mail is handed over at once, without a timer being waited for', async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    const began = w.clock.monotonic();
    w.spool.put('acme');
    await w.clock.advance(50);
    assert.equal(site.taken.length, 1);
    assert.ok((site.taken[0]?.at ?? Infinity) - began <= 50);
    assert.equal(w.view('acme').state, 'up');
    assert.equal(w.spool.entries.size, 0);
  });

  test('a line is kept for a few seconds and used again, then closed; an idle keeper has no timer', async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    for (let i = 0; i < 3; i++) {
      w.spool.put('acme');
      await w.clock.advance(SECOND);
    }
    assert.equal(site.connects.length, 1);
    await w.clock.advance(10 * SECOND);
    assert.equal(site.lines.size, 0);
    assert.equal(w.clock.armed, 1); // the heartbeat of all keepers
  });

  test('lines are filled to their depth', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    site.depth = 10;
    w.keepers.start();
    for (let i = 0; i < 10; i++) w.spool.put('acme');
    await w.clock.advance(10);
    assert.equal([...w.spool.entries.values()].filter((e) => e.out).length, 10);
    await w.clock.advance(250);
    assert.equal(site.taken.length, 10);
  });

  test('a line ends before the site takes us for an attacker, when many are refused in a row', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    site.depth = 4;
    // Postfix counts errors on a connection until it takes a mail, and hangs up after twenty.
    const errors = new Map<unknown, number>();
    site.answer = () => {
      const [line] = site.lines;
      errors.set(line, (errors.get(line) ?? 0) + 1);
      return LATER;
    };
    w.keepers.start();
    for (let i = 0; i < 100; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    assert.equal(new Set(site.tries.map((t) => t.id)).size, 100, 'each had its first try');
    assert.ok(Math.max(...errors.values()) < 10, `${[...errors.values()]}`);
    assert.equal(w.view('acme').state, 'up');
  });

  test('a mail put off has its own clock: 5 min, 10 min, then at most every 30 min', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => LATER;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(3 * HOUR);
    const gaps = site.tries.map((t, i) => (t.at - (site.tries[i - 1]?.at ?? 0)) / MINUTE).slice(1);
    assert.ok(gaps.length >= 6);
    const [first = 0, second = 0, ...others] = gaps;
    assert.ok(first >= 5 && first < 6, `${first}`);
    assert.ok(second >= 10 && second < 11, `${second}`);
    for (const gap of others) assert.ok(gap > 20 && gap <= 30.1, `${gap}`);
    assert.equal(w.view('acme').state, 'up');
  });

  test('every outcome is logged with mail, entry, queue, host, reply', async () => {
    const w = new World();
    w.site('acme');
    w.keepers.start();
    const id = w.spool.put('acme');
    await w.clock.advance(SECOND);
    const [line] = w.log.of('mail handed over');
    assert.deepEqual(line, {
      queue: 'acme',
      mail: id,
      entry: id,
      host: 'mx.acme.example',
      reply: '250 2.0.0 taken',
      recipients: ['user1@acme.example'],
    });
  });

  test('only recipients that are still pending are tried again', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = (address) => (address.startsWith('full') ? LATER : OK);
    w.keepers.start();
    const envelope = {
      ...plainEnvelope('a@acme.example'),
      recipients: [
        { address: 'a@acme.example' },
        { address: 'full@acme.example' },
        { address: 'b@acme.example' },
      ],
    };
    w.spool.put('acme', { envelope });
    await w.clock.advance(MINUTE);
    site.answer = () => OK;
    await w.clock.advance(6 * MINUTE);
    assert.deepEqual(
      site.taken.map((t) => t.address),
      ['a@acme.example', 'b@acme.example', 'full@acme.example'],
    );
    assert.equal(w.spool.entries.size, 0);
  });
});

describe('down', () => {
  test('a dead site costs one connection per interval, growing to the cap, however long its queue is', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 500; i++) w.spool.put('acme');
    await w.clock.advance(HOUR);
    const gaps = site.connects.map((at, i) => at - (site.connects[i - 1] ?? 0)).slice(1);
    assert.ok(gaps[0] !== undefined && gaps[0] <= 5 * SECOND + 20);
    for (const gap of gaps) assert.ok(gap <= MINUTE + 20);
    for (const gap of gaps.slice(10)) assert.ok(gap >= 40 * SECOND, `${gap}`);
    assert.ok(site.connects.length <= 80, `${site.connects.length}`);
    assert.equal(w.view('acme').state, 'down');
    assert.equal(w.view('acme').reason, 'connection refused');
  });

  test('trouble fails no mail and moves no own clock', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(DAY);
    assert.equal(w.spool.settled.length, 0);
    const [entry] = w.spool.entries.values();
    assert.equal(entry?.attempts, 0);
  });

  test('any 4yz to a recipient of the probe means that the site lives', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(10 * MINUTE);
    site.mend();
    site.answer = () => LATER;
    await w.clock.advance(MINUTE);
    assert.equal(w.view('acme').state, 'up');
  });

  test('a refusal is no sign of life, and is held back', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 30; i++) w.spool.put('acme');
    await w.clock.advance(10 * MINUTE);
    site.mend();
    site.answer = () => NO;
    await w.clock.advance(HOUR);
    assert.equal(w.view('acme').state, 'down');
    assert.match(w.view('acme').reason ?? '', /refuses mail: 550 5.1.1/);
    assert.equal(w.spool.entries.size, 30);
    assert.ok(site.tries.length < 120, `${site.tries.length}: not all of them at each probe`);
    site.answer = () => OK;
    await w.clock.advance(11 * MINUTE);
    assert.equal(site.arrived.size, 30);
  });

  test('a sign of life brings the next probe forward', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(30 * MINUTE);
    site.mend();
    w.keepers.signOfLife('acme', 'a connection from 192.0.2.9');
    await w.clock.advance(5 * SECOND + 100);
    assert.equal(site.taken.length, 1);
  });

  test("a loop is the site's trouble: it is down with that reason, and one probe at a time goes there", async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(MINUTE);
    assert.equal(w.keepers.view('acme')?.state, 'up');
    w.keepers.trouble('acme', 'a loop: 192.0.2.9 sent back our mail');
    for (let i = 0; i < 10; i++) w.spool.put('acme');
    await w.clock.advance(SECOND);
    const view = w.keepers.view('acme');
    assert.deepEqual([view?.state, view?.reason], ['down', 'a loop: 192.0.2.9 sent back our mail']);
    assert.equal(site.taken.length, 1, 'nothing more was given to it');
    await w.keepers.hold('acme', 'until it is mended', null);
    w.keepers.trouble('acme', 'a loop again');
    assert.equal(w.keepers.view('acme')?.reason, 'until it is mended', "an operator's word stays");
  });

  test('signs of life that come often cost a connection in five seconds at most', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(30 * MINUTE);
    const before = site.connects.length;
    // Often enough that some come while a probe is on its way, which takes 10 ms here.
    for (let i = 0; i < 2000; i++) {
      w.keepers.signOfLife('acme', 'again');
      await w.clock.advance(5);
    }
    assert.ok(site.connects.length - before <= 3, `${site.connects.length - before} connections`);
  });

  test('one mail that breaks its line does not stop those behind it', async () => {
    const w = new World();
    const site = w.site('acme');
    const poison = 'm000001';
    site.answer = (_, parcel) => (parcel.id === poison ? 'lost' : OK);
    w.keepers.start();
    for (let i = 0; i < 100; i++) w.spool.put('acme');
    await w.clock.advance(2 * MINUTE);
    assert.equal(site.arrived.size, 99);
    assert.equal(w.spool.entries.get(poison)?.attempts, 0);
    await w.clock.advance(2 * HOUR);
    site.answer = () => OK;
    await w.clock.advance(31 * MINUTE);
    assert.equal(site.arrived.size, 100);
  });

  test('the mail that a pulled cable cut off does not have to wait for the others', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    w.keepers.start();
    for (let i = 0; i < 10; i++) w.spool.put('acme');
    await w.clock.advance(60);
    site.cut();
    await w.clock.advance(SECOND);
    site.mend();
    await w.clock.advance(10 * SECOND);
    assert.equal(site.arrived.size, 10);
  });

  test('an interval begins anew only after an answer', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => 'lost';
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(2 * HOUR);
    // Each probe finds a recipient accepted and the line lost: two connections at most for each.
    assert.ok(site.connects.length < 2 * 160, `${site.connects.length}`);
    assert.equal(w.spool.entries.size, 1);
  });
});

describe('twenty in a row', () => {
  test('on a second try: the site is down, and the first acceptance brings all forward', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => LATER;
    w.keepers.start();
    for (let i = 0; i < 50; i++) w.spool.put('acme');
    await w.clock.advance(4 * MINUTE);
    assert.equal(w.view('acme').state, 'up', 'first tries may be greylisting');
    assert.equal(new Set(site.tries.map((t) => t.id)).size, 50, 'every mail gets its first try');
    await w.clock.advance(3 * MINUTE);
    assert.equal(w.view('acme').state, 'down');
    assert.match(w.view('acme').reason ?? '', /puts off/);
    await w.clock.advance(HOUR);
    site.answer = () => OK;
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 50);
    assert.equal(w.view('acme').state, 'up');
  });

  test('an acceptance in between keeps it up', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = (address) => (address.startsWith('good') ? OK : LATER);
    w.keepers.start();
    for (let i = 0; i < 15; i++) w.spool.put('acme');
    for (let i = 0; i < 60; i++) {
      w.spool.put('acme', { envelope: plainEnvelope('good@acme.example') });
      await w.clock.advance(MINUTE);
    }
    assert.equal(w.log.of('queue state').length, 0);
    assert.equal(site.arrived.size, 60);
  });

  test('while it puts off everything, new mail still gets its first try with the probes', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => LATER;
    w.keepers.start();
    for (let i = 0; i < 30; i++) w.spool.put('acme');
    await w.clock.advance(20 * MINUTE);
    assert.equal(w.view('acme').state, 'down');
    const late = w.spool.put('acme');
    await w.clock.advance(2 * MINUTE);
    assert.ok(site.tries.some((t) => t.id === late));
    assert.equal(w.view('acme').state, 'down');
  });
});

describe('draining', () => {
  test('slow start: one connection, doubling by mails answered, up to the policy', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 8 });
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 1000; i++) w.spool.put('acme');
    await w.clock.advance(10 * MINUTE);
    site.mend();
    const peaks: [number, number][] = [];
    site.answer = () => {
      peaks.push([site.taken.length, site.lines.size]);
      return OK;
    };
    await w.clock.advance(2 * MINUTE);
    assert.equal(site.arrived.size, 1000);
    for (const [taken, lines] of peaks) {
      const allowed = taken < 10 ? 1 : taken < 30 ? 2 : taken < 70 ? 4 : 8;
      assert.ok(lines <= allowed, `${lines} lines after ${taken} mails`);
    }
    assert.equal(site.peak, 8);
  });

  test('a site that says 421 gets fewer connections and is not put down', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 16 });
    site.most = 3;
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 2000; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    site.mend();
    await w.clock.advance(3 * MINUTE);
    assert.equal(site.arrived.size, 2000);
    assert.equal(site.peak, 3);
    assert.equal(w.log.of('queue state').filter((s) => s.to === 'down').length, 1);
    const vain = site.connects.length - 2000 / 500;
    assert.ok(vain < 200, `${vain} connections in vain`);
  });

  test('latency that rises with the load brings the number of connections down', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 32 });
    site.latency = (open) => (open <= 4 ? 50 : 50 + open * 400);
    w.keepers.start();
    site.trouble = refused;
    for (let i = 0; i < 3000; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    site.mend();
    const open: number[] = [];
    for (let i = 0; i < 60; i++) {
      await w.clock.advance(SECOND);
      open.push(site.lines.size);
    }
    assert.ok(Math.max(...open) < 32, `${Math.max(...open)}`);
    const mean = open.reduce((a, b) => a + b, 0) / open.length;
    assert.ok(mean < 12, `${mean}`);
  });

  test('tells how long it will take', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    site.latency = 100;
    site.trouble = refused;
    w.keepers.start();
    for (let i = 0; i < 1000; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    site.mend();
    w.keepers.flush('acme');
    await w.clock.advance(20 * SECOND);
    const { estimate, state, rate } = w.view('acme');
    assert.equal(state, 'draining');
    assert.ok(rate > 8 && rate < 11, `${rate}`);
    assert.ok(estimate !== null && estimate > 70 * SECOND && estimate < 100 * SECOND, `${estimate}`);
  });
});

describe('the best exchanger', () => {
  test('a fellow secondary takes mail, and does not make the site up', async () => {
    const w = new World();
    const site = w.site('acme');
    site.best = false;
    w.keepers.start();
    for (let i = 0; i < 20; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 20);
    assert.equal(w.view('acme').state, 'down');
    for (let i = 0; i < 20; i++) {
      w.spool.put('acme');
      await w.clock.advance(30 * SECOND);
    }
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 40);
    assert.equal(w.view('acme').state, 'down');
    site.best = true;
    w.spool.put('acme');
    await w.clock.advance(MINUTE);
    assert.equal(w.view('acme').state, 'up');
    assert.equal(w.spool.entries.size, 0);
  });
});
