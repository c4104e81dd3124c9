import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Gathered } from './gathered.ts';

describe('gathered', () => {
  test('gives back what was added, in order, once', () => {
    const all = new Gathered();
    all.add('first\n');
    all.add('zweite Zeile: ä, €, 😀\n');
    assert.equal(all.texts, 2);
    assert.equal(all.length, Buffer.byteLength('first\nzweite Zeile: ä, €, 😀\n'));
    assert.equal(all.take().toString(), 'first\nzweite Zeile: ä, €, 😀\n');
    assert.deepEqual([all.length, all.texts, all.take().length], [0, 0, 0]);
  });

  test('grows with what is added, to the last octet', () => {
    const all = new Gathered();
    const lines = Array.from({ length: 5000 }, (_, i) => `${i} ${'€'.repeat(i % 700)}\n`);
    for (const line of lines) all.add(line);
    assert.equal(all.take().toString(), lines.join(''));
    all.add('after it\n');
    assert.equal(all.take().toString(), 'after it\n');
  });

  test('what was taken is not written over', () => {
    const all = new Gathered();
    all.add('one');
    const one = all.take();
    all.add('two');
    assert.equal(one.toString(), 'one');
  });
});
