/**
 * `kill -9` on real files, a moment after a segment is begun, sealed or removed, while nearly all mail is soon
 * settled so that compaction hardly rests: every mail that the process has acknowledged is there, octet
 * for octet; none that it has settled comes back; the lock is free.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import { octetsOf } from '../../src/spool/contract-support.ts';
import { openLogSpool } from '../../src/spool/log/index.ts';
import { seeded } from '../support/fates.ts';
import { bodyOf, KILL_LIMITS, MARKS } from './spool-kill-body.ts';

/** About a second each. */
const ROUNDS = 9 * Number(process.env.FAULT_SEEDS ?? 1);

interface Mail {
  readonly size: number;
  readonly mark: number;
}

/** Runs the child until it has said `lines` lines, then `mark`, and a little more; what it said. */
async function runAndKill(
  dir: string,
  seed: number,
  until: { readonly lines: number; readonly mark: string; readonly more: number },
): Promise<string[]> {
  const script = join(import.meta.dirname, 'spool-kill-child.ts');
  const child: ChildProcess = spawn(process.execPath, [script, dir, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let lines = 0;
  let armed = false;
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
    child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      said += text;
      lines += text.split('\n').length - 1;
      if (armed || lines < until.lines || !text.includes(`!${until.mark}`)) return;
      armed = true;
      if (until.more < 1) child.kill('SIGKILL');
      else setTimeout(() => child.kill('SIGKILL'), until.more);
    });
  });
  assert.equal(child.signalCode, 'SIGKILL', 'the child ended by itself');
  // The last line may be cut.
  return said.slice(0, said.lastIndexOf('\n')).split('\n');
}

test('killed while segments are made, sealed, copied and removed, it loses no acknowledged mail and brings none back', {
  timeout: 2 * 60_000,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'restante-kill-'));
  const random = seeded(1998);
  const living = new Map<string, Mail>();
  const settled = new Set<string>();
  const trying = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const mark = MARKS[round % MARKS.length] ?? '';
    const lines = await runAndKill(dir, round, { lines: 50 + random() * 400, mark, more: random() * 4 });
    for (const line of lines) {
      const [, sign, id = '', size, mark] = /^([+~-])(\S+)(?: (\d+) (\d+))?$/.exec(line) ?? [];
      if (sign === '+') living.set(id, { size: Number(size), mark: Number(mark) });
      if (sign === '~') trying.add(id);
      if (sign === '-') settled.add(id);
    }
    for (const id of settled) living.delete(id);
    const clock = new SystemClock();
    const spool = await openLogSpool({ dir, clock, log: silent, random: randomBytes, limits: KILL_LIMITS });
    const found = new Set<string>();
    for await (const entry of spool.find({})) found.add(entry.id);
    for (const id of settled) assert.ok(!found.has(id), `round ${round}: ${id} came back`);
    for (const [id, { size, mark }] of living) {
      if (!found.has(id)) {
        // Settled, but killed before it could say so.
        assert.ok(trying.has(id), `round ${round}: ${id} is lost`);
        living.delete(id);
        settled.add(id);
        continue;
      }
      assert.ok((await octetsOf(await spool.open(id))).equals(bodyOf(mark, size)), `round ${round}: ${id}`);
    }
    assert.equal(spool.health().corrupt, 0);
    await spool.close();
  }
  assert.ok(settled.size > 100 && living.size > 20, `${settled.size} settled, ${living.size} left`);
  await rm(dir, { recursive: true });
});
