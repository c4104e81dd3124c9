/**
 * Gives room back: copies what is still needed out of segments that are mostly dead (or doubtful), sorted
 * by queue, so that the mail of a dead site ends in segments of its own; then removes them.
 *
 * Promises: a place in the index changes only after the copy is durable; deaths and states that only the
 * old segment told are carried forward first. The rate is bounded, but for when the disk is full.
 */
import { MINUTE, sleep } from '../../base/clock.ts';
import { isNoSpace } from '../../base/files.ts';
import { mailText } from './ids.ts';
import { lengthOf, OpenSegment, type Piece } from './open-segment.ts';
import { type DeadItem, type Draught, encodeMeta, type MessageItem } from './record.ts';
import { scan } from './scan.ts';
import { DamagedRecord, DEATH_WEIGHT, messageWeight, type Segment, STATE_WEIGHT } from './segment.ts';
import { type IndexedRecord, readSideFile } from './side-file.ts';
import type { LogStore, MessageDetail } from './store.ts';
import type { Row } from './table.ts';
import { readMessage } from './view.ts';

/** Below this share of living octets a segment is copied. */
const WORTH_KEEPING = 0.8;
/** Octets copied at once, and the pause behind them: at most 10 MB/s. */
const STEP = 1024 * 1024;
const PAUSE = 100;
/** After which what could not be read is tried again. */
const PATIENCE = 10 * MINUTE;

/** A record to be copied, and what to do when the copy is durable. */
interface Copy {
  readonly piece: Piece;
  readonly rows: readonly Row[];
  /** Is it still what it was copied from? */
  readonly isTrue: () => boolean;
  readonly placed: (segment: Segment, offset: number) => void;
}

export class Compactor {
  readonly #store: LogStore;
  readonly #limit: number;
  readonly #stop: AbortSignal;
  #output: OpenSegment | null = null;
  /** Segments with what could not be copied, and until when they are left alone. */
  readonly #stuck = new Map<number, number>();
  /** Something in the segment at hand could not be read. */
  #unreadable = false;

  constructor(store: LogStore, limit: number, stop: AbortSignal) {
    this.#store = store;
    this.#limit = limit;
    this.#stop = stop;
  }

  /** One segment. False: there was nothing to do, or it could not be done now. */
  async run(): Promise<boolean> {
    const { log } = this.#store;
    const victim = this.#choose();
    if (!victim) return false;
    victim.pinned++;
    try {
      if (!(await this.#evacuate(victim))) return false;
    } catch (error) {
      this.#leave(victim);
      log.warn('segment not given up', { file: victim.path, why: String(error) });
    } finally {
      victim.pinned--;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#output?.seal(this.#store.segments, this.#store.log, false);
    this.#output = null;
  }

  #leave(victim: Segment): void {
    this.#stuck.set(victim.number, this.#store.clock.monotonic() + PATIENCE);
  }

  #choose(): Segment | null {
    let best: Segment | null = null;
    const now = this.#store.clock.monotonic();
    for (const segment of this.#store.segments.all()) {
      if (segment.pinned > 0 || (this.#stuck.get(segment.number) ?? 0) > now) continue;
      // Nothing to be copied: it only waits for others to go first.
      if (!segment.isNeeded) continue;
      if (segment.state === 'doubtful') return segment;
      if (segment.state !== 'sealed' || this.#share(segment) >= WORTH_KEEPING) continue;
      if (!best || this.#share(segment) < this.#share(best)) best = segment;
    }
    return best;
  }

  #share(segment: Segment): number {
    return segment.live / Math.max(1, segment.written);
  }

  async #evacuate(victim: Segment): Promise<boolean> {
    const { log } = this.#store;
    this.#unreadable = false;
    let group: Copy[] = [];
    let octets = 0;
    for await (const copy of this.#copies(victim)) {
      group.push(copy);
      octets += lengthOf(copy.piece);
      if (octets < STEP) continue;
      if (!(await this.#write(group))) return false;
      group = [];
      octets = 0;
      if (this.#store.room.isOpen()) await sleep(this.#store.clock, PAUSE, this.#stop);
      if (this.#stop.aborted) return false;
    }
    if (group.length > 0 && !(await this.#write(group))) return false;
    if (victim.used > 0 && this.#unreadable) {
      this.#leave(victim);
      log.warn('segment not given up', { file: victim.path, entries: victim.used });
      return true;
    }
    if (victim.used > 0) {
      // Something changed while it was copied, and what it became is not durable yet.
      this.#store.wake();
      return false;
    }
    victim.speaksOf.clear();
    return true;
  }

  async *#copies(victim: Segment): AsyncGenerator<Copy> {
    const { index } = this.#store;
    const { table } = index;
    const messages = new Map<number, Row[]>();
    const states: Row[] = [];
    const rows: Row[] = [];
    for (let row = 0; row < table.top; row++) {
      if (table.mail[row] === -1) continue;
      if (table.segment[row] === victim.slot) rows.push(row);
      if (table.stateSegment[row] === victim.slot) states.push(row);
    }
    rows.sort((a, b) => (table.queue[a] ?? 0) - (table.queue[b] ?? 0) || table.compare(a, b));
    const keys = new Map(rows.map((row) => [row, this.#store.key(row)]));
    for (const row of rows) {
      const offset = table.offset[row] ?? 0;
      const together = messages.get(offset);
      if (together) together.push(row);
      else messages.set(offset, [row]);
    }
    yield* this.#deaths(victim);
    for (const [offset, sharing] of messages) {
      const living = sharing.filter((row) => this.#is(row, keys.get(row)) && table.offset[row] === offset);
      const byMail = new Map<number, Row[]>();
      for (const row of living) {
        const mail = table.mail[row] ?? 0;
        byMail.set(mail, [...(byMail.get(mail) ?? []), row]);
      }
      for (const some of byMail.values()) {
        const copy = await this.#message(victim, offset, some);
        if (copy) yield copy;
      }
    }
    for (const row of states) {
      const copy = await this.#state(victim, row);
      if (copy) yield copy;
    }
  }

  async #message(victim: Segment, offset: number, rows: readonly Row[]): Promise<Copy | null> {
    const store = this.#store;
    const { table } = store.index;
    const [first] = rows;
    if (first === undefined) return null;
    const { mail, suffix } = store.key(first);
    const suffixes = rows.map((row) => table.suffix[row] ?? 0);
    const isAt = (row: Row): boolean => this.#isAt(row, mail, suffixes, victim, offset);
    try {
      const record = await readMessage(store, victim, offset, mail, suffix, true);
      if (!record.data) return null;
      const kept = record.item.entries
        .map((entry, i) => ({ entry, detail: record.detail.entries[i] }))
        .filter(({ entry }) => suffixes.includes(entry.suffix));
      const item: MessageItem = {
        ...record.item,
        dataAt: 0,
        top: Math.max(record.item.top, store.sharing.get(mail)?.top ?? 1),
        entries: kept.map(({ entry }) => entry),
      };
      const detail = { ...record.detail, entries: kept.map((k) => k.detail) } as MessageDetail;
      const data = record.data;
      return {
        piece: { meta: encodeMeta([{ item, detail }]), data },
        rows,
        isTrue: () => rows.every((row) => isAt(row)),
        placed: (segment, at) => {
          segment.written += rows.length * messageWeight(item.size, item.large);
          for (const row of rows) if (isAt(row)) store.placeMessage(row, segment, at);
          segment.copiedFrom.add(victim.number);
          store.cache.put({ segment: segment.number, offset: at, item, detail, data });
        },
      };
    } catch (error) {
      this.#unreadable = true;
      store.log.error('mail cannot be copied', {
        mail: mailText(mail),
        file: victim.path,
        why: String(error),
      });
      return null;
    }
  }

  #isAt(row: Row, mail: number, suffixes: readonly number[], segment: Segment, offset: number): boolean {
    const { table } = this.#store.index;
    return (
      table.mail[row] === mail &&
      suffixes.includes(table.suffix[row] ?? 0) &&
      table.segment[row] === segment.slot &&
      table.offset[row] === offset
    );
  }

  async #state(victim: Segment, row: Row): Promise<Copy | null> {
    const store = this.#store;
    const { table } = store.index;
    await store.inFlight(row)?.catch(() => {});
    const key = store.key(row);
    const version = table.version[row] ?? 0;
    const offset = table.stateOffset[row] ?? 0;
    const isTrue = (): boolean =>
      this.#is(row, key) && table.version[row] === version && table.stateSegment[row] === victim.slot;
    if (key.mail === -1 || table.stateSegment[row] !== victim.slot) return null;
    try {
      const { items } = await victim.readMeta(offset);
      const found = items.find(
        ({ item }) =>
          item.kind === 'state' &&
          item.mail === key.mail &&
          item.suffix === key.suffix &&
          item.version === version,
      );
      if (!found) throw new Error(`no state of version ${version}`);
      const draught: Draught = { item: found.item, detail: JSON.parse(found.detail.toString('utf8')) };
      return {
        piece: { meta: encodeMeta([draught]), data: [] },
        rows: [],
        isTrue,
        placed: (segment, at) => {
          segment.written += STATE_WEIGHT;
          if (isTrue()) store.placeState(row, segment, at);
        },
      };
    } catch (error) {
      if (isTrue()) {
        this.#unreadable = true;
        store.log.error('state cannot be copied', {
          mail: mailText(key.mail),
          file: victim.path,
          why: String(error),
        });
      }
      return null;
    }
  }

  #is(row: Row, key: { mail: number; suffix: number } | undefined): boolean {
    const { table } = this.#store.index;
    return key !== undefined && table.mail[row] === key.mail && table.suffix[row] === key.suffix;
  }

  /** The deaths that are still needed: of messages in segments that are on disk. */
  async *#deaths(victim: Segment): AsyncGenerator<Copy> {
    const { segments } = this.#store;
    const needed: { item: DeadItem; about: number }[] = [];
    const mine = new Map<string, DeadItem>();
    const abouts = [...victim.speaksOf.keys()].filter((n) => n !== victim.number && segments.byNumber(n));
    if (abouts.length === 0) return;
    for (const { items } of await this.#records(victim)) {
      for (const { item } of items) if (item.kind === 'dead') mine.set(`${item.mail}.${item.suffix}`, item);
    }
    for (const about of abouts) {
      const segment = segments.byNumber(about);
      if (!segment) continue;
      for (const { items } of await this.#records(segment)) {
        for (const { item } of items) {
          if (item.kind !== 'message') continue;
          for (const { suffix } of item.entries) {
            const death = mine.get(`${item.mail}.${suffix}`);
            if (death) needed.push({ item: death, about });
          }
        }
      }
    }
    for (let i = 0; i < needed.length; i += 1000) {
      const part = needed.slice(i, i + 1000);
      yield {
        piece: { meta: encodeMeta(part.map(({ item }) => ({ item }))), data: [] },
        rows: [],
        isTrue: () => true,
        placed: (segment) => {
          segment.written += part.length * DEATH_WEIGHT;
          for (const { about } of part) segment.speak(about);
        },
      };
    }
  }

  async #records(segment: Segment): Promise<Iterable<IndexedRecord>> {
    const { files } = this.#store.segments;
    if (segment.state === 'sealed') {
      const indexed = await readSideFile(files, segment);
      if (indexed) return indexed;
    }
    const { length, corrupt } = segment;
    const { records, damages, unreadable } = await scan(files, segment);
    segment.length = length;
    segment.corrupt = corrupt;
    // A death, or what it is about, may be in what cannot be read.
    if (unreadable || damages.length > corrupt) throw new DamagedRecord(`new damage in ${segment.path}`);
    return records;
  }

  async #write(copies: readonly Copy[]): Promise<boolean> {
    const store = this.#store;
    const output = await this.#open();
    if (!output) return false;
    // What died since it was read must not be written: its death does not know of this copy. From here on,
    // until the copies have their place, a death is told of both places.
    const group = copies.filter((copy) => copy.isTrue());
    if (group.length === 0) return true;
    for (const { rows } of group) for (const row of rows) this.#note(row, output.segment.number);
    const result = await output.append(group.map((copy) => copy.piece));
    if (result.kind === 'durable') {
      group.forEach((copy, i) => {
        copy.placed(output.segment, result.offsets[i] ?? 0);
        for (const row of copy.rows) this.#forget(row, output.segment.number);
      });
      return true;
    }
    if (isNoSpace(result.error)) store.room.spent();
    store.log.warn('compaction failed', { file: output.segment.path, why: String(result.error) });
    this.#output = null;
    await output.seal(store.segments, store.log, result.kind === 'doubtful');
    return false;
  }

  #note(row: Row, number: number): void {
    const copies = this.#store.copies.get(row) ?? new Set();
    this.#store.copies.set(row, copies.add(number));
  }

  /** Copies that an earlier try may have left elsewhere are still to be told of. */
  #forget(row: Row, number: number): void {
    const copies = this.#store.copies.get(row);
    copies?.delete(number);
    if (copies?.size === 0) this.#store.copies.delete(row);
  }

  async #open(): Promise<OpenSegment | null> {
    const { segments, log, room } = this.#store;
    if (this.#output && this.#output.segment.length >= this.#limit) {
      await this.#output.seal(segments, log, false);
      this.#output = null;
    }
    if (this.#output) return this.#output;
    try {
      const reserve = room.isOpen() ? null : await room.takeFor('compaction');
      this.#output = await OpenSegment.create(segments, reserve ?? undefined);
    } catch (error) {
      log.warn('compaction failed', { why: String(error) });
    }
    return this.#output;
  }
}
