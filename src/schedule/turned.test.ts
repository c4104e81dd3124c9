/** One turned connection for several queues: each in its turn, opened once, ended once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeSite } from '../../test/support/fake-handover.ts';
import { World } from '../../test/support/keepers-world.ts';
import { MINUTE } from '../base/clock.ts';
import { callTurned } from './turned.ts';

const QUEUES = ['acme', 'beta', 'gamma'];

function world() {
  const w = new World();
  for (const queue of QUEUES) w.site(queue, { way: 'turn' });
  const line = new FakeSite(w.clock, 'caller');
  w.keepers.start();
  const call = (queues: readonly string[] = QUEUES) =>
    callTurned(w.keepers, queues, 'ATRN', (signal) => line.connect(signal));
  return { w, line, call };
}

describe('a call for several queues', () => {
  test('takes all of them over one connection, one after the other, and ends it once', async () => {
    const { w, line, call } = world();
    for (const queue of ['gamma', 'acme', 'gamma', 'acme']) w.spool.put(queue);
    assert.deepEqual(call(), { kind: 'begun', queued: 2 });
    await w.clock.advance(MINUTE);
    assert.equal(line.connects.length, 1);
    assert.equal(line.taken.length, 4);
    assert.equal(line.lines.size, 0);
    for (const queue of QUEUES) assert.equal(w.view(queue).state, 'waiting', queue);
  });

  test('with nothing in any of them opens nothing', async () => {
    const { w, line, call } = world();
    assert.deepEqual(call(), { kind: 'empty' });
    await w.clock.advance(MINUTE);
    assert.equal(line.connects.length, 0);
  });

  test('is told what keeps one from its mail rather than that there is none', async () => {
    const { w, call } = world();
    w.spool.put('beta');
    await w.keepers.hold('beta', 'moving', null);
    assert.deepEqual(call(), { kind: 'held' });
  });

  test('goes past one that is held to the next', async () => {
    const { w, line, call } = world();
    w.spool.put('acme');
    w.spool.put('beta');
    await w.keepers.hold('acme', 'moving', null);
    assert.equal(call().kind, 'begun');
    await w.clock.advance(MINUTE);
    assert.equal(line.taken.length, 1);
    assert.equal(w.spool.summary('acme').count, 1);
  });

  test('whose connection breaks in the first leaves the others as they were, free for the next call', async () => {
    const { w, line, call } = world();
    for (const queue of QUEUES) w.spool.put(queue);
    line.answer = () => 'lost';
    call();
    await w.clock.advance(MINUTE);
    assert.equal(line.taken.length, 0);
    for (const queue of QUEUES) assert.equal(w.view(queue).state, 'waiting', queue);
    const next = new FakeSite(w.clock, 'caller again');
    callTurned(w.keepers, QUEUES, 'ATRN', (signal) => next.connect(signal));
    await w.clock.advance(MINUTE);
    assert.equal(next.taken.length, 3);
  });
});
