/** The documents cannot lie about where things are: each path and link that they name exists. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = ['.', 'docs', 'decisions'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);
const NAMED = /`((?:src|test|tools|examples|docs|rfc|bin|decisions)\/[\w./-]+)`/g;
const LINKED = /\]\((?!https?:|#)([^)#]+)/g;

for (const page of PAGES) {
  test(`what ${page} names is there`, () => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const named = [...text.matchAll(NAMED)].map((m) => join(ROOT, m[1] ?? ''));
    const linked = [...text.matchAll(LINKED)].map((m) => join(ROOT, dirname(page), m[1] ?? ''));
    const missing = [...named, ...linked].filter((path) => !existsSync(path));
    assert.deepEqual(missing, []);
  });
}
