import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LATER, NO, OK } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { plainEnvelope } from '../../test/support/memory-spool.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { reply } from '../mail/reply.ts';

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

  test('signs of life that come often cost a connection in five seconds at most', async () => {
    const w = new World();
    const site = w.site('acme');
    site.trouble = refused;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(30 * MINUTE);
    const before = site.connects.length;
    for (let i = 0; i < 100; i++) {
      w.keepers.signOfLife('acme', 'again');
      await w.clock.advance(100);
    }
    assert.ok(site.connects.length - before <= 3);
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

describe('an operator', () => {
  test('holds a queue over a restart, until the hold runs out', async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    await w.keepers.hold('acme', 'they are moving', w.clock.now() + HOUR);
    w.spool.put('acme');
    await w.clock.advance(MINUTE);
    assert.equal(site.connects.length, 0);
    assert.equal(w.view('acme').state, 'held');
    w.restart();
    await w.clock.advance(30 * MINUTE);
    assert.equal(site.connects.length, 0);
    assert.equal(w.view('acme').reason, 'they are moving');
    assert.equal(w.keepers.flush('acme'), false);
    await w.clock.advance(30 * MINUTE);
    assert.equal(site.taken.length, 1);
    assert.equal(w.view('acme').state, 'up');
  });

  test('releases it', async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    await w.keepers.hold('acme', 'wait', null);
    w.spool.put('acme');
    await w.clock.advance(DAY);
    await w.keepers.release('acme');
    await w.clock.advance(SECOND);
    assert.equal(site.taken.length, 1);
  });

  test('flushes: deferred mail too, at once', async () => {
    const w = new World();
    const site = w.site('acme');
    site.answer = () => LATER;
    w.keepers.start();
    for (let i = 0; i < 5; i++) w.spool.put('acme');
    await w.clock.advance(MINUTE);
    site.answer = () => OK;
    assert.equal(w.keepers.flush('acme'), true);
    await w.clock.advance(SECOND);
    assert.equal(site.taken.length, 5);
  });
});

describe('faults of our own', () => {
  test('while the spool fails nothing new is handed over, and nothing twice', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 2 });
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(5);
    w.spool.broken = true;
    for (let i = 0; i < 50; i++) w.spool.put('acme');
    await w.clock.advance(10 * MINUTE);
    assert.ok(site.taken.length <= 3, `${site.taken.length}`);
    w.spool.broken = false;
    await w.clock.advance(2 * MINUTE);
    assert.equal(site.taken.length, 51);
    assert.equal(w.spool.entries.size, 0);
  });

  test('an entry that a failed settle gave back is not handed over again', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    w.spool.slow = true;
    w.keepers.start();
    const first = w.spool.put('acme');
    site.answer = (_, { id }) => {
      // New mail is being fetched while the outcome of the first fails to be stored.
      if (id === first) {
        w.spool.broken = true;
        w.spool.put('acme');
      }
      return OK;
    };
    await w.clock.advance(SECOND);
    w.spool.broken = false;
    await w.clock.advance(MINUTE);
    assert.equal(site.taken.length, 2);
    assert.equal(site.arrived.size, 2);
    assert.equal(w.spool.entries.size, 0);
  });

  test('a lease that is lost is taken again; what was delivered counts', async () => {
    const w = new World();
    const site = w.site('acme');
    w.keepers.start();
    for (let i = 0; i < 20; i++) w.spool.put('acme');
    await w.clock.advance(100);
    w.spool.crash();
    await w.clock.advance(MINUTE);
    assert.equal(site.arrived.size, 20);
    assert.equal(site.taken.length, 20);
  });

  test('stop lets lines finish what is on its way, and hands out nothing more', async () => {
    const w = new World();
    const site = w.site('acme', { connections: 1 });
    site.latency = SECOND;
    w.keepers.start();
    for (let i = 0; i < 20; i++) w.spool.put('acme');
    await w.clock.advance(500);
    const stopped = w.keepers.stop(4 * SECOND);
    await w.clock.advance(5 * SECOND);
    await stopped;
    assert.equal(site.taken.length, 1);
    assert.equal(w.spool.entries.size, 19);
    assert.equal(w.clock.armed, 0);
    assert.equal(site.lines.size, 0);
  });

  test('stop cuts what does not end', async () => {
    const w = new World();
    const site = w.site('acme');
    site.latency = HOUR;
    w.keepers.start();
    w.spool.put('acme');
    await w.clock.advance(500);
    const stopped = w.keepers.stop(4 * SECOND);
    await w.clock.advance(5 * SECOND);
    await stopped;
    assert.equal(w.spool.entries.size, 1);
  });
});

describe('several recipients', () => {
  const several = (...names: string[]) => ({
    envelope: { ...plainEnvelope(''), recipients: names.map((n) => ({ address: `${n}@acme.example` })) },
  });

  test('what was delivered before the line broke is not repeated; the rest is asked again', async () => {
    const w = new World();
    const site = w.site('acme');
    let breaks = true;
    site.answer = (address) => {
      if (address.startsWith('good')) return OK;
      return address.startsWith('full') ? LATER : breaks ? 'lost' : OK;
    };
    w.keepers.start();
    const id = w.spool.put('acme', several('good', 'full', 'last'));
    await w.clock.advance(100);
    assert.deepEqual(
      w.spool.entries.get(id)?.recipients.map((r) => r.state),
      ['delivered', 'pending', 'pending'],
    );
    assert.equal(w.spool.entries.get(id)?.attempts, 0);
    breaks = false;
    await w.clock.advance(MINUTE);
    assert.deepEqual(
      site.taken.map((t) => t.address),
      ['good@acme.example', 'last@acme.example'],
    );
  });

  test('a refusal that nobody may be told of does not stop the others', async () => {
    const w = new World();
    const site = w.site('acme');
    let full = true;
    site.answer = (address) => (address.startsWith('bad') ? NO : full ? LATER : OK);
    w.keepers.start();
    const id = w.spool.put('acme', several('bad', 'full'));
    await w.clock.advance(MINUTE);
    assert.equal(w.spool.entries.get(id)?.hold, undefined);
    full = false;
    await w.clock.advance(6 * MINUTE);
    assert.deepEqual(
      site.taken.map((t) => t.address),
      ['full@acme.example'],
    );
    assert.equal(w.spool.entries.get(id)?.hold?.kind, 'undeliverable');
    assert.deepEqual(
      w.spool.entries.get(id)?.recipients.map((r) => r.state),
      ['pending', 'delivered'],
    );
  });

  test('NOTIFY=NEVER: a refused mail is gone, with a line in the log', async () => {
    const w = new World();
    w.site('acme').answer = () => NO;
    w.keepers.start();
    const envelope = {
      ...plainEnvelope(''),
      recipients: [{ address: 'a@acme.example', notify: ['NEVER'] as const }],
    };
    w.spool.put('acme', { envelope });
    await w.clock.advance(MINUTE);
    assert.equal(w.spool.entries.size, 0);
    assert.equal(w.log.of('mail failed').length, 1);
    assert.equal(w.log.of('nobody to tell').length, 1);
  });

  test('a notice that fails is logged and gone', async () => {
    const w = new World();
    w.site('>sender.example').answer = () => NO;
    w.keepers.start();
    w.spool.put('>sender.example', {
      origin: { kind: 'notice', about: 'm9' },
      envelope: plainEnvelope('a@sender.example', ''),
    });
    await w.clock.advance(MINUTE);
    assert.equal(w.spool.entries.size, 0);
    assert.equal(w.log.of('mail failed').length, 1);
  });
});

test('a start is wary: what the first refusals are worth is not known yet', async () => {
  const w = new World();
  const site = w.site('acme');
  site.answer = (address) => (address === 'user1@acme.example' ? OK : NO);
  for (let i = 0; i < 3; i++) w.spool.put('acme');
  w.keepers.start();
  await w.clock.advance(MINUTE);
  assert.equal(w.view('acme').state, 'up');
  assert.equal(w.view('acme').wary, true);
  assert.deepEqual(
    [...w.spool.entries.values()].map((e) => e.hold),
    [undefined, undefined],
  );
});

test('a queue that was always up believes a refusal', async () => {
  const w = new World();
  const site = w.site('acme');
  site.answer = () => NO;
  w.keepers.start();
  const id = w.spool.put('acme');
  await w.clock.advance(MINUTE);
  assert.equal(w.spool.entries.get(id)?.hold?.kind, 'undeliverable');
});

test('a long queue gives up its turn after about ten mails, when others wait', async () => {
  const w = new World();
  const sites = Array.from({ length: 4 }, (_, i) => w.site(`s${i}`));
  w.restart(1);
  for (let i = 0; i < 1000; i++) w.spool.put('s0');
  await w.clock.advance(SECOND);
  for (let q = 1; q < 4; q++) for (let i = 0; i < 100; i++) w.spool.put(`s${q}`);
  await w.clock.advance(4 * SECOND);
  for (const s of sites) assert.ok(s.taken.length >= 30, `${s.taken.length}`);
});

test('first tries with a probe end with the interval, however slow the site is', async () => {
  const w = new World();
  const site = w.site('acme');
  site.answer = () => LATER;
  w.keepers.start();
  for (let i = 0; i < 30; i++) w.spool.put('acme');
  await w.clock.advance(30 * MINUTE);
  assert.equal(w.view('acme').state, 'down');
  site.latency = 3 * SECOND;
  for (let i = 0; i < 100; i++) w.spool.put('acme');
  let open = 0;
  for (let i = 0; i < 120; i++) {
    await w.clock.advance(SECOND);
    open += site.lines.size;
  }
  assert.ok(open > 20 && open < 80, `${open} of 120 seconds`);
});

test('the operator queue and queues without a way are left alone', async () => {
  const w = new World();
  w.keepers.start();
  w.spool.put('operator');
  w.spool.put('gone-site');
  await w.clock.advance(5 * DAY);
  assert.equal(w.spool.entries.size, 2);
  assert.equal(w.keepers.view('operator'), null);
});

test('a foreign queue that is empty is let go', async () => {
  const w = new World();
  const site = w.site('>example.org');
  w.keepers.start();
  w.spool.put('>example.org', { origin: { kind: 'notice', about: 'x' } });
  await w.clock.advance(MINUTE);
  assert.equal(site.taken.length, 1);
  assert.equal(w.keepers.view('>example.org'), null);
  w.spool.put('>example.org', { origin: { kind: 'notice', about: 'y' } });
  await w.clock.advance(MINUTE);
  assert.equal(site.taken.length, 2);
});

test('connections over all queues are bounded, with fair turns', async () => {
  const w = new World();
  const sites = Array.from({ length: 10 }, (_, i) => w.site(`s${i}`));
  w.restart(4);
  for (let q = 0; q < 10; q++) for (let i = 0; i < 40; i++) w.spool.put(`s${q}`);
  let most = 0;
  for (let i = 0; i < 20; i++) {
    await w.clock.advance(100);
    most = Math.max(
      most,
      sites.reduce((n, s) => n + s.lines.size, 0),
    );
  }
  assert.ok(most <= 4, `${most}`);
  // About 400 mails' time is over: nobody has had all of it, nobody has had nothing.
  for (const s of sites) assert.ok(s.taken.length >= 10, `${s.taken.length}`);
  await w.clock.advance(MINUTE);
  for (const s of sites) assert.equal(s.taken.length, 40);
});

test('a queue that an operator stopped expires nothing', async () => {
  const w = new World();
  const site = w.site('acme', { hold: DAY });
  site.answer = () => reply(550, '5.1.1', 'no');
  w.keepers.start();
  await w.keepers.hold('acme', 'wait', null);
  w.spool.put('acme');
  await w.clock.advance(10 * DAY);
  assert.equal(w.spool.settled.length, 0);
});
