/** `bin/restante`, as the shell starts it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const BIN = resolve(import.meta.dirname, '../../../bin/restante');

test('what bin/restante says to node is heard, and is not passed on to programs that we start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'restante-bin-'));
  try {
    const look = join(folder, 'look.cjs');
    const env = '[process.env.NODE_COMPILE_CACHE ?? null, process.env.MALLOC_ARENA_MAX ?? null]';
    writeFileSync(
      look,
      `const at = () => console.log(JSON.stringify([${env}, typeof gc, process.execArgv.includes('--no-allocation-site-pretenuring')]));
       at(); process.on('exit', at);\n`,
    );
    const said = execFileSync(BIN, ['--version'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, NODE_OPTIONS: `--require ${look}` },
    });
    const [before, , after] = said.trim().split('\n');
    assert.match(before ?? '', /^\[\[".*\/node_modules\/\.cache\/restante","1"\],"function",true\]$/);
    assert.equal(after, '[[null,null],"function",true]');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
