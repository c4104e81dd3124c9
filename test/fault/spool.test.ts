/**
 * The log store over files that forget: the power goes at each file operation, operations fail, octets
 * flip, the disk fills. What was acknowledged is there afterwards, what was settled is not.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SECOND } from '../../src/base/clock.ts';
import type { Spool } from '../../src/spool/port.ts';
import { type Fault, MemoryFiles, type Operation } from '../support/memory-files.ts';
import { SpoolLoad, seeded } from './spool-load.ts';

const STEPS = 25;

/** Runs the load until it is through or until the fault ends the world. What is known then. */
async function runUntil(
  load: SpoolLoad,
  files: MemoryFiles,
  fault: (op: Operation) => Fault | undefined,
): Promise<SpoolLoad> {
  let end: (known: SpoolLoad) => void = () => {};
  const ended = new Promise<SpoolLoad>((resolve) => {
    end = resolve;
  });
  files.fault = (op) => {
    const what = fault(op);
    // Nobody hears what is said from here on.
    if (what?.kind === 'crash') end(load.afterwards(7));
    return what;
  };
  const run = async (): Promise<void> => {
    const spool = await load.open(files);
    await load.steps(spool, STEPS);
    await spool.close();
  };
  const through = run().then(
    () => load.afterwards(7),
    () => ended,
  );
  const known = await Promise.race([through, ended]);
  // Let whatever was under way run into the wall.
  await load.clock.settle();
  return known;
}

/** Restarts, compares, works on, and restarts again. */
async function verify(load: SpoolLoad, files: MemoryFiles, where: string): Promise<void> {
  let spool: Spool = await load.open(files);
  await load.check(spool, where);
  await load.steps(spool, 4);
  await load.clock.advance(10 * SECOND);
  await spool.close();
  spool = await load.open(files);
  await load.check(spool, `${where}, one start later`);
  await spool.close();
}

async function countOperations(seed: number): Promise<number> {
  const files = new MemoryFiles();
  await runUntil(new SpoolLoad(seed), files, () => undefined);
  return files.operations;
}

describe('log store under faults', () => {
  for (const seed of [1, 2, 3]) {
    test(`the power goes at any file operation (seed ${seed})`, async () => {
      const total = await countOperations(seed);
      assert.ok(total > 150, `${total} operations`);
      for (let at = 1 + (seed % 3); at <= total; at += 7) {
        for (const when of ['before', 'after'] as const) {
          const load = new SpoolLoad(seed);
          const files = new MemoryFiles();
          const known = await runUntil(load, files, (op) =>
            op.number === at ? { kind: 'crash', when } : undefined,
          );
          await verify(known, files.crash(seeded(at)), `power lost ${when} operation ${at} of seed ${seed}`);
        }
      }
    });
  }

  for (const code of ['EIO', 'ENOSPC']) {
    for (const kind of ['write', 'datasync', 'create', 'syncDir'] as const) {
      test(`${code} at any ${kind}: what is refused never turns up, all else is kept`, async () => {
        const total = await countOperations(4);
        for (let at = 1; at <= total; at += 9) {
          const load = new SpoolLoad(4);
          const files = new MemoryFiles();
          let hit = 0;
          const spool = await load.open(files);
          files.fault = (op) =>
            op.kind === kind && op.number >= at && hit++ === 0 ? { kind: 'error', code } : undefined;
          await withTime(load, load.steps(spool, STEPS));
          const where = `${code} at ${kind} ${at}`;
          await load.check(spool, where);
          await verify(load, files.kill(), `${where}, killed`);
        }
      });
    }
  }

  test('short writes are gone on with', async () => {
    const load = new SpoolLoad(5);
    const files = new MemoryFiles();
    const random = seeded(5);
    files.fault = (op) =>
      op.kind === 'write' && op.octets > 1
        ? { kind: 'short', octets: 1 + Math.floor(random() * op.octets) }
        : undefined;
    const spool = await load.open(files);
    await load.steps(spool, STEPS);
    assert.equal(load.refused, 0);
    await load.check(spool, 'short writes');
    await verify(load, files.kill(), 'short writes, killed');
  });

  test('a failed sync closes the segment: it is never written or synced again, and health says so', async () => {
    const load = new SpoolLoad(6);
    const files = new MemoryFiles();
    const spool = await load.open(files);
    await load.commit(spool);
    let failed = '';
    files.fault = (op) => {
      if (failed === '' && op.kind === 'datasync' && op.path.endsWith('.log')) {
        failed = op.path;
        return { kind: 'error', code: 'EIO' };
      }
      assert.ok(
        op.path !== failed || !['write', 'datasync', 'truncate'].includes(op.kind),
        `${op.kind} after it`,
      );
      return undefined;
    };
    await load.commit(spool);
    assert.equal(load.refused, 1);
    assert.equal(spool.health().state, 'doubtful');
    await load.commit(spool);
    assert.equal(load.refused, 1);
    await load.clock.advance(60 * SECOND);
    assert.equal(spool.health().state, 'ok');
    assert.ok(!files.paths().includes(failed), 'what was in it is copied, and it is gone');
    await load.check(spool, 'after a failed sync');
  });

  test('a full disk refuses mail and still settles; room that returns is used without a restart', async () => {
    const load = new SpoolLoad(8);
    const files = new MemoryFiles();
    const spool = await load.open(files);
    for (let i = 0; i < 10; i++) await load.commit(spool);
    await load.clock.advance(60 * SECOND);
    files.capacity = 0;
    await load.clock.advance(60 * SECOND);
    await load.commit(spool);
    assert.equal(load.refused, 1);
    assert.equal(spool.health().state, 'full');
    await load.handOver(spool, 'acme');
    await load.check(spool, 'settled on a full disk');
    const known = load.afterwards(9);
    const lost = files.crash(seeded(9));
    await verifyFull(known, lost);
  });

  test('a flipped bit is found, quarantined and counted; all other mail is there', async () => {
    for (let round = 0; round < 60; round++) {
      const load = new SpoolLoad(round);
      const files = new MemoryFiles();
      const spool = await load.open(files, { reserve: 0 });
      for (let i = 0; i < 4; i++) await load.commit(spool);
      const log = files.paths().find((p) => p.endsWith('.log')) ?? '';
      const before = files.octets(log).length;
      // A later record says that the earlier ones were durable: they cannot be a torn tail.
      await load.commit(spool);
      const random = seeded(round);
      const rest = files.kill();
      const octets = rest.octets(log);
      const at = Math.floor(random() * before);
      octets[at] = (octets[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      await load.checkDamaged(await load.open(rest), `bit at ${at} of ${octets.length}, round ${round}`);
    }
  });
});

/** Waits for the load while time goes on: what is to be repeated is. */
async function withTime(load: SpoolLoad, work: Promise<void>): Promise<void> {
  let through = false;
  const done = work.finally(() => {
    through = true;
  });
  while (!through) await load.clock.advance(SECOND);
  await done;
}

/** The disk is still full at the next start: it starts, holds what it held, settles; then room returns. */
async function verifyFull(load: SpoolLoad, files: MemoryFiles): Promise<void> {
  const spool = await load.open(files);
  await load.check(spool, 'started on a full disk');
  const refused = load.refused;
  await load.commit(spool);
  assert.equal(load.refused, refused + 1);
  files.capacity = Infinity;
  await load.clock.advance(60 * SECOND);
  await load.commit(spool);
  assert.equal(load.refused, refused + 1);
  assert.equal(spool.health().state, 'ok');
  await spool.close();
  await verify(load, files, 'after the full disk');
}
