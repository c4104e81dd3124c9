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
import { putOne, type SpoolWorld } from '../contract-support.ts';
import type { Spool } from '../port.ts';
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
});
