/**
 * Reads entries and contents: from the cache, else from the segments. What cannot be read is counted,
 * logged with its mail's id, and set aside in the index until somebody removes it or the next start.
 */
import type { Outcome } from '../../mail/outcome.ts';
import type { Content, Corrupt, Entry, Gone, Hold, RecipientState } from '../port.ts';
import type { CachedRecord } from './cache.ts';
import { entryText, mailText } from './ids.ts';
import type { LargeBody, LargeFiles } from './large.ts';
import type { Found, MessageItem } from './record.ts';
import { DamagedRecord, type Segment } from './segment.ts';
import type { LogStore, MessageDetail, StateDetail } from './store.ts';
import type { Row } from './table.ts';

/** An entry with the version that it was read at. */
export interface Loaded {
  readonly kind: 'entry';
  readonly row: Row;
  readonly version: number;
  readonly entry: Entry;
}

const GONE: Gone = { kind: 'gone' };

export async function load(store: LogStore, row: Row): Promise<Loaded | Corrupt | Gone> {
  const { table } = store.index;
  const { mail, suffix } = store.key(row);
  const known = (): boolean => table.mail[row] === mail && table.suffix[row] === suffix;
  for (;;) {
    while (store.inFlight(row)) await store.inFlight(row)?.catch(() => {});
    if (!known()) return GONE;
    const version = table.version[row] ?? 0;
    const segment = store.segmentOf(row);
    const state = store.stateSegmentOf(row);
    try {
      const record = await readMessage(store, segment, table.offset[row] ?? 0, mail, suffix);
      const detail = state ? await readState(state, table.stateOffset[row] ?? 0, mail, suffix) : null;
      if (!known()) return GONE;
      if (table.version[row] !== version) continue;
      return { kind: 'entry', row, version, entry: assemble(store, row, record, detail) };
    } catch (error) {
      if (!known()) return GONE;
      // Compaction may have moved it, and removed the old place, while we read.
      if (store.segmentOf(row) !== segment || store.stateSegmentOf(row) !== state) continue;
      store.aside.add(row, error);
      return { kind: 'corrupt', why: textOf(error) };
    }
  }
}

export async function open(store: LogStore, row: Row, from = 0): Promise<Content | Corrupt | Gone> {
  const { table } = store.index;
  const { mail, suffix } = store.key(row);
  const unreadable = (error: unknown): void => {
    if (table.find(mail, suffix) === row) store.aside.add(row, error);
  };
  for (;;) {
    const segment = store.segmentOf(row);
    try {
      const record = await readMessage(store, segment, table.offset[row] ?? 0, mail, suffix, true);
      if (!record.data) throw new DamagedRecord('no content');
      return contentOf({ large: store.large, mail, unreadable }, record.data, record.detail.body, from);
    } catch (error) {
      if (table.mail[row] !== mail || table.suffix[row] !== suffix) return GONE;
      if (store.segmentOf(row) !== segment) continue;
      unreadable(error);
      return { kind: 'corrupt', why: textOf(error) };
    }
  }
}

/** The message record of an entry; with its content (of a large mail: its head) if `whole`. */
export async function readMessage(
  store: LogStore,
  segment: Segment,
  offset: number,
  mail: number,
  suffix: number,
  whole = false,
): Promise<CachedRecord> {
  const cached = store.cache.get(mail, segment.number, offset);
  if (cached && (cached.data || !whole)) return cached;
  const { frame, items, data } = await segment.readMeta(offset);
  const { item, detail } = messageIn(items, mail, suffix) ?? missing(segment, offset);
  let content: Buffer | null = null;
  if (whole || data) {
    const part = data ?? (await segment.readData(offset, frame));
    if (data) segment.checkData(offset, frame, data);
    // A copy: a view would keep all that was read with it in memory.
    content = Buffer.from(part.subarray(item.dataAt, item.dataAt + item.dataLength));
  }
  const record = { segment: segment.number, offset, item, detail, data: content && [content] };
  store.cache.put(record);
  return record;
}

/** The message of an entry among the items of a record. */
export function messageIn(
  items: readonly Found[],
  mail: number,
  suffix: number,
): { item: MessageItem; detail: MessageDetail } | null {
  for (const { item, detail } of items) {
    if (item.kind !== 'message' || item.mail !== mail) continue;
    if (!item.entries.some((e) => e.suffix === suffix)) continue;
    return { item, detail: JSON.parse(detail.toString('utf8')) as MessageDetail };
  }
  return null;
}

function missing(segment: Segment, offset: number): never {
  throw new DamagedRecord(`no such mail at ${segment.number}:${offset}`);
}

async function readState(
  segment: Segment,
  offset: number,
  mail: number,
  suffix: number,
): Promise<StateDetail> {
  const { items } = await segment.readMeta(offset);
  let latest: Found | null = null;
  let version = -1;
  for (const found of items) {
    const { item } = found;
    if (item.kind !== 'state' || item.mail !== mail || item.suffix !== suffix || item.version <= version)
      continue;
    latest = found;
    version = item.version;
  }
  if (!latest)
    throw new DamagedRecord(`no state of ${entryText(mail, suffix)} at ${segment.number}:${offset}`);
  return JSON.parse(latest.detail.toString('utf8')) as StateDetail;
}

function assemble(store: LogStore, row: Row, record: CachedRecord, state: StateDetail | null): Entry {
  const { index, clock } = store;
  const { table } = index;
  const { mail, suffix } = store.key(row);
  const own = record.detail.entries[indexOfEntry(record.item, suffix)];
  if (!own) throw new DamagedRecord(`no envelope of ${entryText(mail, suffix)}`);
  const queue = index.queueOf(row);
  queue.order.bringUpToDate(row);
  const hold = table.hold(row) !== 0 && index.until(row) > clock.now() ? state?.hold : undefined;
  return {
    id: entryText(mail, suffix),
    mail: mailText(mail),
    queue: queue.name,
    envelope: own.envelope,
    origin: own.origin,
    arrived: table.arrived[row] ?? 0,
    size: table.size[row] ?? 0,
    recipients: own.envelope.recipients.map((_, i) => recipientOf(state, i)),
    attempts: table.attempts[row] ?? 0,
    nextTry: table.nextTry[row] ?? 0,
    warned: table.warned[row] ?? 0,
    ...(hold ? { hold } : {}),
  };
}

const indexOfEntry = (item: MessageItem, suffix: number): number =>
  item.entries.findIndex((e) => e.suffix === suffix);

function recipientOf(detail: StateDetail | null, i: number): RecipientState {
  const [state, outcome] = detail?.recipients[i] ?? ['pending', -1];
  const last: Outcome | undefined = detail?.outcomes[outcome];
  return last ? { state, last } : { state };
}

export function detailOf(recipients: readonly RecipientState[], hold: Hold | undefined): StateDetail {
  const outcomes: Outcome[] = [];
  const places = new Map<string, number>();
  const placeOf = (outcome: Outcome | undefined): number => {
    if (!outcome) return -1;
    // A thousand recipients of one mail mostly got one and the same answer.
    const text = JSON.stringify(outcome);
    const place = places.get(text) ?? outcomes.push(outcome) - 1;
    places.set(text, place);
    return place;
  };
  const states = recipients.map((r) => [r.state, placeOf(r.last)] as const);
  return { ...(hold ? { hold } : {}), outcomes, recipients: states };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function contentOf(
  of: { large: LargeFiles; mail: number; unreadable: (error: unknown) => void },
  pieces: readonly Uint8Array[],
  body: LargeBody | undefined,
  from: number,
): Content {
  const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  const rest = from === 0 ? pieces : [Buffer.concat(pieces).subarray(Math.min(from, length))];
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const piece of rest) if (piece.byteLength > 0) yield piece;
    if (!body) return;
    try {
      yield* of.large.read(of.mail, body, Math.max(0, from - length));
    } catch (error) {
      of.unreadable(error);
      throw error;
    }
  }
  return {
    size: length + (body?.size ?? 0),
    chunks,
    ...(body ? {} : { pieces: rest }),
    close: async () => {},
  };
}
