import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR, MINUTE } from '../../base/clock.ts';
import type { Batch } from '../../site/site.ts';
import { batchDue } from './due.ts';

const batch: Batch = {
  form: 'bsmtp',
  command: ['x'],
  words: 'shell',
  compress: 'none',
  size: 1000,
  count: 10,
  every: HOUR,
  timeout: MINUTE,
};
const queue = (more: object) => ({ count: 1, held: 0, bytes: 100, oldest: 5000, ...more });

test('a batch is due by size, by count, or when the oldest has waited', () => {
  assert.equal(batchDue(queue({}), batch), 5000 + HOUR);
  assert.equal(batchDue(queue({ bytes: 1000 }), batch), 0);
  assert.equal(batchDue(queue({ count: 10 }), batch), 0);
  assert.equal(batchDue(queue({ count: 9 }), batch), 5000 + HOUR);
});

test('an empty queue is never due, nor one that is held', () => {
  assert.equal(batchDue(queue({ count: 0, oldest: null, bytes: 0 }), batch), null);
  assert.equal(batchDue(queue({ count: 12, held: 12, bytes: 9999 }), batch), null);
  assert.equal(batchDue(queue({ count: 12, held: 3 }), batch), 5000 + HOUR);
});
