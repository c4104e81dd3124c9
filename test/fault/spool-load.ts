/**
 * A load for the spool that remembers what it was told: which mails were acknowledged, settled, put off,
 * moved, and what was under way when the world ended. `check` compares what a restart finds with that.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { SECOND } from '../../src/base/clock.ts';
import type { Files } from '../../src/base/files.ts';
import { silent } from '../../src/base/log.ts';
import { DEFERRED, DELIVERED, entryFor, FAILED, octetsOf } from '../../src/spool/contract-support.ts';
import { type LogLimits, openLogSpool } from '../../src/spool/log/index.ts';
import type { Entry, EntryId, NewEntry, Settlement, Spool } from '../../src/spool/port.ts';
import { SimClock } from '../support/sim-clock.ts';

/** A random source that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LIMITS: Partial<LogLimits> = {
  segment: 3000,
  reserve: 0,
  gathered: 1500,
  keptForOutcomes: 2048,
  keptForCompaction: 4096,
  cache: 4096,
};

type Fate = 'kept' | 'gone' | 'either';

interface Known {
  content: Buffer;
  fate: Fate;
  /** Queue, or null if a move was under way. */
  queue: string | null;
  attempts: number;
  /** The notice that its failure caused. */
  notice?: string;
}

export class SpoolLoad {
  readonly clock: SimClock;
  readonly random: () => number;
  readonly known = new Map<EntryId, Known>();
  /** Commits that were refused. */
  refused = 0;
  #serial = 0;

  constructor(seed: number, now?: number) {
    this.random = seeded(seed);
    this.clock = new SimClock(now);
  }

  /** The same memory in another life: what the old one still does after its end is not heard of. */
  afterwards(seed: number): SpoolLoad {
    const next = new SpoolLoad(seed, this.clock.now());
    for (const [id, known] of this.known) next.known.set(id, { ...known });
    return next;
  }

  open(files: Files, limits: Partial<LogLimits> = LIMITS): Promise<Spool> {
    // Salts from the seed, so that a run can be repeated.
    const random = (n: number): Buffer =>
      Buffer.from(Array.from({ length: n }, () => Math.floor(this.random() * 256)));
    return openLogSpool({ dir: '/spool', files, clock: this.clock, log: silent, random, limits });
  }

  async steps(spool: Spool, n: number): Promise<void> {
    for (let i = 0; i < n; i++) {
      await this.#step(spool);
      if (this.random() < 0.3) await this.clock.advance(SECOND);
    }
  }

  async #step(spool: Spool): Promise<void> {
    const dice = this.random();
    if (dice < 0.5) await Promise.all([this.commit(spool), this.commit(spool), this.commit(spool)]);
    else if (dice < 0.9) await this.handOver(spool, dice < 0.6 ? 'beta' : 'acme');
    else if (dice < 0.95) await this.#move(spool);
    else await this.#remove(spool);
  }

  async commit(spool: Spool): Promise<void> {
    const queues = this.random() < 0.2 ? ['acme', 'beta'] : ['acme'];
    const draft = await spool.draft({ queues });
    if (draft.kind !== 'draft') {
      this.refused++;
      return;
    }
    const size = this.random() < 0.15 ? 4000 : Math.floor(this.random() * 900);
    const body = Buffer.alloc(size, `body of ${draft.id} `);
    const head = Buffer.from(`Received: ${draft.id}\r\n\r\n`);
    const content = Buffer.concat([head, body]);
    const ids = queues.map((_, i) => (i === 0 ? draft.id : `${draft.id}.${i + 1}`));
    ids.forEach((id, i) => {
      this.known.set(id, { content, fate: 'either', queue: queues[i] ?? '', attempts: 0 });
    });
    for (let at = 0; at < size; at += 1000) await draft.write(Buffer.from(body.subarray(at, at + 1000)));
    const result = await draft.commit(
      head,
      queues.map((queue) => entryFor(queue, `x@${queue}`, `y@${queue}`)),
    );
    if (result.kind === 'refused') this.refused++;
    for (const id of ids) this.#of(id).fate = result.kind === 'committed' ? 'kept' : 'gone';
  }

  async handOver(spool: Spool, queue: string): Promise<void> {
    const lease = await spool.lease(queue, 'load');
    if (lease.kind !== 'lease') throw new Error('busy');
    const entries = await lease.ready(this.clock.now() + 1e9, 5);
    const said: { known: Known; told: () => void }[] = [];
    const settlements = entries.map((entry): Settlement => {
      const known = this.#of(entry.id);
      const dice = this.random();
      if (dice < 0.25) {
        said.push({ known, told: () => known.attempts++ });
        return { id: entry.id, outcomes: both(DEFERRED), nextTry: this.clock.now() + 1000 };
      }
      known.fate = 'either';
      said.push({ known, told: () => (known.fate = 'gone') });
      if (dice < 0.7 || known.notice !== undefined) return { id: entry.id, outcomes: both(DELIVERED) };
      known.notice = `notice ${++this.#serial} about ${entry.id}`;
      const about: NewEntry = { ...entryFor('>example.net'), origin: { kind: 'notice', about: entry.id } };
      const notice = { content: Buffer.from(known.notice), entry: about };
      return { id: entry.id, outcomes: both(FAILED), notice };
    });
    await lease.settle(settlements);
    for (const { told } of said) told();
    await lease.release();
  }

  async #move(spool: Spool): Promise<void> {
    const id = this.#any();
    if (id === undefined) return;
    const known = this.#of(id);
    known.queue = null;
    await spool.move(id, 'beta');
    known.queue = 'beta';
  }

  async #remove(spool: Spool): Promise<void> {
    const id = this.#any();
    if (id === undefined) return;
    const known = this.#of(id);
    known.fate = 'either';
    await spool.operate([id], { kind: 'remove', by: 'load' });
    known.fate = 'gone';
  }

  /** What a restart finds is what was said; what was under way may be either, but is then settled. */
  async check(spool: Spool, where: string): Promise<void> {
    const found = new Map<EntryId, Entry>();
    const notices = new Map<string, number>();
    for await (const entry of spool.find({})) {
      if (entry.origin.kind === 'received') found.set(entry.id, entry);
      else {
        const text = (await octetsOf(await spool.open(entry.id))).toString();
        notices.set(text, (notices.get(text) ?? 0) + 1);
      }
    }
    for (const [id, known] of this.known) {
      const entry = found.get(id);
      const is = `${where}: ${id}, ${known.content.length} octets, ${known.fate}`;
      if (known.fate !== 'either') assert.equal(entry !== undefined, known.fate === 'kept', is);
      // The outcome and its notice are one: both or neither.
      if (known.notice !== undefined && known.fate !== 'either')
        assert.equal(notices.get(known.notice) ?? 0, 1, is);
      if (known.notice !== undefined && known.fate === 'either') {
        assert.equal(notices.get(known.notice) ?? 0, entry ? 0 : 1, is);
        if (entry) delete known.notice;
      }
      known.fate = entry ? 'kept' : 'gone';
      if (!entry) continue;
      assert.deepEqual(hash(await octetsOf(await spool.open(id))), hash(known.content), is);
      if (known.queue !== null) assert.equal(entry.queue, known.queue, is);
      assert.ok(entry.attempts >= known.attempts && entry.attempts <= known.attempts + 1, is);
      known.queue = entry.queue;
      known.attempts = entry.attempts;
    }
    for (const id of found.keys()) assert.ok(this.known.has(id), `${where}: ${id} was never there`);
    assert.equal(spool.health().corrupt, 0, where);
  }

  /** After damage to one octet: one record may be lost or unreadable, the rest is as it was; and it is counted. */
  async checkDamaged(spool: Spool, where: string): Promise<void> {
    const mails = new Set<string>();
    for (const [id, known] of this.known) {
      const content = await spool.open(id);
      const same = 'size' in content && (await octetsOf(content)).equals(known.content);
      if (!same) mails.add(id.replace(/\..*/, ''));
    }
    assert.ok(mails.size <= 1, `${where}: ${[...mails]}`);
    assert.equal(spool.health().corrupt > 0, true, where);
    await spool.close();
  }

  #any(): EntryId | undefined {
    const living = [...this.known].filter(([, k]) => k.fate === 'kept').map(([id]) => id);
    return living[Math.floor(this.random() * living.length)];
  }

  #of(id: EntryId): Known {
    const known = this.known.get(id);
    if (!known) throw new Error(`${id} was never there`);
    return known;
  }
}

const both = (outcome: typeof DELIVERED) => [0, 1].map((recipient) => ({ recipient, outcome }));
const hash = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');
