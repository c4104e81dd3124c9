/**
 * The process that `spool-kill.test.ts` kills: takes mail and settles some of it, as fast as it can, and
 * says on stdout: `+ID SIZE MARK` once committed, `~ID` before it settles, `-ID` once settled, `!WHAT` when a
 * segment is made, sealed or removed. Its timers run a hundred times as fast, so that compaction hardly rests.
 */
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { type Clock, SystemClock } from '../../src/base/clock.ts';
import { type Files, systemFiles } from '../../src/base/files.ts';
import { silent } from '../../src/base/log.ts';
import { DELIVERED, entryFor } from '../../src/spool/contract-support.ts';
import { openLogSpool } from '../../src/spool/log/index.ts';
import { seeded } from '../support/fates.ts';
import { bodyOf, KILL_LIMITS, type MARKS } from './spool-kill-body.ts';

const [dir = '', seed = '1'] = process.argv.slice(2);
const random = seeded(Number(seed));
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};
const system = new SystemClock();
const clock: Clock = {
  now: () => system.now(),
  monotonic: () => system.monotonic(),
  after: (ms, fn) => system.after(ms / 100, fn),
};
const tell = (mark: (typeof MARKS)[number]): void => say(`!${mark}`);
const files: Files = {
  ...systemFiles,
  open(path, mode) {
    if (mode === 'create' && path.endsWith('.log')) tell('new segment');
    if (mode === 'create' && path.endsWith('.idx.new')) tell('side file');
    return systemFiles.open(path, mode);
  },
  remove(path) {
    if (path.endsWith('.log')) tell('removal');
    return systemFiles.remove(path);
  },
};
const limits = KILL_LIMITS;
const spool = await openLogSpool({ dir, clock, log: silent, random: randomBytes, files, limits });
say('ready');

async function sender(): Promise<void> {
  for (;;) {
    const size = random() < 0.05 ? 300_000 : Math.floor(random() * 6000);
    const mark = Math.floor(random() * 1e9);
    const draft = await spool.draft({ queues: ['acme'] });
    if (draft.kind !== 'draft') throw new Error(draft.text);
    const body = bodyOf(mark, size);
    for (let at = 0; at < size; at += 65_536) await draft.write(body.subarray(at, at + 65_536));
    const result = await draft.commit(Buffer.alloc(0), [entryFor('acme')]);
    if (result.kind === 'refused') throw new Error(result.text);
    say(`+${draft.id} ${size} ${mark}`);
  }
}

async function keeper(): Promise<void> {
  const lease = await spool.lease('acme', 'child');
  if (lease.kind !== 'lease') throw new Error('busy');
  for (;;) {
    const entries = await lease.ready(clock.now(), 20);
    const done = entries.filter(() => random() < 0.7);
    for (const entry of done) say(`~${entry.id}`);
    await lease.settle(done.map((e) => ({ id: e.id, outcomes: [{ recipient: 0, outcome: DELIVERED }] })));
    for (const entry of done) say(`-${entry.id}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

await Promise.all([sender(), sender(), sender(), sender(), keeper()]);
