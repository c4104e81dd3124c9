/**
 * Leases, in memory: one holder for each queue, under a number that rises with each lease. The holder
 * hands entries out and settles them.
 */
import type { Instant } from '../../base/clock.ts';
import type { Order } from '../../site/site.ts';
import type {
  Busy,
  Content,
  Corrupt,
  Entry,
  EntryId,
  Gone,
  Lease,
  Listing,
  QueueName,
  Settlement,
} from '../port.ts';
import { entryText, type Key, parseEntryId } from './ids.ts';
import type { Queue } from './memory-index.ts';
import { readAhead } from './read-ahead.ts';
import { changeTo, settled } from './settle.ts';
import { Sorted } from './sorted.ts';
import type { Birth, Change, LogStore } from './store.ts';
import { FLAG, type Row } from './table.ts';
import { type Loaded, load, open } from './view.ts';

/** An entry that is handed out. */
interface Out {
  readonly lease: LogLease;
  loaded: Loaded | null;
  /** Entries that some of its recipients were moved to meanwhile: they come back together. */
  readonly moved: { readonly id: EntryId; readonly recipients: readonly number[] }[];
}

/** Entries read at once. */
const BATCH = 32;
/** Entries whose records are read together, before they are listed. */
const AHEAD = 64;
/** Entries listed at once: what is between two pages may change meanwhile. */
const PAGE = 1024;

export class Leases {
  readonly store: LogStore;
  readonly out = new Map<EntryId, Out>();
  readonly #held = new Map<QueueName, LogLease>();
  readonly #holders = new Map<QueueName, string>();
  #epoch = 0;

  constructor(store: LogStore) {
    this.store = store;
  }

  take(name: QueueName, holder: string): Lease | Busy {
    const busy = this.#holders.get(name);
    if (busy !== undefined) return { kind: 'busy', holder: busy };
    const queue = this.store.index.queue(name);
    queue.leased = true;
    const lease = new LogLease(this, queue, ++this.#epoch);
    this.#held.set(name, lease);
    this.#holders.set(name, holder);
    return lease;
  }

  end(queue: Queue): void {
    this.#held.delete(queue.name);
    this.#holders.delete(queue.name);
    queue.leased = false;
    this.store.index.drop(queue);
  }

  async close(): Promise<void> {
    for (const lease of this.#held.values()) await lease.release();
  }

  row(id: EntryId): Row {
    const key = parseEntryId(id);
    return key ? this.store.index.table.find(key.mail, key.suffix) : -1;
  }

  /** Recipients of an entry went to a new one: if it is handed out, so is the new one, until it comes back. */
  follow(from: EntryId, to: EntryId, recipients: readonly number[]): void {
    const out = this.out.get(from);
    if (!out) return;
    out.moved.push({ id: to, recipients });
    this.out.set(to, { lease: out.lease, loaded: null, moved: [] });
    this.#mark(to, true, out.lease);
  }

  /** The entry, and what was split from it, may be handed out again. */
  back(id: EntryId, lease: LogLease): void {
    const out = this.out.get(id);
    if (out?.lease !== lease) return;
    this.out.delete(id);
    // Tables that the map has outgrown name it for a while.
    out.loaded = null;
    this.#mark(id, false, lease);
    for (const moved of out.moved) this.back(moved.id, lease);
  }

  /** `inDoubt` stay handed out, and what was split from them. */
  over(lease: LogLease, inDoubt: readonly EntryId[]): void {
    const kept = new Set<EntryId>();
    const keep = (id: EntryId): void => {
      kept.add(id);
      for (const moved of this.out.get(id)?.moved ?? []) keep(moved.id);
    };
    inDoubt.forEach(keep);
    for (const [id, out] of [...this.out]) if (out.lease === lease && !kept.has(id)) this.back(id, lease);
  }

  #mark(id: EntryId, out: boolean, lease: LogLease): void {
    const row = this.row(id);
    if (row < 0) return;
    this.store.index.setOut(row, out);
    const queue = this.store.index.queueOf(row);
    // Moved while it was handed out, or in doubt under a lease that is over: its new keeper learns of it now.
    if (!out && this.#held.get(queue.name) !== lease) this.store.arrival(queue.name);
  }
}

interface Item {
  readonly settlement: Settlement;
  readonly key: Key;
}

class LogLease implements Lease {
  readonly kind = 'lease';
  readonly queue: QueueName;
  readonly epoch: number;
  readonly #all: Leases;
  readonly #store: LogStore;
  readonly #queue: Queue;
  readonly #lost = new AbortController();
  /** Once another order than that of arrival was asked for. */
  #sorted: Sorted | null = null;

  constructor(all: Leases, queue: Queue, epoch: number) {
    this.#all = all;
    this.#store = all.store;
    this.#queue = queue;
    this.queue = queue.name;
    this.epoch = epoch;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async ready(now: Instant, limit: number, order: Order = 'arrival'): Promise<readonly Entry[]> {
    if (order === 'arrival') return this.#handOutReady(now, limit, () => this.#queue.order.firstReady(now));
    if (this.#sorted?.by !== order) this.#sorted = new Sorted(this.#store, this.#queue, order);
    const sorted = this.#sorted;
    const next = () => sorted.next(now);
    const entries = await this.#handOutReady(now, limit, next);
    if (entries.length > 0 || this.lost.aborted) return entries;
    await sorted.fill(now);
    return this.#handOutReady(now, limit, next);
  }

  #handOutReady(now: Instant, limit: number, next: () => Row): Promise<readonly Entry[]> {
    return this.#handOut(limit, () => {
      const row = next();
      if (row >= 0) this.#store.index.liftHold(row, now);
      return row;
    });
  }

  due(query: { arrivedBefore: Instant; warned?: number }, limit: number): Promise<readonly Entry[]> {
    return this.#handOut(limit, () => {
      const row = this.#queue.order.firstWithFewer(query.warned ?? 256);
      return row >= 0 && (this.#store.index.table.arrived[row] ?? 0) <= query.arrivedBefore ? row : -1;
    });
  }

  giveBack(ids: readonly EntryId[]): void {
    for (const id of ids) this.#all.back(id, this);
  }

  hasten(now: Instant): void {
    if (!this.lost.aborted) this.#queue.order.hasten(now);
  }

  nextReady(): Instant | null {
    const earliest = this.lost.aborted ? Infinity : this.#queue.order.earliest();
    return earliest === Infinity ? null : earliest;
  }

  async *list(read?: (listing: Listing) => boolean): AsyncIterable<Listing> {
    const { table } = this.#store.index;
    let last: { arrived: number; mail: number; suffix: number } | null = null;
    while (!this.lost.aborted) {
      const rows = this.#queue.order.after(last, PAGE);
      const final = rows.at(-1);
      if (final === undefined) return;
      last = { arrived: table.arrived[final] ?? 0, ...this.#store.key(final) };
      const page = rows.flatMap((row) => this.#listing(row) ?? []);
      for (let i = 0; i < page.length; i += AHEAD) {
        const some = page.slice(i, i + AHEAD);
        if (read) await this.#ahead(some.filter(read));
        yield* some;
      }
    }
  }

  async #ahead(listings: readonly Listing[]): Promise<void> {
    const rows = listings.map(({ id }) => this.#all.row(id)).filter((row) => row >= 0);
    if (rows.length > 0) await readAhead(this.#store, rows);
  }

  async open(id: EntryId, from = 0): Promise<Content | Corrupt | Gone> {
    const row = this.#all.row(id);
    return row < 0 ? { kind: 'gone' } : open(this.#store, row, from);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const items = this.#itemsOf(settlements);
    // A start on a full disk may have no segment yet, from which numbers of notices come.
    if (!this.#store.numbers.areLeft && settlements.some((s) => s.notice))
      await this.#store.writer.ready(true);
    const current = await this.#load(items);
    const changes: Change[] = [];
    const births: Birth[] = [];
    // From here to the change there is no await: what was read is what is changed.
    for (const { settlement, key } of items) {
      const id = entryText(key.mail, key.suffix);
      const loaded = current.get(id);
      if (!loaded) continue;
      const next = settled(loaded.entry, settlement, this.#isLate(id, loaded.entry));
      if (next.kind === 'unchanged') continue;
      if (next.kind === 'gone') {
        changes.push({ kind: 'dead', row: loaded.row });
        current.delete(id);
      } else {
        changes.push(changeTo(loaded.row, next.entry));
        current.set(id, { ...loaded, entry: next.entry });
      }
      if (settlement.notice) births.push(this.#noticeOf(settlement.notice));
    }
    try {
      await this.#store.change(changes, births);
    } finally {
      for (const { id } of settlements) this.#all.back(id, this);
    }
  }

  async release(inDoubt: readonly EntryId[] = []): Promise<void> {
    if (this.lost.aborted) return;
    this.#lost.abort();
    this.#all.over(this, inDoubt);
    this.#all.end(this.#queue);
  }

  /** Null: held, in doubt under another lease, or cannot be read. */
  #listing(row: Row): Listing | null {
    const { index } = this.#store;
    const { table } = index;
    index.liftHold(row, this.#store.clock.now());
    if (table.hold(row) !== 0 || table.has(row, FLAG.corrupt)) return null;
    const { mail, suffix } = this.#store.key(row);
    const id = entryText(mail, suffix);
    if (table.has(row, FLAG.out) && this.#all.out.get(id)?.lease !== this) return null;
    const extent = table.extent(row);
    return {
      id,
      size: table.size[row] ?? 0,
      arrived: table.arrived[row] ?? 0,
      ...(extent && { extent }),
    };
  }

  async #handOut(limit: number, next: () => Row): Promise<readonly Entry[]> {
    const { index } = this.#store;
    const rows: { row: Row; id: EntryId }[] = [];
    while (rows.length < limit && !this.lost.aborted) {
      const row = next();
      if (row < 0) break;
      const { mail, suffix } = this.#store.key(row);
      const id = entryText(mail, suffix);
      index.setOut(row, true);
      this.#all.out.set(id, { lease: this, loaded: null, moved: [] });
      rows.push({ row, id });
    }
    const entries: Entry[] = [];
    await readAhead(
      this.#store,
      rows.map(({ row }) => row),
    );
    for (let i = 0; i < rows.length; i += BATCH) {
      const batch = rows.slice(i, i + BATCH);
      const loaded = await Promise.all(batch.map(({ row, id }) => this.#loadOut(row, id)));
      for (const entry of loaded) if (entry) entries.push(entry);
    }
    return this.lost.aborted ? [] : entries;
  }

  async #loadOut(row: Row, id: EntryId): Promise<Entry | null> {
    const loaded = await load(this.#store, row);
    const out = this.#all.out.get(id);
    if (out?.lease !== this) return null;
    if (loaded.kind === 'entry' && loaded.entry.id === id) {
      out.loaded = loaded;
      return loaded.entry;
    }
    this.#all.back(id, this);
    return null;
  }

  /** With a settlement of its own for each entry that recipients were moved to while this was handed out. */
  #itemsOf(settlements: readonly Settlement[]): Item[] {
    const items: Item[] = [];
    const add = (settlement: Settlement): void => {
      const key = parseEntryId(settlement.id);
      if (!key) return;
      items.push({ settlement, key });
      for (const { id, recipients } of this.#all.out.get(settlement.id)?.moved ?? []) {
        const outcomes = settlement.outcomes
          .filter((o) => recipients.includes(o.recipient))
          .map((o) => ({ ...o, recipient: recipients.indexOf(o.recipient) }));
        if (outcomes.length > 0) add({ id, outcomes });
      }
    };
    settlements.forEach(add);
    return items;
  }

  /** All that are still there, each as it is at the same moment. */
  async #load(items: readonly Item[]): Promise<Map<EntryId, Loaded>> {
    const { table } = this.#store.index;
    const loaded = new Map<EntryId, Loaded>();
    for (;;) {
      let complete = true;
      for (const { key } of items) {
        const id = entryText(key.mail, key.suffix);
        const row = table.find(key.mail, key.suffix);
        if (row < 0 || table.has(row, FLAG.corrupt)) {
          loaded.delete(id);
          continue;
        }
        const known = loaded.get(id) ?? this.#all.out.get(id)?.loaded;
        if (known?.row === row && known.version === table.version[row] && !this.#store.inFlight(row)) {
          loaded.set(id, known);
          continue;
        }
        complete = false;
        const read = await load(this.#store, row);
        if (read.kind === 'entry') loaded.set(id, read);
      }
      if (complete) return loaded;
    }
  }

  #isLate(id: EntryId, entry: Entry): boolean {
    const holder = this.#all.out.get(id)?.lease;
    return this.lost.aborted || entry.queue !== this.queue || (holder !== undefined && holder !== this);
  }

  #noticeOf(notice: NonNullable<Settlement['notice']>): Birth {
    const mail = this.#store.numbers.next();
    if (mail === null) throw new Error('mail numbers have run out');
    return {
      mail,
      entries: [{ ...notice.entry, suffix: 1 }],
      arrived: this.#store.clock.now(),
      head: [notice.content],
      top: 1,
    };
  }
}
