import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Linked } from './linked.ts';

describe('linked', () => {
  test('keeps the order in which they came, whoever leaves', () => {
    const list = new Linked<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => list.add(name));
    assert.deepEqual([...list], ['a', 'b', 'c']);
    assert.ok(b && list.remove(b));
    list.add('d');
    assert.deepEqual([...list], ['a', 'c', 'd']);
    assert.ok(a && list.remove(a));
    assert.ok(c && list.remove(c));
    assert.deepEqual([...list], ['d']);
    assert.equal(list.size, 1);
  });

  test('who has left does not leave again', () => {
    const list = new Linked<string>();
    const a = list.add('a');
    assert.equal(list.remove(a), true);
    assert.equal(list.remove(a), false);
    assert.equal(list.size, 0);
    assert.deepEqual([...list], []);
  });

  test('the one that is visited may leave', () => {
    const list = new Linked<number>();
    const places = [1, 2, 3].map((n) => list.add(n));
    const seen: number[] = [];
    for (const n of list) {
      seen.push(n);
      const place = places[n - 1];
      if (place) list.remove(place);
    }
    assert.deepEqual(seen, [1, 2, 3]);
    assert.equal(list.size, 0);
  });

  test('what has left is named by nothing, and names nothing', () => {
    const list = new Linked<object>();
    const [first, second] = [list.add({}), list.add({})];
    list.remove(first);
    assert.deepEqual([first.value, first.previous, first.next], [undefined, null, null]);
    assert.notEqual(second.previous, first);
  });
});
