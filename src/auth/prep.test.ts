import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { saslprep } from './prep.ts';

// RFC 4013 §3.
const EXAMPLES: readonly (readonly [string, string | null])[] = [
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['\u0007', null],
  ['\u0627\u0031', null],
];

test("SASLprep does the RFC's examples", () => {
  for (const [given, wanted] of EXAMPLES) assert.equal(saslprep(given), wanted, JSON.stringify(given));
});

test('spaces become one kind; letters keep their case; composed and decomposed are the same', () => {
  assert.equal(saslprep('a\u00a0b\u3000c'), 'a b c');
  assert.equal(saslprep('Stra\u00dfe'), 'Stra\u00dfe');
  assert.equal(saslprep('u\u0308'), '\u00fc');
  assert.equal(saslprep('\u05e9\u05dc\u05d5\u05dd'), '\u05e9\u05dc\u05d5\u05dd');
  assert.equal(saslprep('\u05e9a\u05dd'), null);
});

test('any text is prepared or refused, and what is prepared stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const once = saslprep(text);
      if (once !== null) assert.equal(saslprep(once), once);
    }),
  );
});
