import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { HOUR, MINUTE, SECOND } from '../base/clock.ts';
import type { Batch } from '../site/site.ts';
import type { QueueSummary } from '../spool/port.ts';
import { BatchWatch } from './batch-watch.ts';

const BATCH: Batch = {
  ...{ form: 'bsmtp', command: ['x'], words: 'shell', compress: 'none' },
  ...{ size: 1000, count: 10, every: HOUR, timeout: MINUTE },
};

class World {
  readonly clock = new SimClock();
  readonly calls: number[] = [];
  readonly begun = this.clock.now();
  mails: number[] = [];
  bytes = 0;
  hint: (queue: string) => void = () => {};
  readonly watch = new BatchWatch({
    clock: this.clock,
    spool: {
      summary: (queue): QueueSummary => ({
        ...{ queue, count: this.mails.length, held: 0, deferred: 0, bytes: this.bytes },
        oldest: this.mails[0] ?? null,
      }),
      onArrival: (fn) => {
        this.hint = fn;
        return () => {
          this.hint = () => {};
        };
      },
    },
    batchOf: (queue) => (queue === 'leaf' ? BATCH : null),
    call: () => this.calls.push(this.clock.now() - this.begun),
  });

  arrive(count = 1): void {
    for (let i = 0; i < count; i++) this.mails.push(this.clock.now());
    this.hint('leaf');
  }

  /** The call took these. */
  take(count = this.mails.length): void {
    this.mails.splice(0, count);
    this.watch.look('leaf');
  }
}

describe('batches are called for', () => {
  test('when the oldest mail has waited so long', async () => {
    const world = new World();
    world.arrive();
    await world.clock.advance(HOUR - SECOND);
    world.arrive();
    assert.deepEqual(world.calls, []);
    await world.clock.advance(SECOND);
    assert.deepEqual(world.calls, [HOUR]);
  });

  test('at once by count and by size, again and again while all is taken', () => {
    const world = new World();
    world.arrive(9);
    assert.deepEqual(world.calls, []);
    world.arrive();
    world.take();
    world.arrive(10);
    world.take();
    world.bytes = 1000;
    world.arrive();
    assert.deepEqual(world.calls, [0, 0, 0]);
  });

  test('what is left behind is not called for at each arrival, but after a pause', async () => {
    const world = new World();
    world.arrive(10);
    for (let i = 0; i < 20; i++) {
      await world.clock.advance(10 * SECOND);
      world.arrive();
    }
    assert.deepEqual(world.calls, [0]);
    await world.clock.advance(2 * MINUTE);
    assert.deepEqual(world.calls, [0, 5 * MINUTE]);
  });

  test('not for other queues, nor for an empty one, nor after the end', async () => {
    const world = new World();
    world.hint('other');
    world.watch.look('leaf');
    world.arrive(3);
    world.take();
    world.arrive();
    world.watch.stop();
    await world.clock.advance(10 * HOUR);
    assert.deepEqual(world.calls, []);
  });
});
