/**
 * The heart of the log store: what all its parts share, and the only places where entries are born,
 * change and die. Index and accounts follow the log here; everything else asks.
 *
 * A change is made in the index at once and is durable later; until then the entry is `inFlight`, and
 * nobody may base another change on it. Room is given back (files, segments) only after it is durable.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Passage } from '../../base/passage.ts';
import { type Envelope, extentOf, type Origin } from '../../mail/envelope.ts';
import type { Outcome } from '../../mail/outcome.ts';
import type { Hold, NewEntry, QueueName, RecipientState, Refused } from '../port.ts';
import { Aside } from './aside.ts';
import type { RecordCache } from './cache.ts';
import { type Key, MailNumbers } from './ids.ts';
import type { LargeBody, LargeFiles } from './large.ts';
import { MemoryIndex, type RowState } from './memory-index.ts';
import type { Draught, MessageItem, StateItem } from './record.ts';
import type { Room } from './room.ts';
import { DEATH_WEIGHT, messageWeight, type Segment, STATE_WEIGHT } from './segment.ts';
import type { Segments } from './segments.ts';
import { bornHeld } from './settle.ts';
import { FLAG, type Row } from './table.ts';
import type { LogWriter } from './writer.ts';

/** Detail of a message item. */
export interface MessageDetail {
  /** Parallel to the item's entries. */
  readonly entries: readonly { readonly envelope: Envelope; readonly origin: Origin }[];
  readonly body?: LargeBody;
}

/** Detail of a state item. */
export interface StateDetail {
  readonly hold?: Hold;
  readonly outcomes: readonly Outcome[];
  /** Parallel to the envelope's recipients: state, and which of `outcomes` was the last (-1: none). */
  readonly recipients: readonly (readonly [RecipientState['state'], number])[];
}

export type Change =
  | { readonly kind: 'dead'; readonly row: Row }
  | { readonly kind: 'state'; readonly row: Row; readonly state: RowState; readonly detail: StateDetail };

/** A message to be stored, whose content is at `data`. */
export interface Birth {
  readonly mail: number;
  readonly entries: readonly (NewEntry & { readonly suffix: number })[];
  readonly arrived: number;
  /** Its content, of a large mail all but the body, in pieces that nobody changes any more. */
  readonly head: readonly Uint8Array[];
  readonly body?: LargeBody;
  /** Highest suffix so far. */
  readonly top: number;
}

export interface StoreParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly segments: Segments;
  readonly large: LargeFiles;
  readonly passage: Passage;
  readonly room: Room;
  readonly cache: RecordCache;
}

interface MessageDraught extends Draught {
  readonly item: MessageItem;
  readonly detail: MessageDetail;
}

/** What one record says of a birth: the message, and the first states of those of its entries that begin held. */
interface BirthDraughts {
  readonly message: MessageDraught;
  readonly held: readonly { readonly suffix: number; readonly state: RowState; readonly draught: Draught }[];
}

/** `at`: where in the record's data part its content begins. */
function draughtsOf(birth: Birth, at: number): BirthDraughts {
  const held = birth.entries.flatMap((entry) => {
    if (!entry.hold) return [];
    const { suffix } = entry;
    const { state, detail } = bornHeld(entry, entry.hold);
    const item: StateItem = { kind: 'state', mail: birth.mail, suffix, version: FIRST_STATE, ...state };
    return [{ suffix, state, draught: { item, detail } }];
  });
  return { message: messageOf(birth, at), held };
}

const allOf = ({ message, held }: BirthDraughts): Draught[] => [message, ...held.map((h) => h.draught)];

/**
 * The newest of a queue that is longer than this is not wanted soon, so it is not cached: what is kept for a while
 * and then dropped costs the garbage collector most.
 */
const SHORT = 512;

/** Version of the state that an entry is born with. */
const FIRST_STATE = 1;

function messageOf(birth: Birth, at: number): MessageDraught {
  const { mail, arrived, top, body, head } = birth;
  const length = head.reduce((sum, piece) => sum + piece.byteLength, 0);
  const detail: MessageDetail = {
    entries: birth.entries.map(({ envelope, origin }) => ({ envelope, origin })),
    ...(body && { body }),
  };
  const item: MessageItem = {
    kind: 'message',
    mail,
    arrived,
    size: length + (body?.size ?? 0),
    dataAt: at,
    dataLength: length,
    large: body !== undefined,
    top,
    entries: birth.entries.map(({ suffix, queue, envelope }) => ({
      suffix,
      queue,
      extent: extentOf(envelope.sender, envelope.recipients),
    })),
  };
  return { item, detail };
}

interface Sharing {
  living: number;
  top: number;
}

export class LogStore {
  readonly clock: Clock;
  readonly log: Log;
  readonly segments: Segments;
  readonly large: LargeFiles;
  readonly passage: Passage;
  readonly room: Room;
  readonly cache: RecordCache;
  readonly index = new MemoryIndex();
  readonly numbers = new MailNumbers();
  readonly aside = new Aside(this);
  /** Set by `openLogSpool`, once the writer is there. */
  writer: LogWriter;
  /** Called when room may be won back. */
  wake: () => void = () => {};
  arrival: (queue: QueueName) => void = () => {};
  /** Damaged records met since the start, and by it. */
  corrupt = 0;
  /** Mails that are large, or had more than one entry. */
  readonly sharing = new Map<number, Sharing>();
  /** Segments that hold a copy of a living entry besides its own place (compaction at work, or failed). */
  readonly copies = new Map<Row, Set<number>>();
  readonly #inFlight = new Map<Row, Promise<unknown>>();

  constructor(parts: StoreParts, makeWriter: (store: LogStore) => LogWriter) {
    this.clock = parts.clock;
    this.log = parts.log;
    this.segments = parts.segments;
    this.large = parts.large;
    this.passage = parts.passage;
    this.room = parts.room;
    this.cache = parts.cache;
    this.writer = makeWriter(this);
  }

  /** Stores new mail. */
  async commit(birth: Birth): Promise<Refused | null> {
    const draughts = draughtsOf(birth, 0);
    const result = await this.writer.append({
      draughts: allOf(draughts),
      data: birth.head,
      must: false,
      done: (segment, offset) => this.#born(birth, draughts, segment, offset),
    });
    return result.kind === 'refused' ? result : null;
  }

  /** Makes changes, and stores the mails they cause, in one record. Durable when it resolves. */
  async change(changes: readonly Change[], births: readonly Birth[]): Promise<void> {
    if (changes.length + births.length === 0) return;
    const draughts: Draught[] = [];
    const changed: ((segment: Segment, offset: number) => void)[] = [];
    const born: ((segment: Segment, offset: number) => void)[] = [];
    const data: Uint8Array[] = [];
    for (const change of changes) {
      const { draught, durable } = change.kind === 'dead' ? this.#die(change.row) : this.#alter(change);
      draughts.push(draught);
      changed.push(durable);
    }
    let at = 0;
    for (const birth of births) {
      const made = draughtsOf(birth, at);
      draughts.push(...allOf(made));
      data.push(...birth.head);
      at += made.message.item.dataLength;
      born.push((segment, offset) => this.#born(birth, made, segment, offset));
    }
    const rows = changes.filter((c) => c.kind === 'state').map((c) => c.row);
    const written = this.writer.append({
      draughts,
      data,
      must: true,
      done: (segment, offset) => {
        // Births first: a large body that goes over to another entry must not be given up between.
        for (const fn of [...born, ...changed]) fn(segment, offset);
      },
    });
    for (const row of rows) this.#inFlight.set(row, written);
    try {
      await written;
    } finally {
      for (const row of rows) if (this.#inFlight.get(row) === written) this.#inFlight.delete(row);
    }
  }

  /** A change of this entry that is not durable yet. */
  inFlight(row: Row): Promise<unknown> | undefined {
    return this.#inFlight.get(row);
  }

  key(row: Row): Key {
    return { mail: this.index.table.mail[row] ?? 0, suffix: this.index.table.suffix[row] ?? 0 };
  }

  segmentOf(row: Row): Segment {
    return this.segments.bySlot(this.index.table.segment[row] ?? 0);
  }

  /** Null if the entry has no state of its own yet. */
  stateSegmentOf(row: Row): Segment | null {
    const slot = this.index.table.stateSegment[row] ?? 0;
    return slot === 0 ? null : this.segments.bySlot(slot);
  }

  weight(row: Row): number {
    const { table } = this.index;
    return messageWeight(table.size[row] ?? 0, table.has(row, FLAG.large));
  }

  /** Octets on disk. */
  get octets(): number {
    return this.segments.all().reduce((sum, s) => sum + s.length, this.large.bytes);
  }

  share(mail: number, living: number, top: number): void {
    const sharing = this.sharing.get(mail);
    if (!sharing) this.sharing.set(mail, { living, top });
    else {
      sharing.living += living;
      sharing.top = Math.max(sharing.top, top);
    }
  }

  #born(birth: Birth, { message, held }: BirthDraughts, segment: Segment, offset: number): void {
    const { item, detail } = message;
    const weight = messageWeight(item.size, item.large);
    for (const entry of item.entries) {
      const { mail, arrived, size, large } = item;
      const row = this.index.add({ mail, ...entry, arrived, size, large, segment: segment.slot, offset });
      segment.used++;
      segment.live += weight;
      segment.written += weight;
      // In the same turn of the loop: nobody is handed an entry before its hold.
      const first = held.find(({ suffix }) => suffix === entry.suffix);
      if (!first) continue;
      this.index.table.version[row] = FIRST_STATE;
      this.index.setState(row, first.state);
      segment.written += STATE_WEIGHT;
      this.placeState(row, segment, offset);
    }
    if (item.large || birth.top > 1) this.share(birth.mail, birth.entries.length, birth.top);
    if (birth.entries.some(({ queue }) => this.index.queue(queue).count <= SHORT))
      this.cache.put({ segment: segment.number, offset, item, detail, data: birth.head });
    this.passage.stored();
    for (const entry of birth.entries) this.arrival(entry.queue);
  }

  #die(row: Row): { draught: Draught; durable: (segment: Segment, offset: number) => void } {
    const key = this.key(row);
    const { table } = this.index;
    const message = this.segmentOf(row);
    const state = this.stateSegmentOf(row);
    const copies = this.copies.get(row);
    this.copies.delete(row);
    const weight = this.weight(row);
    const large = table.has(row, FLAG.large);
    const size = table.size[row] ?? 0;
    this.index.remove(row);
    const durable = (segment: Segment): void => {
      message.used--;
      message.live -= weight;
      if (state) {
        state.used--;
        state.live -= STATE_WEIGHT;
      }
      segment.written += DEATH_WEIGHT;
      segment.speak(message.number);
      for (const number of copies ?? []) if (this.segments.byNumber(number)) segment.speak(number);
      this.#released(key.mail, large, size);
      if (message.state !== 'open') this.wake();
    };
    return { draught: { item: { kind: 'dead', ...key } }, durable };
  }

  #released(mail: number, large: boolean, size: number): void {
    const sharing = this.sharing.get(mail);
    if (sharing && --sharing.living > 0) return;
    this.sharing.delete(mail);
    this.cache.drop(mail);
    if (large) void this.large.remove(mail, size);
  }

  #alter(change: Extract<Change, { kind: 'state' }>): {
    draught: Draught;
    durable: (segment: Segment, offset: number) => void;
  } {
    const { row, state, detail } = change;
    const { table } = this.index;
    const key = this.key(row);
    // Versions go round; those of one entry on disk are never half a round apart (serial numbers, RFC 1982).
    const version = ((table.version[row] ?? 0) + 1) & 0xffff;
    table.version[row] = version;
    this.index.setState(row, state);
    const durable = (segment: Segment, offset: number): void => {
      segment.written += STATE_WEIGHT;
      // A later change, or the end, may have overtaken it.
      if (table.mail[row] !== key.mail || table.suffix[row] !== key.suffix) return;
      if (table.version[row] !== version) return;
      this.placeState(row, segment, offset);
    };
    return { draught: { item: { kind: 'state', ...key, version, ...state }, detail }, durable };
  }

  /** The entry's latest state is there from now on. */
  placeState(row: Row, segment: Segment, offset: number): void {
    const { table } = this.index;
    const before = this.stateSegmentOf(row);
    if (before) {
      before.used--;
      before.live -= STATE_WEIGHT;
    }
    table.stateSegment[row] = segment.slot;
    table.stateOffset[row] = offset;
    segment.used++;
    segment.live += STATE_WEIGHT;
  }

  /** The entry's message is there from now on. */
  placeMessage(row: Row, segment: Segment, offset: number): void {
    const { table } = this.index;
    const weight = this.weight(row);
    const before = this.segmentOf(row);
    before.used--;
    before.live -= weight;
    table.segment[row] = segment.slot;
    table.offset[row] = offset;
    segment.used++;
    segment.live += weight;
  }
}
