/**
 * Keepers on the log store, over files in memory that forget like real ones: killed and powered off in
 * the middle of a drain, again and again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, MINUTE } from '../../src/base/clock.ts';
import { openKeyed } from '../../src/base/keyed.ts';
import { silent } from '../../src/base/log.ts';
import { Notices } from '../../src/notify/notices.ts';
import { Keepers } from '../../src/schedule/keepers.ts';
import { FOREIGN_POLICY } from '../../src/schedule/policy.ts';
import { openLogSpool } from '../../src/spool/log/index.ts';
import type { Spool } from '../../src/spool/port.ts';
import { FakeSite, NO, OK } from '../support/fake-handover.ts';
import { POLICY, seeded } from '../support/keepers-world.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { plainEnvelope } from '../support/memory-spool.ts';
import { SimClock } from '../support/sim-clock.ts';

class LogWorld {
  readonly clock = new SimClock();
  readonly random = seeded(7);
  readonly keyed = openKeyed(':memory:');
  readonly site = new FakeSite(this.clock);
  readonly foreign = new FakeSite(this.clock, 'mx.sender.example');
  files = new MemoryFiles();
  spool: Spool | null = null;
  keepers: Keepers | null = null;

  async start(): Promise<Spool> {
    const { clock, random, keyed } = this;
    const octets = (n: number) => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256)));
    const small = { segment: 64 * 1024, keptForOutcomes: 64 * 1024, keptForCompaction: 64 * 1024 };
    const limits = { ...small, reserve: 0 };
    const spool = await openLogSpool({
      dir: '/spool',
      clock,
      log: silent,
      random: octets,
      files: this.files,
      limits,
    });
    const settings = () => ({
      hostname: 'mx2.example',
      allow: ['sender.example'],
      queueFor: (domain: string) => `>${domain}`,
    });
    this.spool = spool;
    this.keepers = new Keepers({
      spool,
      clock,
      log: silent,
      random,
      keyed,
      notices: new Notices({ clock, random, settings }),
      handoverFor: (queue) => (queue === 'acme' ? this.site : this.foreign),
      policyFor: (queue) => (queue === 'acme' ? { ...POLICY, connections: 4 } : FOREIGN_POLICY),
    });
    this.keepers.start();
    return spool;
  }

  /** As by kill -9, or a power cut. */
  async again(power: boolean): Promise<Spool> {
    this.files = power ? this.files.crash(this.random) : this.files.kill();
    for (const site of [this.site, this.foreign]) for (const line of [...site.lines]) line.destroy();
    // What is left of the old process does no harm: its files are dead, and nobody hears it.
    await this.stop();
    return this.start();
  }

  async stop(): Promise<void> {
    const stopped = this.keepers?.stop(0);
    await this.clock.advance(1);
    await stopped;
  }

  async put(spool: Spool, to: string): Promise<string> {
    const draft = await spool.draft({ queues: ['acme'] });
    assert.ok(draft.kind === 'draft');
    await draft.write(Buffer.from(`Subject: ${to}\r\n\r\n${'x'.repeat(1000)}\r\n`));
    const origin = { kind: 'received', peer: '192.0.2.1', helo: 'h', protocol: 'ESMTP' } as const;
    const done = await draft.commit(Buffer.from('Received: here\r\n'), [
      { queue: 'acme', envelope: plainEnvelope(to), origin },
    ]);
    assert.ok(done.kind === 'committed');
    return done.entries[0] ?? '';
  }
}

for (const power of [false, true]) {
  test(`${power ? 'the power goes' : 'killed'} four times while draining: nothing is lost, repeats are those in flight`, async () => {
    const w = new LogWorld();
    w.site.trouble = { cause: 'connect', text: 'refused' };
    let spool = await w.start();
    const ids = new Set<string>();
    for (let i = 0; i < 500; i++) ids.add(await w.put(spool, `u${i}@acme.example`));
    await w.clock.advance(10 * MINUTE);
    w.site.depth = 3;
    w.site.mend();
    for (let round = 0; round < 4; round++) {
      w.keepers?.flush('acme');
      await w.clock.advance(900);
      assert.ok(spool.summary('acme').count > 0, `round ${round}`);
      spool = await w.again(power);
    }
    await w.clock.advance(2 * MINUTE);
    assert.deepEqual(new Set([...w.site.arrived]), ids);
    assert.equal(spool.summary('acme').count, 0);
    const repeats = w.site.taken.length - ids.size;
    // Connections times depth, and the group that was on its way to the disk.
    assert.ok(repeats <= 4 * (4 * 3 + 4 * 3), `${repeats} repeats`);
    await w.stop();
    await spool.close();
  });
}

test('a refusal and the notice of it are one write: told once, whenever the power goes', async () => {
  for (const at of [0, 2, 4, 6, 9]) {
    const w = new LogWorld();
    let spool = await w.start();
    w.site.answer = (address) => (address.startsWith('bad') ? NO : OK);
    w.foreign.trouble = { cause: 'connect', text: 'refused' };
    await w.put(spool, 'bad@acme.example');
    await w.clock.advance(25 + at);
    for (let i = 0; i < at; i++) await new Promise((resolve) => setImmediate(resolve));
    spool = await w.again(true);
    await w.clock.advance(DAY + 70 * MINUTE);
    await w.clock.advance(2 * MINUTE);
    const [mine, notices] = [spool.summary('acme').count, spool.summary('>sender.example').count];
    assert.deepEqual([mine, notices], [0, 1], `after ${at}`);
    w.foreign.mend();
    await w.clock.advance(31 * MINUTE);
    assert.equal(w.foreign.taken.length, 1);
    await w.stop();
    await spool.close();
  }
});
