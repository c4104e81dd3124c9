import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Generations } from './generations.ts';

test('what is used stays, what is not goes, and there is never more than room', () => {
  const map = new Generations<number>(10);
  map.set('used', 1);
  map.set('unused', 2);
  for (let i = 0; i < 100; i++) {
    map.set(`other ${i}`, i);
    assert.equal(map.get('used'), 1);
    assert.ok(map.size <= 10);
  }
  assert.equal(map.get('unused'), undefined);
});

test('a later value replaces an earlier one, in whichever generation that was', () => {
  const map = new Generations<number>(4);
  map.set('a', 1);
  map.set('b', 1);
  map.set('c', 1);
  map.set('a', 2);
  assert.equal(map.get('a'), 2);
  assert.equal(map.size, 3);
});
