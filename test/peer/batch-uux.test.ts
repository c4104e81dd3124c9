/**
 * What the real uux and uuxqt make of the words that we give them: each address that is called safe
 * comes to rmail as it was. The job runs on this very system, so no line is needed. Addresses are made
 * at random; those that are not safe never leave (`src/handover/batch/words.ts`).
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { fillIn, groups, isSafe } from '../../src/handover/batch/words.ts';

let folder = '';

before(() => {
  for (const tool of ['/usr/bin/uux', '/usr/sbin/uuxqt']) {
    assert.ok(existsSync(tool), `${tool} is missing: apt-get install uucp`);
  }
  folder = mkdtempSync(join(tmpdir(), 'uux-'));
  const at = (name: string) => join(folder, name);
  for (const name of ['spool', 'pub', 'log', 'bin', 'got']) mkdirSync(at(name));
  const files = ['sys', 'port', 'call', 'passwd'].map((name) => `${name}file ${at(name)}`);
  const paths = [
    `spool ${at('spool')}`,
    `pubdir ${at('pub')}`,
    `logfile ${at('log/Log')}`,
    `statfile ${at('log/Stats')}`,
  ];
  writeFileSync(at('config'), ['nodename relay', ...paths, ...files, ''].join('\n'));
  writeFileSync(at('sys'), `system relay\ncommands rmail\ncommand-path ${at('bin')}\n`);
  for (const name of ['port', 'call', 'passwd']) writeFileSync(at(name), '');
  const rmail = `#!/bin/sh\nout=${at('got')}/$$\nfor word in "$@"; do printf '%s\\n' "$word"; done > $out.words\n/bin/cat > $out.input\n`;
  writeFileSync(at('bin/rmail'), rmail);
  chmodSync(at('bin/rmail'), 0o755);
  // Called by root, the tools act as uucp, to which it belongs.
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', 'uucp', folder]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const odd = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 10 }),
  fc.string({ unit: fc.constantFrom(...'aZ09é._+=%/-#~$ '), minLength: 1, maxLength: 6 }),
  fc.constantFrom('joe', 'joe+tag', 'a=b', 'SRS0=x/y=z', 'prvs=1/joe', 'a-b.c', 'jörg', '用户', '=a', '_'),
);

describe('uux and uuxqt', () => {
  test('every address that is safe comes to rmail as it was, and the input with it', () => {
    const all = fc.sample(odd, { numRuns: 6000, seed: 7 }).map((local) => `${local}@acme.example`);
    const safe = [...new Set(all.filter((address) => isSafe(address, 'shell')))];
    assert.ok(safe.length > 100, `${safe.length}`);
    const calls = groups(safe);
    calls.forEach((recipients, i) => {
      const command = ['-I', join(folder, 'config'), '-p', '-r', '-n', 'relay!rmail', '({recipients})'];
      const words = fillIn(command, { recipients, sender: '', site: 'leaf', file: '' });
      execFileSync('uux', words, { input: `From <> Mon\nSubject: ${i}\n\n\xe9\r\n.\n` });
    });
    execFileSync('/usr/sbin/uuxqt', ['-I', join(folder, 'config')]);
    const got = new Map(
      readdirSync(join(folder, 'got'))
        .filter((name) => name.endsWith('.words'))
        .map((name) => {
          const input = readFileSync(join(folder, 'got', name.replace('words', 'input')), 'utf8');
          const number = Number(/^Subject: (\d+)$/m.exec(input)?.[1]);
          assert.equal(input, `From <> Mon\nSubject: ${number}\n\n\xe9\r\n.\n`);
          return [
            number,
            readFileSync(join(folder, 'got', name), 'utf8')
              .split('\n')
              .slice(0, -1),
          ];
        }),
    );
    assert.equal(got.size, calls.length);
    for (const [i, recipients] of calls.entries()) assert.deepEqual(got.get(i), recipients);
  });
});
