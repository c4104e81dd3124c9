import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { cleanUp, primary, push, site } from '../../test/support/lines.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { SECOND } from '../base/clock.ts';
import { silent } from '../base/log.ts';
import { Pulse } from './pulse.ts';

afterEach(cleanUp);

describe('whether a primary lives', () => {
  test('all who ask at once share one connection without mail, and its time is known then', async () => {
    const fake = await primary();
    const { primaries } = push(fake);
    const pulse = new Pulse({ primaries, clock: new SimClock(), log: silent });
    const own = site(fake.port);
    assert.equal(primaries.seen('acme'), undefined);
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => pulse.ask(own))), [true, true, true]);
    assert.equal(fake.connections, 1);
    assert.equal(primaries.seen('acme')?.host, '127.0.0.1');
    while (fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(
      fake.commands.map((c) => c.split(' ')[0]),
      ['EHLO', 'QUIT'],
    );
  });

  test('one that refuses to greet does not, and is not asked again for ten seconds', async () => {
    const fake = await primary({ script: (at) => (at === 'greeting' ? '554 no service' : undefined) });
    const { primaries } = push(fake);
    const clock = new SimClock();
    const pulse = new Pulse({ primaries, clock, log: silent });
    const own = site(fake.port);
    assert.equal(await pulse.ask(own), false);
    assert.equal(await pulse.ask(own), false);
    assert.equal(fake.connections, 1);
    assert.equal(primaries.seen('acme'), undefined);
    await clock.advance(10 * SECOND);
    assert.equal(await pulse.ask(own), false);
    assert.equal(fake.connections, 2);
  });

  test('silence ends by the deadline', async () => {
    const fake = await primary({ script: (at) => (at === 'greeting' ? 'hang' : undefined) });
    const { primaries } = push(fake);
    const clock = new SimClock();
    const asked = new Pulse({ primaries, clock, log: silent }).ask(site(fake.port));
    while (fake.connections === 0) await clock.settle();
    await clock.advance(20 * SECOND);
    assert.equal(await asked, false);
    assert.equal(clock.armed, 0);
  });
});
