/**
 * The spool port in memory, durable as long as the object lives: for simulations of weeks, in which
 * the log store's own work would be all that is measured. Content is not kept but for its size.
 */
import type { Clock, Instant } from '../../src/base/clock.ts';
import { type Envelope, extentOf } from '../../src/mail/envelope.ts';
import type { Order } from '../../src/site/site.ts';
import type {
  Busy,
  Content,
  Draft,
  Entry,
  EntryId,
  EntryQuery,
  Gone,
  Lease,
  Listing,
  NewEntry,
  OperatorAct,
  QueueName,
  QueueSummary,
  RecipientState,
  Settlement,
  Spool,
  SpoolHealth,
} from '../../src/spool/port.ts';

type Stored = { -readonly [K in keyof Entry]: Entry[K] } & { out: MemoryLease | null };

export class MemorySpool implements Spool {
  readonly #clock: Clock;
  readonly entries = new Map<EntryId, Stored>();
  readonly #listeners = new Set<(queue: QueueName) => void>();
  readonly #leases = new Map<QueueName, MemoryLease>();
  /** Notices that settles caused. */
  readonly notices: { content: string; entry: NewEntry }[] = [];
  /** Settlements, in order. */
  readonly settled: Settlement[] = [];
  /** When set, `ready` takes a turn of the loop before it looks, as with a disk. */
  slow = false;
  /** When set, settle rejects. */
  broken = false;
  #serial = 0;
  #epoch = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts mail in as a commit would. */
  put(queue: QueueName, more: Partial<Entry> & { envelope?: Envelope } = {}): EntryId {
    const mail = `m${String(++this.#serial).padStart(6, '0')}`;
    const envelope = more.envelope ?? plainEnvelope(`user${this.#serial}@${queue}.example`);
    this.entries.set(mail, {
      id: mail,
      mail,
      queue,
      origin: { kind: 'received', peer: '192.0.2.1', helo: 'sender.example', protocol: 'ESMTP' },
      arrived: this.#clock.now(),
      size: 2000,
      attempts: 0,
      nextTry: 0,
      warned: 0,
      ...more,
      envelope,
      recipients: more.recipients ?? envelope.recipients.map((): RecipientState => ({ state: 'pending' })),
      out: null,
    });
    this.arrival(queue);
    return mail;
  }

  arrival(queue: QueueName): void {
    for (const fn of this.#listeners) fn(queue);
  }

  /** All leases are lost, as by a crash; entries stay. */
  crash(): void {
    for (const lease of [...this.#leases.values()]) lease.lose();
  }

  /** As by kill -9: what the holders of leases still say is not heard. */
  kill(): void {
    for (const lease of [...this.#leases.values()]) {
      lease.killed = true;
      lease.lose();
    }
  }

  async lease(queue: QueueName, holder: string): Promise<Lease | Busy> {
    const there = this.#leases.get(queue);
    if (there) return { kind: 'busy', holder };
    const lease = new MemoryLease(this, queue, ++this.#epoch, () => this.#leases.delete(queue));
    this.#leases.set(queue, lease);
    return lease;
  }

  *queues(): Iterable<QueueSummary> {
    for (const queue of new Set([...this.entries.values()].map((e) => e.queue))) yield this.summary(queue);
  }

  summary(queue: QueueName): QueueSummary {
    let [count, held, deferred, bytes] = [0, 0, 0, 0];
    let oldest: Instant | null = null;
    for (const e of this.entries.values()) {
      if (e.queue !== queue) continue;
      count++;
      bytes += e.size;
      if (e.hold) held++;
      else if (e.attempts > 0) deferred++;
      if (oldest === null || e.arrived < oldest) oldest = e.arrived;
    }
    return { queue, count, held, deferred, bytes, oldest };
  }

  async *find(query: EntryQuery): AsyncIterable<Entry> {
    for (const e of [...this.entries.values()]) {
      if (query.queue !== undefined && e.queue !== query.queue) continue;
      if (query.held !== undefined && (e.hold !== undefined) !== query.held) continue;
      yield { ...e };
    }
  }

  async read(id: EntryId): Promise<Entry | Gone> {
    return this.entries.get(id) ?? { kind: 'gone' };
  }

  async open(id: EntryId): Promise<Content | Gone> {
    const entry = this.entries.get(id);
    if (!entry) return { kind: 'gone' };
    const bytes = Buffer.from(`Subject: ${id}\r\n\r\nbody\r\n`);
    return {
      size: bytes.length,
      pieces: [bytes],
      chunks: async function* () {
        yield bytes;
      },
      close: async () => {},
    };
  }

  async operate(ids: readonly EntryId[], act: OperatorAct): Promise<readonly EntryId[]> {
    const done: EntryId[] = [];
    for (const id of ids) {
      const e = this.entries.get(id);
      if (!e) continue;
      if (act.kind === 'remove') this.entries.delete(id);
      else if (act.kind === 'hold') e.hold = act.hold;
      else e.nextTry = this.#clock.now();
      if (act.kind === 'release') delete e.hold;
      done.push(id);
      this.arrival(e.queue);
    }
    return done;
  }

  async move(id: EntryId, to: QueueName, recipients?: readonly number[]): Promise<void> {
    const e = this.entries.get(id);
    if (!e) return;
    if (!recipients) {
      e.queue = to;
      e.nextTry = 0;
      if (e.hold?.kind === 'site removed') delete e.hold;
    } else {
      const going = <T>(all: readonly T[]) => all.filter((_, i) => recipients.includes(i));
      const born = `${e.mail}.${++this.#serial}`;
      const envelope = { ...e.envelope, recipients: going(e.envelope.recipients) };
      const part = { envelope, recipients: going(e.recipients), id: born, queue: to, hold: undefined };
      this.entries.set(born, { ...e, ...part, out: null });
      // As in the log store: indices stay what they were.
      e.recipients = e.recipients.map((r, i) => (recipients.includes(i) ? { ...r, state: 'moved' } : r));
    }
    this.arrival(to);
  }

  onArrival(fn: (queue: QueueName) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  health(): SpoolHealth {
    return { state: 'ok', room: 1e9, entries: this.entries.size, bytes: 0, corrupt: 0 };
  }

  async draft(): Promise<Draft> {
    throw new Error('not here: use put()');
  }

  async close(): Promise<void> {}

  apply(s: Settlement, late: boolean): void {
    this.settled.push(s);
    const e = this.entries.get(s.id);
    if (!e) return;
    const recipients = [...e.recipients];
    for (const { recipient, outcome } of s.outcomes) {
      if (recipients[recipient]?.state !== 'pending' || (late && outcome.kind === 'deferred')) continue;
      recipients[recipient] = {
        state: outcome.kind === 'deferred' ? 'pending' : outcome.kind,
        last: outcome,
      };
    }
    e.recipients = recipients;
    e.out = null;
    if (late) this.arrival(e.queue);
    if (s.notice) {
      this.notices.push({ content: Buffer.from(s.notice.content).toString('utf8'), entry: s.notice.entry });
      this.put(s.notice.entry.queue, s.notice.entry);
    }
    if (s.hold) e.hold = s.hold;
    if (!late && s.outcomes.some((o) => o.outcome.kind === 'deferred')) e.attempts++;
    if (s.nextTry !== undefined) e.nextTry = s.nextTry;
    if (s.warned !== undefined) e.warned = s.warned;
    if (!e.hold && !recipients.some((r) => r.state === 'pending')) this.entries.delete(s.id);
  }
}

class MemoryLease implements Lease {
  readonly kind = 'lease';
  killed = false;
  readonly queue: QueueName;
  readonly epoch: number;
  readonly #spool: MemorySpool;
  readonly #lost = new AbortController();
  readonly #gone: () => void;

  constructor(spool: MemorySpool, queue: QueueName, epoch: number, gone: () => void) {
    this.#spool = spool;
    this.queue = queue;
    this.epoch = epoch;
    this.#gone = gone;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(inDoubt: readonly EntryId[] = []): void {
    for (const e of this.#spool.entries.values()) if (e.out === this && !inDoubt.includes(e.id)) e.out = null;
    this.#gone();
    this.#lost.abort();
  }

  async ready(now: Instant, limit: number, order: Order = 'arrival'): Promise<readonly Entry[]> {
    if (this.#spool.slow) await new Promise((resolve) => setImmediate(resolve));
    return this.#take((e) => e.nextTry <= now, limit, order);
  }

  giveBack(ids: readonly EntryId[]): void {
    for (const id of ids) {
      const e = this.#spool.entries.get(id);
      if (e?.out !== this) continue;
      e.out = null;
      if (this.lost.aborted) this.#spool.arrival(e.queue);
    }
  }

  hasten(now: Instant): void {
    for (const e of this.#spool.entries.values()) {
      if (e.queue === this.queue && !e.out && e.nextTry > now) e.nextTry = now;
    }
  }

  nextReady(): Instant | null {
    let next: Instant | null = null;
    for (const e of this.#spool.entries.values()) {
      if (e.queue !== this.queue || e.out || e.hold) continue;
      if (next === null || e.nextTry < next) next = e.nextTry;
    }
    return next;
  }

  async due(query: { arrivedBefore: Instant; warned?: number }, limit: number): Promise<readonly Entry[]> {
    const { arrivedBefore, warned = Infinity } = query;
    return this.#take((e) => e.arrived <= arrivedBefore && e.warned < warned, limit);
  }

  async *list(): AsyncIterable<Listing> {
    for (const { id, queue, hold, size, arrived, envelope, recipients, out } of [
      ...this.#spool.entries.values(),
    ]) {
      if (queue !== this.queue || hold || (out && out !== this)) continue;
      const whole = recipients.every((r) => r.state === 'pending');
      yield { id, size, arrived, ...(whole && { extent: extentOf(envelope.sender, envelope.recipients) }) };
    }
  }

  open(id: EntryId): Promise<Content | Gone> {
    return this.#spool.open(id);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    if (this.killed) return;
    if (this.#spool.broken) {
      // As the log store does.
      this.giveBack(settlements.map((s) => s.id));
      throw new Error('disk on fire');
    }
    for (const s of settlements) this.#spool.apply(s, this.lost.aborted);
  }

  async release(inDoubt: readonly EntryId[] = []): Promise<void> {
    this.lose(inDoubt);
  }

  #take(which: (e: Stored) => boolean, limit: number, order: Order = 'arrival'): Entry[] {
    if (this.lost.aborted) return [];
    const taken: Entry[] = [];
    const all = [...this.#spool.entries.values()];
    if (order === 'size') all.sort((a, b) => a.size - b.size);
    if (order === 'sender') all.sort((a, b) => (a.envelope.sender < b.envelope.sender ? -1 : 1));
    for (const e of all) {
      if (taken.length >= limit) break;
      if (e.queue !== this.queue || e.out || e.hold || !which(e)) continue;
      e.out = this;
      taken.push({ ...e });
    }
    return taken;
  }
}

export const plainEnvelope = (to: string, sender = 'sender@sender.example'): Envelope => ({
  sender,
  recipients: [{ address: to }],
  body: '7bit',
  smtputf8: false,
});
