/**
 * Uses a spool as receiver, keepers and operator do, by seed, and writes into a book what it was told.
 */
import { randomBytes } from 'node:crypto';
import { SECOND } from '../../src/base/clock.ts';
import { errorCode, type Files } from '../../src/base/files.ts';
import { type Log, silent } from '../../src/base/log.ts';
import { DEFERRED, DELIVERED, entryFor, FAILED, octetsOf } from '../../src/spool/contract-support.ts';
import { type LogLimits, openLogSpool } from '../../src/spool/log/index.ts';
import type { Entry, EntryId, NewEntry, OperatorAct, Settlement, Spool } from '../../src/spool/port.ts';
import { seeded } from '../support/fates.ts';
import type { SimClock } from '../support/sim-clock.ts';
import { type Book, type Name, NOT_YET, RESERVES, type Shown, shownOf } from './book.ts';

export const LIMITS: Partial<LogLimits> = {
  segment: 3000,
  reserve: 0,
  gathered: 1500,
  cache: 4096,
  ...RESERVES,
};

const QUEUES = ['acme', 'beta'] as const;
const NEW: Omit<Shown, 'queue'> = { recipients: 'pending pending', attempts: 0, nextTry: 0, hold: '' };
const ODD = { kind: 'operator', reason: 'looks odd' } as const;
const both = (outcome: typeof DELIVERED) => [0, 1].map((recipient) => ({ recipient, outcome }));

export interface OpenOptions {
  readonly seed?: number;
  readonly limits?: Partial<LogLimits>;
  readonly log?: Log;
}

/** Salts come from the seed, so that a run can be repeated. */
export function openOn(files: Files, clock: SimClock, options: OpenOptions = {}): Promise<Spool> {
  const random = options.seed === undefined ? null : seeded(options.seed);
  return openLogSpool({
    dir: '/var/spool',
    files,
    clock,
    log: options.log ?? silent,
    random: (n) => (random ? Buffer.from(Array.from({ length: n }, () => random() * 256)) : randomBytes(n)),
    limits: { ...LIMITS, ...options.limits },
  });
}

export class Actor {
  readonly spool: Spool;
  readonly clock: SimClock;
  readonly book: Book;
  readonly random: () => number;
  /** Commits that were refused, by reason. */
  readonly refused: string[] = [];
  /** Entries at which somebody is at work. */
  readonly #busy = new Set<Name>();
  #serial = 0;
  #commits = 0;

  constructor(spool: Spool, clock: SimClock, book: Book, seed: number) {
    this.spool = spool;
    this.clock = clock;
    this.book = book;
    this.random = seeded(seed);
  }

  async steps(n: number): Promise<void> {
    for (let i = 0; i < n; i++) {
      const dice = this.random();
      if (dice < 0.4) await Promise.all([this.commit(), this.commit(), this.commit()]);
      else if (dice < 0.55) await Promise.all([this.commit(), this.handOver('acme'), this.handOver('beta')]);
      else if (dice < 0.75) await this.handOver(dice < 0.6 ? 'beta' : 'acme');
      else if (dice < 0.8) await this.handOver('>example.net');
      else await this.operate();
      if (this.random() < 0.3) await this.clock.advance(SECOND);
    }
  }

  async commit(size = this.random() < 0.2 ? 1600 + this.#below(3000) : this.#below(900)): Promise<void> {
    const queues = this.random() < 0.2 ? [...QUEUES] : [this.random() < 0.7 ? 'acme' : 'beta'];
    const draft = await this.spool.draft({ queues });
    if (draft.kind !== 'draft') {
      this.refused.push(draft.why);
      return;
    }
    const body = Buffer.alloc(size, `body of ${draft.id} `);
    const head = Buffer.from(`Received: ${draft.id}\r\n\r\n`);
    const effects = new Map<Name, Shown | null>();
    // Now and then into quarantine; without a dice, so that the rest is as ever.
    const held = ++this.#commits % 5 === 0;
    queues.forEach((queue, i) => {
      const id = i === 0 ? draft.id : `${draft.id}.${i + 1}`;
      this.book.contents.set(id, Buffer.concat([head, body]));
      effects.set(id, { ...NEW, queue, hold: held ? ODD.reason : '' });
    });
    for (let at = 0; at < size; at += 1000) await draft.write(Buffer.from(body.subarray(at, at + 1000)));
    const deed = this.book.begin(effects);
    const result = await draft.commit(
      head,
      queues.map((queue) => ({ ...entryFor(queue, `x@${queue}`, `y@${queue}`), ...(held && { hold: ODD }) })),
    );
    if (result.kind === 'committed') return this.book.done(deed);
    this.refused.push(result.why);
    this.book.refused(deed, result.why === 'io');
  }

  /** Up to five entries: delivered, put off, or failed with a notice. */
  async handOver(queue: string, only?: 'delivered'): Promise<void> {
    const lease = await this.spool.lease(queue, 'actor');
    if (lease.kind !== 'lease') return;
    const settlements: Settlement[] = [];
    const effects = new Map<Name, Shown | null>();
    const names = new Map<EntryId, Name>();
    for (const entry of await lease.ready(this.clock.now() + 1e9, 5)) {
      const name = await this.#nameOf(entry);
      if (name === null || this.#busy.has(name)) continue;
      this.#busy.add(name);
      names.set(entry.id, name);
      const dice = only === 'delivered' ? 1 : this.random();
      if (dice < 0.25) {
        const nextTry = this.clock.now() + 1000;
        settlements.push({ id: entry.id, outcomes: both(DEFERRED), nextTry });
        effects.set(name, { ...shownOf(entry), attempts: entry.attempts + 1, nextTry });
        continue;
      }
      effects.set(name, NOT_YET);
      if (dice >= 0.6 || entry.origin.kind === 'notice') {
        settlements.push({ id: entry.id, outcomes: both(DELIVERED) });
        continue;
      }
      const text = `notice ${++this.#serial} about ${name} at ${this.clock.now()}`;
      this.book.contents.set(text, Buffer.from(text));
      effects.set(text, { ...NEW, recipients: 'pending', queue: '>example.net' });
      const about: NewEntry = { ...entryFor('>example.net'), origin: { kind: 'notice', about: entry.id } };
      const notice = { content: Buffer.from(text), entry: about };
      settlements.push({ id: entry.id, outcomes: both(FAILED), notice });
    }
    if (settlements.length > 0) {
      const deed = this.book.begin(effects);
      await lease.settle(settlements);
      this.book.done(deed);
    }
    for (const name of names.values()) this.#busy.delete(name);
    await lease.release();
  }

  /** Hold, release, hasten, move, split or remove one entry. */
  async operate(acts = 6): Promise<void> {
    const living = this.book.view
      .living()
      .filter((name) => !name.startsWith('notice') && !this.#busy.has(name));
    const name = living[this.#below(living.length)];
    const before = name === undefined ? null : this.book.view.states.get(name);
    if (name === undefined || !before) return;
    this.#busy.add(name);
    const dice = this.#below(acts);
    const now = this.clock.now();
    const { spool } = this;
    const one = (state: Shown | null): Map<Name, Shown | null> => new Map([[name, state]]);
    const act = async (what: OperatorAct): Promise<boolean> =>
      (await spool.operate([name], what)).includes(name);
    if (dice === 0) await this.#do(one(NOT_YET), () => act({ kind: 'remove', by: 'actor' }));
    else if (dice === 1) {
      const hold = { kind: 'operator', reason: 'wait' } as const;
      await this.#do(one({ ...before, hold: 'wait' }), () => act({ kind: 'hold', hold }));
    } else if (dice === 2 && before.hold !== '') {
      await this.#do(one({ ...before, hold: '', nextTry: now }), () => act({ kind: 'release' }));
    } else if (dice === 3 && before.nextTry > now) {
      await this.#do(one({ ...before, nextTry: now }), () => act({ kind: 'hasten' }));
    } else if (dice === 4) {
      const queue = before.queue === 'acme' ? 'beta' : 'acme';
      await this.#do(one({ ...before, queue, nextTry: 0 }), () => this.#move(name, queue));
    } else if (dice === 5) await this.#split(name, before);
    this.#busy.delete(name);
  }

  async #split(name: Name, before: Shown): Promise<void> {
    if (before.recipients !== 'pending pending') return;
    const [mail = ''] = name.split('.');
    const of = [...this.book.contents.keys()].filter((n) => n === mail || n.startsWith(`${mail}.`));
    const top = Math.max(...of.map((n) => Number(n.split('.')[1] ?? 1))) + 1;
    const second = `${mail}.${top}`;
    const queue = before.queue === 'acme' ? 'beta' : 'acme';
    this.book.contents.set(second, this.book.contents.get(name) ?? Buffer.alloc(0));
    const effects = new Map<Name, Shown | null>([
      [name, { ...before, recipients: 'pending moved' }],
      [second, { ...NEW, recipients: 'pending', queue, hold: before.hold }],
    ]);
    this.#busy.add(second);
    await this.#do(effects, () => this.#move(name, queue, [1]));
    this.#busy.delete(second);
  }

  /** False: what cannot be read is left where it is. */
  async #move(name: Name, to: string, recipients?: readonly number[]): Promise<boolean> {
    const before = this.spool.summary(to).count;
    await this.spool.move(name, to, recipients).catch((error: unknown) => {
      if (errorCode(error) === '') throw error;
    });
    return this.spool.summary(to).count > before;
  }

  async #do(effects: ReadonlyMap<Name, Shown | null>, act: () => Promise<boolean>): Promise<void> {
    const deed = this.book.begin(effects);
    if (await act()) this.book.done(deed);
    else this.book.refused(deed, false);
  }

  /** Null: it cannot be read now. */
  async #nameOf(entry: Entry): Promise<Name | null> {
    if (entry.origin.kind !== 'notice') return entry.id;
    const content = await this.spool.open(entry.id);
    return 'size' in content ? (await octetsOf(content)).toString('latin1') : null;
  }

  #below(n: number): number {
    return Math.floor(this.random() * n);
  }
}
