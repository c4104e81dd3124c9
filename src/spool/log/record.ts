/**
 * The form of a record, in octets. A record is a frame, a meta part and a data part (content).
 * The meta part holds items; what all of one record says becomes true together or not at all.
 *
 *   frame  marker · length of meta · length of data · synced · crc of meta · crc of data · crc of frame
 *   meta   length of index section · index section (fixed fields) · details (JSON)
 *
 * The index section is all that a start needs; it is repeated in the segment's side file.
 * Marker and checksums begin from the segment's random salt (and the frame's from its offset), so
 * that nobody can mail us a record, and none is valid at another place.
 * `synced` is how much of the segment was durable when the record was written: what is damaged below
 * it is damage; what is damaged above it may be a write that power loss cut short.
 */
import { crc32 } from 'node:zlib';
import type { Extent } from '../../mail/envelope.ts';

export const FRAME = 28;
/** No record is longer; a longer one is a damaged length. */
export const LONGEST = 512 * 1024 * 1024;

export interface Salt {
  readonly marker: number;
  readonly seed: number;
}

export interface Frame {
  readonly meta: number;
  readonly data: number;
  readonly synced: number;
  readonly metaCrc: number;
  readonly dataCrc: number;
}

export interface MessageItem {
  readonly kind: 'message';
  readonly mail: number;
  readonly arrived: number;
  /** Octets of content. */
  readonly size: number;
  /** Where in the record's data part the content (of a large mail: its head) is. */
  readonly dataAt: number;
  readonly dataLength: number;
  /** The body is in a file of its own. */
  readonly large: boolean;
  /** Highest suffix that this mail has had. */
  readonly top: number;
  readonly entries: readonly { readonly suffix: number; readonly queue: string; readonly extent: Extent }[];
}

/** Stands for that of an envelope of which something is final, for one too big for its fields, and for none in old records. */
export const NO_EXTENT: Extent = { recipients: 0, octets: 0 };
const EXTENT = 3;
const eachLength = ({ each }: Extent): number => (each ? 1 + each.length : 1);

export type HoldKind = 'none' | 'operator' | 'site removed' | 'undeliverable';
export const HOLD_KINDS: readonly HoldKind[] = ['none', 'operator', 'site removed', 'undeliverable'];

/** All of what changes about an entry; a later version replaces an earlier one, whatever their order on disk. */
export interface StateItem {
  readonly kind: 'state';
  readonly mail: number;
  readonly suffix: number;
  readonly version: number;
  readonly attempts: number;
  readonly nextTry: number;
  readonly warned: number;
  readonly hold: HoldKind;
  /** When the hold ends by itself; Infinity for never. */
  readonly until: number;
  readonly queue: string;
  readonly extent: Extent;
}

/** The entry is gone, for good, whatever else is found of it. */
export interface DeadItem {
  readonly kind: 'dead';
  readonly mail: number;
  readonly suffix: number;
}

export type Item = MessageItem | StateItem | DeadItem;
/** An item with its detail as JSON, for writing. */
export interface Draught {
  readonly item: Item;
  readonly detail?: unknown;
}
/** An item as it was read; `detail` is empty if it came from a side file. */
export interface Found {
  readonly item: Item;
  readonly detail: Buffer;
}

const TYPE = { message: 1, state: 2, dead: 3 } as const;
const ITEM_HEAD = 9; // type, length of fields, length of detail
const EMPTY = Buffer.alloc(0);

export function encodeMeta(draughts: readonly Draught[]): Buffer {
  const details = draughts.map((d) =>
    d.detail === undefined ? EMPTY : Buffer.from(JSON.stringify(d.detail), 'utf8'),
  );
  let index = 0;
  let tail = 0;
  draughts.forEach(({ item }, i) => {
    index += ITEM_HEAD + fieldsLength(item);
    tail += details[i]?.length ?? 0;
  });
  const meta = Buffer.allocUnsafe(4 + index + tail);
  meta.writeUInt32LE(index, 0);
  let at = 4;
  let detailAt = 4 + index;
  draughts.forEach(({ item }, i) => {
    const detail = details[i] ?? EMPTY;
    const end = writeFields(item, meta, at + ITEM_HEAD);
    meta.writeUInt8(TYPE[item.kind], at);
    meta.writeUInt32LE(end - at - ITEM_HEAD, at + 1);
    meta.writeUInt32LE(detail.length, at + 5);
    detailAt += detail.copy(meta, detailAt);
    at = end;
  });
  return meta;
}

/** The part that goes into the side file, as a view. */
export const indexSection = (meta: Buffer): Buffer => meta.subarray(0, 4 + meta.readUInt32LE(0));

/** The items of a meta part, or of an index section alone. Throws RangeError on nonsense. */
export function decodeMeta(meta: Buffer): Found[] {
  const end = 4 + meta.readUInt32LE(0);
  const found: Found[] = [];
  let detailAt = end;
  for (let at = 4; at < end; ) {
    const length = meta.readUInt32LE(at + 1);
    const detail = meta.readUInt32LE(at + 5);
    found.push({
      item: readFields(meta.readUInt8(at), meta, at + ITEM_HEAD, at + ITEM_HEAD + length),
      detail: meta.subarray(detailAt, detailAt + detail),
    });
    detailAt += detail;
    at += ITEM_HEAD + length;
  }
  return found;
}

function fieldsLength(item: Item): number {
  if (item.kind === 'dead') return 10;
  if (item.kind === 'state') return 34 + Buffer.byteLength(item.queue) + EXTENT + eachLength(item.extent);
  const lengthOf = (e: MessageItem['entries'][number]): number =>
    4 + Buffer.byteLength(e.queue) + EXTENT + eachLength(e.extent);
  return item.entries.reduce((sum, e) => sum + lengthOf(e), 33);
}

function writeFields(item: Item, to: Buffer, at: number): number {
  at = to.writeDoubleLE(item.mail, at);
  if (item.kind === 'message') {
    at = to.writeDoubleLE(item.arrived, at);
    at = to.writeUInt32LE(item.size, at);
    at = to.writeUInt32LE(item.dataAt, at);
    at = to.writeUInt32LE(item.dataLength, at);
    at = to.writeUInt8(item.large ? 1 : 0, at);
    at = to.writeUInt16LE(item.top, at);
    at = to.writeUInt16LE(item.entries.length, at);
    for (const entry of item.entries) {
      at = to.writeUInt16LE(entry.suffix, at);
      at = writeText(entry.queue, to, at);
    }
    // Behind all that records had before there were such.
    for (const { extent } of item.entries) at = writeExtent(extent, to, at);
    for (const { extent } of item.entries) at = writeEach(extent, to, at);
    return at;
  }
  at = to.writeUInt16LE(item.suffix, at);
  if (item.kind === 'dead') return at;
  at = to.writeUInt16LE(item.version, at);
  at = to.writeUInt16LE(item.attempts, at);
  at = to.writeDoubleLE(item.nextTry, at);
  at = to.writeUInt8(item.warned, at);
  at = to.writeUInt8(HOLD_KINDS.indexOf(item.hold), at);
  at = to.writeDoubleLE(item.until, at);
  return writeEach(item.extent, to, writeExtent(item.extent, to, writeText(item.queue, to, at)));
}

function writeText(text: string, to: Buffer, at: number): number {
  const length = to.write(text, at + 2, 'utf8');
  to.writeUInt16LE(length, at);
  return at + 2 + length;
}

function writeExtent({ recipients, octets }: Extent, to: Buffer, at: number): number {
  const fits = recipients <= 0xff && octets <= 0xffff;
  at = to.writeUInt8(fits ? recipients : 0, at);
  return to.writeUInt16LE(fits ? octets : 0, at);
}

function writeEach({ each = [] }: Extent, to: Buffer, at: number): number {
  at = to.writeUInt8(each.length, at);
  to.set(each, at);
  return at + each.length;
}

/** Of `count` entries. `end`: where the item's fields end; old records end before some of it. */
function readExtents(from: Buffer, at: number, end: number, count: number): Extent[] {
  const extents: Extent[] = [];
  let eachAt = at + count * EXTENT;
  for (let i = 0; i < count; i++, at += EXTENT) {
    if (at + EXTENT > end) {
      extents.push(NO_EXTENT);
      continue;
    }
    const length = eachAt < end ? from.readUInt8(eachAt) : 0;
    const extent = { recipients: from.readUInt8(at), octets: from.readUInt16LE(at + 1) };
    const each = [...from.subarray(eachAt + 1, eachAt + 1 + length)];
    extents.push(length > 0 ? { ...extent, each } : extent);
    eachAt += 1 + length;
  }
  return extents;
}

function readFields(type: number, from: Buffer, at: number, end: number): Item {
  const mail = from.readDoubleLE(at);
  if (type === TYPE.message) return readMessage(mail, from, at + 8, end);
  const suffix = from.readUInt16LE(at + 8);
  if (type === TYPE.dead) return { kind: 'dead', mail, suffix };
  if (type !== TYPE.state) throw new RangeError(`no such type of item: ${type}`);
  const queue = readText(from, at + 32);
  return {
    kind: 'state',
    mail,
    suffix,
    version: from.readUInt16LE(at + 10),
    attempts: from.readUInt16LE(at + 12),
    nextTry: from.readDoubleLE(at + 14),
    warned: from.readUInt8(at + 22),
    hold: HOLD_KINDS[from.readUInt8(at + 23)] ?? 'none',
    until: from.readDoubleLE(at + 24),
    queue,
    extent: readExtents(from, at + 34 + Buffer.byteLength(queue), end, 1)[0] ?? NO_EXTENT,
  };
}

function readMessage(mail: number, from: Buffer, at: number, end: number): MessageItem {
  const named: { suffix: number; queue: string }[] = [];
  const count = from.readUInt16LE(at + 23);
  let next = at + 25;
  for (let i = 0; i < count; i++) {
    named.push({ suffix: from.readUInt16LE(next), queue: readText(from, next + 2) });
    next += 4 + from.readUInt16LE(next + 2);
  }
  const extents = readExtents(from, next, end, count);
  const entries = named.map((e, i) => ({ ...e, extent: extents[i] ?? NO_EXTENT }));
  return {
    kind: 'message',
    mail,
    arrived: from.readDoubleLE(at),
    size: from.readUInt32LE(at + 8),
    dataAt: from.readUInt32LE(at + 12),
    dataLength: from.readUInt32LE(at + 16),
    large: from.readUInt8(at + 20) === 1,
    top: from.readUInt16LE(at + 21),
    entries,
  };
}

const readText = (from: Buffer, at: number): string =>
  from.toString('utf8', at + 2, at + 2 + from.readUInt16LE(at));

/** A frame for a record that will stand at `offset`. `dataCrc` is `contentCrc` over the data part. */
export function encodeFrame(
  salt: Salt,
  offset: number,
  synced: number,
  meta: Buffer,
  data: readonly Uint8Array[],
): Buffer {
  const frame = Buffer.allocUnsafe(FRAME);
  let length = 0;
  let crc = salt.seed;
  for (const piece of data) {
    length += piece.byteLength;
    crc = crc32(piece, crc);
  }
  frame.writeUInt32LE(salt.marker, 0);
  frame.writeUInt32LE(meta.length, 4);
  frame.writeUInt32LE(length, 8);
  frame.writeUInt32LE(synced, 12);
  frame.writeUInt32LE(crc32(meta, salt.seed), 16);
  frame.writeUInt32LE(crc, 20);
  frame.writeUInt32LE(frameCrc(salt, offset, frame), 24);
  return frame;
}

/** Null: there is no valid frame at `at` of `buffer`, which is `offset` of the segment. */
export function decodeFrame(salt: Salt, offset: number, buffer: Buffer, at = 0): Frame | null {
  if (buffer.length - at < FRAME || buffer.readUInt32LE(at) !== salt.marker) return null;
  const frame = buffer.subarray(at, at + FRAME);
  if (frame.readUInt32LE(24) !== frameCrc(salt, offset, frame)) return null;
  const meta = frame.readUInt32LE(4);
  const data = frame.readUInt32LE(8);
  if (meta < 4 || meta + data > LONGEST) return null;
  return {
    meta,
    data,
    synced: frame.readUInt32LE(12),
    metaCrc: frame.readUInt32LE(16),
    dataCrc: frame.readUInt32LE(20),
  };
}

export const partCrc = (salt: Salt, part: Uint8Array): number => crc32(part, salt.seed);

function frameCrc(salt: Salt, offset: number, frame: Buffer): number {
  const place = Buffer.allocUnsafe(4);
  place.writeUInt32LE(offset, 0);
  return crc32(frame.subarray(0, 24), crc32(place, salt.seed));
}
