import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HashSet } from './hash-set.ts';

const words = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `u${from + i}@a.example`);
const filled = (all: readonly string[], seed: number, expected = 0): HashSet => {
  const set = new HashSet(seed, expected);
  for (const word of all) set.add(word);
  return set;
};
const missing = (set: HashSet, all: readonly string[]): string[] => all.filter((word) => !set.has(word));

describe('a set of hashes', () => {
  test('has what was put into it and nothing else, however many were expected', () => {
    for (const expected of [0, 100, 50_000]) {
      const set = filled([...words(0, 20_000), ...words(0, 100)], 4711, expected);
      assert.equal(set.size, 20_000);
      assert.deepEqual(missing(set, words(0, 20_000)), []);
      assert.equal(missing(set, words(20_000, 40_000)).length, 20_000);
    }
  });

  test('finds as text what came as octets', () => {
    const set = new HashSet(-1);
    const octets = Buffer.from('xxjoe@a.examplexx');
    set.addAscii(octets, 2, octets.length - 2);
    assert.ok(set.has('joe@a.example'));
    assert.ok(!set.has('xxjoe@a.examplexx'));
  });

  test('becomes another: what it had is gone, what the other had is there; the other is empty and can be filled', () => {
    const set = filled(words(0, 5000), 1);
    const other = filled(words(3000, 3010), 2, 10);
    set.become(other);
    assert.equal(set.size, 10);
    assert.deepEqual(missing(set, words(3000, 3010)), []);
    assert.equal(missing(set, words(0, 3000)).length, 3000);
    assert.equal(other.size, 0);
    for (const word of words(0, 1000)) other.add(word);
    assert.deepEqual(missing(other, words(0, 1000)), []);
    assert.equal(missing(set, words(0, 1000)).length, 1000);
  });

  test('gives its octets back when it becomes another, grows or is cleared: they wait for no collector', () => {
    const octets = () => process.memoryUsage().arrayBuffers;
    const before = octets();
    const set = new HashSet(1, 1_000_000);
    const full = octets() - before;
    assert.ok(full > 11e6 && full < 12e6, `${full} octets for a million`);
    for (let i = 0; i < 5; i++) {
      const other = new HashSet(i, 1_000_000);
      set.become(other);
      assert.ok(octets() - before < full * 1.1);
    }
    set.clear();
    assert.ok(octets() - before < full * 0.1);
    const grown = filled(words(0, 200_000), 3);
    assert.ok(octets() - before < 5e6);
    assert.ok(!grown.has('x'));
  });
});
