/** What comes and goes stays in the young generation, or full collections hold everything else (decisions/young.md). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const SCRIPT = join(import.meta.dirname, '../support/young-connections.ts');
const FLAGS = [
  '--expose-gc',
  '--min-semi-space-size=8',
  '--max-semi-space-size=8',
  '--no-allocation-site-pretenuring',
];
/** What Node itself leaves of a connection on both sides, and some. A conversation holds 10 KB. */
const MOST = 5000;

test('a connection that is over leaves nothing of its conversation in the old generation', () => {
  const octets = Number(
    execFileSync(process.execPath, [...FLAGS, SCRIPT], { encoding: 'utf8', timeout: 60_000 }),
  );
  assert.ok(octets < MOST, `${octets} octets a connection`);
});
