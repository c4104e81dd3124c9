import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openKeyed } from './keyed.ts';
import { silent } from './log.ts';

const file = () => join(mkdtempSync(join(tmpdir(), 'keyed-')), 'below', 'known.db');

test('what was set is there after the store is opened again, each table for itself', () => {
  const path = file();
  const first = openKeyed(path);
  first.table<{ size: number }>('ehlo').set('acme', { size: 5 });
  first.table<{ size: number }>('ehlo').set('acme', { size: 7 });
  first.table<string[]>('mx').set('acme', ['a', 'b']);
  first.table<string[]>('mx').set('gone', []);
  first.table<string[]>('mx').delete('gone');
  first.close();
  const second = openKeyed(path);
  assert.deepEqual(second.table('ehlo').get('acme'), { size: 7 });
  assert.deepEqual(second.table('mx').entries(), [['acme', ['a', 'b']]]);
  assert.equal(second.table('mx').get('gone'), undefined);
  second.close();
});

test('a damaged file is set aside, said, and begun anew', () => {
  const path = file();
  openKeyed(path).close();
  writeFileSync(path, 'this is no database, whatever its name says. '.repeat(100));
  const said: string[] = [];
  const keyed = openKeyed(path, { ...silent, warn: (event) => void said.push(event) });
  assert.deepEqual(said, ['knowledge store damaged, begun anew']);
  assert.ok(existsSync(`${path}.damaged`));
  keyed.table<number>('t').set('k', 1);
  assert.equal(keyed.table('t').get('k'), 1);
  keyed.close();
});

test('a store that fails is logged and never throws at its user', () => {
  const said: string[] = [];
  const keyed = openKeyed(':memory:', { ...silent, warn: (event) => void said.push(event) });
  const table = keyed.table<number>('t');
  keyed.close();
  table.set('k', 1);
  assert.equal(table.get('k'), undefined);
  assert.deepEqual(table.entries(), []);
  assert.equal(said.length, 3);
});

test('a file that can not be opened, and is not damaged, stays: what it says is known, and nothing is kept', () => {
  const path = file();
  const first = openKeyed(path);
  first.table<number>('t').set('k', 1);
  first.close();
  // SQLite finds no place for its log beside it, as on a full disk.
  mkdirSync(`${path}-wal`);
  const said: string[] = [];
  const keyed = openKeyed(path, { ...silent, error: (event) => void said.push(event) });
  assert.deepEqual(said, ['knowledge store unusable']);
  assert.equal(keyed.table<number>('t').get('k'), 1);
  keyed.table<number>('t').set('k', 2);
  assert.equal(keyed.table<number>('t').get('k'), 2);
  keyed.close();
  rmdirSync(`${path}-wal`);
  const again = openKeyed(path);
  assert.equal(again.table<number>('t').get('k'), 1);
  again.close();
});
