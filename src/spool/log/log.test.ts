import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MemoryFiles } from '../../../test/support/memory-files.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { type Files, systemFiles } from '../../base/files.ts';
import { silent } from '../../base/log.ts';
import { spoolContract } from '../contract.ts';
import {
  DELIVERED,
  entryFor,
  idsOf,
  leaseOf,
  octetsOf,
  put,
  putOne,
  type SpoolWorld,
} from '../contract-support.ts';
import type { Draft, EntryId, Spool } from '../port.ts';
import { type LogLimits, openLogSpool } from './index.ts';

const SMALL: Partial<LogLimits> = {
  segment: 4096,
  reserve: 0,
  keptForOutcomes: 1024,
  keptForCompaction: 1024,
  cache: 8192,
};

async function world(dir: string, files: Files, end: () => Promise<void>): Promise<SpoolWorld> {
  const clock = new SimClock();
  const start = (): Promise<Spool> =>
    openLogSpool({ dir, files, clock, log: silent, random: randomBytes, limits: SMALL });
  let spool = await start();
  return {
    spool,
    clock,
    reopen: async () => {
      await spool.close();
      spool = await start();
      return spool;
    },
    end: async () => {
      await spool.close();
      await end();
    },
  };
}

spoolContract('log store in memory', () => world('/spool', new MemoryFiles(), async () => {}));
spoolContract('log store on disk', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'restante-spool-'));
  return world(dir, systemFiles, () => rm(dir, { recursive: true }));
});

describe('log store', () => {
  test('a second process on the same folder is refused', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'restante-spool-'));
    const options = { dir, clock: new SimClock(), log: silent, random: randomBytes, limits: SMALL };
    const spool = await openLogSpool(options);
    await assert.rejects(openLogSpool(options), /in use by another process/);
    await putOne(spool, 'acme');
    await spool.close();
    await (await openLogSpool(options)).close();
    await rm(dir, { recursive: true });
  });

  test('contents ask for a young collection after each 4 MiB, and a start for a whole one, where node gives the means', async (t) => {
    const asked: string[] = [];
    const { gc } = globalThis;
    t.after(() => Object.assign(globalThis, { gc }));
    Object.assign(globalThis, { gc: (how?: { type: string }) => asked.push(how?.type ?? 'whole') });
    const { spool } = await inMemory({ gathered: 1e6 });
    for (let i = 0; i < 5; i++) await putOne(spool, 'acme', 'x'.repeat(900_000));
    assert.deepEqual(asked, ['whole', 'minor']);
    await spool.close();
  });

  test('a young collection is asked for when nobody waits, after 40 mails, at most ten times a second', async (t) => {
    const { spool, clock } = await inMemory({});
    let asked = 0;
    const { gc } = globalThis;
    t.after(() => Object.assign(globalThis, { gc }));
    Object.assign(globalThis, { gc: () => asked++ });
    const rest = () => new Promise((resolve) => setImmediate(resolve));
    const mails = async (count: number) => {
      for (let i = 0; i < count; i++) await putOne(spool, 'acme');
      const answered = asked;
      await rest();
      return answered;
    };
    await mails(39);
    assert.equal(asked, 0);
    assert.equal(await mails(1), 0, 'not before the reply');
    assert.equal(asked, 1);
    await mails(80);
    assert.equal(asked, 1);
    await clock.advance(100);
    await mails(1);
    assert.equal(asked, 2);
    await clock.advance(100);
    await mails(39);
    assert.equal(asked, 2);
    await spool.close();
  });

  test('commits that wait together share a sync', async () => {
    const { spool, files } = await inMemory({ segment: 1e6 });
    let syncs = 0;
    files.fault = (op) => {
      if (op.kind === 'datasync') syncs++;
      return undefined;
    };
    await Promise.all(Array.from({ length: 200 }, () => putOne(spool, 'acme')));
    assert.ok(syncs <= 3, `${syncs} syncs`);
  });

  test('what was delivered leaves its place in memory to others', async () => {
    // Room for two records.
    const { spool, clock, files } = await inMemory({ cache: 2 * (2048 + 3000) + 100 });
    const [first = '', second = ''] = [
      await putOne(spool, 'acme', 'a'.repeat(3000)),
      await putOne(spool, 'acme', 'b'.repeat(3000)),
    ];
    const lease = await leaseOf(spool, 'acme');
    await lease.ready(clock.now(), 2);
    await lease.settle([
      { id: second, outcomes: [0, 1].map((recipient) => ({ recipient, outcome: DELIVERED })) },
    ]);
    await putOne(spool, 'acme', 'c'.repeat(3000));
    files.fault = (op) => assert.fail(`${op.kind} ${op.path}`);
    const content = await lease.open(first);
    assert.ok(!('kind' in content));
    assert.ok((await octetsOf(content)).includes('aaa'));
    await spool.close();
  });

  test('new mail and its content are handed over without a read', async () => {
    const { spool, clock, files } = await inMemory({});
    const id = await putOne(spool, 'acme');
    files.fault = (op) => assert.fail(`${op.kind} ${op.path}`);
    const lease = await leaseOf(spool, 'acme');
    assert.deepEqual(
      (await lease.ready(clock.now(), 1)).map((e) => e.id),
      [id],
    );
    const content = await lease.open(id);
    assert.ok('pieces' in content && content.pieces);
  });

  test('a queue among several may use half of what is free, one alone all of it', async () => {
    let sharers = 2;
    const { spool, files } = await inMemory({ total: 1_000_000, segment: 1e6 }, () => sharers);
    await putOne(spool, 'acme', 'x'.repeat(200_000));
    const refusal = async (size: number, queue: string) => {
      const draft = await spool.draft({ size, queues: [queue] });
      if (draft.kind === 'refused') return draft.why;
      await draft.abort();
      return 'taken';
    };
    assert.equal(await refusal(280_000, 'acme'), 'taken');
    assert.equal(await refusal(320_000, 'acme'), 'share');
    assert.equal(await refusal(320_000, 'beta'), 'taken');
    assert.equal(await refusal(900_000, 'beta'), 'full');
    sharers = 1;
    assert.equal(await refusal(700_000, 'acme'), 'taken');
    files.capacity = 0;
  });

  test('more than was declared is refused when room ends', async () => {
    const { spool } = await inMemory({ total: 500_000 });
    const draft = await spool.draft({ queues: ['acme'] });
    if (draft.kind !== 'draft') throw new Error('refused');
    for (let i = 0; i < 100; i++) await draft.write(Buffer.alloc(10_000));
    const result = await draft.commit(Buffer.from('h'), [entryFor('acme')]);
    assert.deepEqual([result.kind, 'why' in result && result.why], ['refused', 'full']);
    assert.equal(spool.health().state, 'ok');
    assert.ok(await putOne(spool, 'acme'));
  });

  test('drafts that find no memory go to files; without either, no draft is begun', async () => {
    const { spool, files } = await inMemory({ memory: 20_000, gathered: 10_000, files: 2 });
    const drafts: Draft[] = [];
    for (let i = 0; i < 5; i++) {
      const draft = await spool.draft({ queues: ['acme'] });
      if (draft.kind === 'refused') {
        assert.equal(draft.why, 'memory');
        break;
      }
      await draft.write(Buffer.alloc(10_000, `${i}`));
      drafts.push(draft);
    }
    assert.equal(drafts.length, 4);
    assert.equal(files.paths().filter((p) => p.includes('/large/')).length, 2);
    for (const [i, draft] of drafts.entries()) {
      const result = await draft.commit(Buffer.from('h'), [entryFor('acme')]);
      assert.equal(result.kind, 'committed');
      const octets = await octetsOf(await spool.open(draft.id));
      assert.ok(octets.equals(Buffer.concat([Buffer.from('h'), Buffer.alloc(10_000, `${i}`)])));
    }
  });

  test('a large file goes with the last entry of its mail', async () => {
    const { spool, files, clock } = await inMemory({});
    const [a = '', b = ''] = await put(spool, [entryFor('acme'), entryFor('beta')], Buffer.alloc(300_000));
    const isThere = (): boolean => files.paths().includes(`/spool/large/${a}`);
    await spool.operate([a], { kind: 'remove', by: 'test' });
    await clock.settle();
    assert.ok(isThere());
    await spool.operate([b], { kind: 'remove', by: 'test' });
    await clock.settle();
    assert.ok(!isThere());
  });

  test('mostly dead segments are copied and removed; what lives is there, also after a restart', async () => {
    const first = await inMemory({ segment: 20_000, keptForCompaction: 1024 });
    const ids: EntryId[] = [];
    for (let i = 0; i < 100; i++)
      ids.push(await putOne(first.spool, i % 3 ? 'acme' : 'beta', `${i} `.repeat(500)));
    const live = ids.filter((_, i) => i % 10 === 0);
    const before = octetsOnDisk(first.files);
    await first.spool.operate(
      ids.filter((id) => !live.includes(id)),
      { kind: 'remove', by: 'test' },
    );
    for (let i = 0; i < 60; i++) await first.clock.advance(1000);
    assert.ok(octetsOnDisk(first.files) < before / 3, `${octetsOnDisk(first.files)} of ${before}`);
    for (const spool of [first.spool, await first.reopen()]) {
      assert.deepEqual((await idsOf(spool.find({}))).sort(), [...live].sort());
      for (const id of live) {
        const text = `${ids.indexOf(id)} `.repeat(500);
        assert.equal((await octetsOf(await spool.open(id))).subarray(-text.length).toString(), text);
      }
    }
  });

  test('a damaged or missing side file is made anew', async () => {
    const { spool, files, reopen } = await inMemory({});
    const ids = [await putOne(spool, 'acme'), await putOne(spool, 'acme')];
    await spool.close();
    const side = files.paths().find((p) => p.endsWith('.idx')) ?? '';
    files.octets(side)[40] = 0xff;
    assert.deepEqual(await idsOf((await reopen()).find({})), ids);
    for (const path of files.paths()) if (path.endsWith('.idx')) await files.remove(path);
    const again = await reopen();
    assert.deepEqual(await idsOf(again.find({})), ids);
    assert.equal(again.health().corrupt, 0);
    assert.ok(files.paths().some((p) => p.endsWith('.idx')));
  });

  test('a mail that cannot be read is corrupt to everybody, blocks nobody, and can be removed', async () => {
    const { spool, files, clock, reopen } = await inMemory({ segment: 1e6 });
    const ids = [await putOne(spool, 'acme', 'one'), await putOne(spool, 'acme', 'two')];
    await spool.close();
    const log = files.octets(files.paths().find((p) => p.endsWith('.log')) ?? '');
    log[log.indexOf('one')] = 0;
    const again = await reopen();
    const lease = await leaseOf(again, 'acme');
    assert.deepEqual(
      (await lease.ready(clock.now(), 9)).map((e) => e.id),
      [ids[1]],
    );
    assert.equal(((await again.open(ids[0] ?? '')) as { kind?: string }).kind, 'corrupt');
    assert.ok(again.health().corrupt > 0);
    assert.deepEqual(await again.operate([ids[0] ?? ''], { kind: 'remove', by: 'test' }), [ids[0]]);
    assert.equal(again.summary('acme').count, 1);
  });
});

interface MemoryWorld {
  readonly files: MemoryFiles;
  readonly clock: SimClock;
  readonly spool: Spool;
  reopen(): Promise<Spool>;
}

async function inMemory(limits: Partial<LogLimits>, sharers?: () => number): Promise<MemoryWorld> {
  const files = new MemoryFiles();
  const clock = new SimClock();
  const options = {
    dir: '/spool',
    files,
    clock,
    log: silent,
    random: randomBytes,
    limits: { ...SMALL, ...limits },
  };
  let spool = await openLogSpool(sharers ? { ...options, sharers } : options);
  const reopen = async (): Promise<Spool> => {
    await spool.close();
    spool = await openLogSpool(options);
    return spool;
  };
  return { files, clock, spool, reopen };
}

const octetsOnDisk = (files: MemoryFiles): number =>
  files
    .paths()
    .filter((p) => p.endsWith('.log'))
    .reduce((sum, p) => sum + files.octets(p).length, 0);
