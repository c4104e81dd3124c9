import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { REFERENCE, reference } from '../../tools/reference.ts';

test('docs/reference.md is what the schema says, and each key has its meaning', () => {
  const text = reference();
  assert.equal(readFileSync(REFERENCE, 'utf8'), text, 'run: node tools/reference.ts');
  const bare = text.split('\n').filter((line) => line.startsWith('| `') && line.endsWith('|  |'));
  assert.deepEqual(bare, []);
});
