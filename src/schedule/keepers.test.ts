import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LATER, NO, OK } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { plainEnvelope } from '../../test/support/memory-spool.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { reply } from '../mail/reply.ts';

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
