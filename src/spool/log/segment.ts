/**
 * A segment: one file of the log, its name, its state and the account of what in it is still needed.
 *
 * The name is `NUMBER-SALT.log`; numbers rise and are never used twice. The salt stands in the name
 * because a damaged octet in a file must not make all of it unreadable.
 *
 * The account: `live` and `written` are weights (octets, near enough). `speaksOf` counts the deaths in
 * this segment by the segment where the dead entry's message is: while that one is on disk, this one has
 * to stay, or the dead would rise. A segment that holds copies stays behind the one they were copied from
 * (`copiedFrom`) for the same reason. These arrows never make a circle: they go back in time.
 */
import type { FileHandle, Files } from '../../base/files.ts';
import { readFull } from '../../base/files.ts';
import {
  decodeFrame,
  decodeMeta,
  type Found,
  FRAME,
  type Frame,
  LONGEST,
  partCrc,
  type Salt,
} from './record.ts';

/** Weight of a death. */
export const DEATH_WEIGHT = 64;
/** Weight of a message record, its content apart. */
const RECORD_WEIGHT = 256;
/** Weight of an entry's latest state. */
export const STATE_WEIGHT = 192;

export const messageWeight = (size: number, large: boolean): number => RECORD_WEIGHT + (large ? 1024 : size);

export type SegmentState =
  /** Being written. */
  | 'open'
  | 'sealed'
  /** A write or sync failed: what it holds is to be copied away as soon as possible. */
  | 'doubtful'
  /** Its name is removed, perhaps not yet durably. */
  | 'removed';

/** Keeps the number of segments that are open for reading within bounds. */
export class ReaderPool {
  readonly #open = new Set<Segment>();
  readonly #limit: number;

  constructor(limit = 64) {
    this.#limit = limit;
  }

  used(segment: Segment): void {
    this.#open.delete(segment);
    this.#open.add(segment);
    if (this.#open.size <= this.#limit) return;
    for (const idle of this.#open) {
      if (idle.busy) continue;
      this.#open.delete(idle);
      void idle.closeReader();
      return;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((segment) => segment.closeReader()));
    this.#open.clear();
  }
}

export class DamagedRecord extends Error {}

export interface ReadRecord {
  readonly frame: Frame;
  readonly items: readonly Found[];
  /** The data part, if it was near enough to be read along; unchecked. */
  readonly data: Buffer | null;
}

/** Meta and data up to this much come with one read. */
const READ_ALONG = 16 * 1024;

/** Where segments are. */
export interface Place {
  readonly files: Files;
  readonly dir: string;
  readonly pool: ReaderPool;
}

export class Segment {
  readonly number: number;
  /** Its short name in the table of entries. */
  readonly slot: number;
  readonly salt: Salt;
  readonly path: string;
  state: SegmentState;
  /** Octets of records. */
  length = 0;
  /** Weight of all that was ever written to it. */
  written = 0;
  /** Weight of what is still needed. */
  live = 0;
  /** Messages and latest states in it that belong to living entries. */
  used = 0;
  readonly speaksOf = new Map<number, number>();
  /** Segments with another copy of a message that is here. */
  readonly copiedFrom = new Set<number>();
  /** Somebody is at work on it: it must not be removed. */
  pinned = 0;
  /** Damaged places found in it. */
  corrupt = 0;
  readonly #files: Files;
  readonly #pool: ReaderPool;
  #reader: Promise<FileHandle> | null = null;
  #readers = 0;

  constructor(at: Place, number: number, salt: Buffer, slot: number, state: SegmentState) {
    this.#files = at.files;
    this.#pool = at.pool;
    const { dir } = at;
    this.number = number;
    this.slot = slot;
    this.salt = { marker: salt.readUInt32LE(0), seed: salt.readUInt32LE(4) };
    this.path = `${dir}/${segmentName(number, salt)}`;
    this.state = state;
  }

  get sidePath(): string {
    return this.path.replace(/log$/, 'idx');
  }

  /** Something in it has to be copied before it may go. */
  get isNeeded(): boolean {
    return this.used > 0 || this.speaksOf.size > 0;
  }

  /** Counts a death; `about` holds the message. */
  speak(about: number): void {
    this.speaksOf.set(about, (this.speaksOf.get(about) ?? 0) + 1);
    if (about !== this.number) this.live += DEATH_WEIGHT;
  }

  /** The segment `about` is durably gone. */
  forget(about: number): void {
    this.live -= DEATH_WEIGHT * (this.speaksOf.get(about) ?? 0);
    this.speaksOf.delete(about);
    this.copiedFrom.delete(about);
  }

  /** The meta part of the record at `offset`, checked. Throws DamagedRecord. */
  async readMeta(offset: number): Promise<ReadRecord> {
    return this.withFile(async (file) => {
      let buffer: Buffer = Buffer.allocUnsafe(READ_ALONG);
      // One call: it is short at the end of the file only.
      let have = await file.read(buffer, offset);
      const frame = decodeFrame(this.salt, offset, buffer.subarray(0, have));
      if (!frame) throw new DamagedRecord(`no record at ${this.number}:${offset}`);
      if (FRAME + frame.meta > have) {
        buffer = Buffer.allocUnsafeSlow(FRAME + frame.meta);
        have = await readFull(file, buffer, offset);
      }
      return this.#recordIn(offset, frame, buffer.subarray(0, have));
    });
  }

  /** Octets as they are, unchecked: of several records at once. */
  async readRaw(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    return buffer.subarray(0, await this.withFile((file) => readFull(file, buffer, offset)));
  }

  /** The record that begins `octets`, which stand at `offset`. Null: it is not all there. Throws DamagedRecord. */
  recordIn(offset: number, octets: Buffer): ReadRecord | null {
    const frame = decodeFrame(this.salt, offset, octets);
    return frame && FRAME + frame.meta + frame.data <= octets.length
      ? this.#recordIn(offset, frame, octets)
      : null;
  }

  #recordIn(offset: number, frame: Frame, octets: Buffer): ReadRecord {
    const dataAt = FRAME + frame.meta;
    const end = dataAt + frame.data;
    return {
      frame,
      items: this.checkMeta(offset, frame, octets.subarray(FRAME, dataAt)),
      data: octets.length >= end ? octets.subarray(dataAt, end) : null,
    };
  }

  /** The data part of a record whose frame was read, checked. Throws DamagedRecord. */
  async readData(offset: number, frame: Frame): Promise<Buffer> {
    const data = Buffer.allocUnsafeSlow(frame.data);
    const have = await this.withFile((file) => readFull(file, data, offset + FRAME + frame.meta));
    this.checkData(offset, frame, data.subarray(0, have));
    return data;
  }

  checkMeta(offset: number, frame: Frame, meta: Buffer): Found[] {
    if (meta.length !== frame.meta || partCrc(this.salt, meta) !== frame.metaCrc) {
      throw new DamagedRecord(`bad checksum of meta part at ${this.number}:${offset}`);
    }
    return decodeMeta(meta);
  }

  checkData(offset: number, frame: Frame, data: Uint8Array): void {
    if (data.byteLength !== frame.data || partCrc(this.salt, data) !== frame.dataCrc) {
      throw new DamagedRecord(`bad checksum of content at ${this.number}:${offset}`);
    }
  }

  /** Opens the file for reading if it is not open; it stays open until `closeReader`. */
  async withFile<T>(fn: (file: FileHandle) => Promise<T>): Promise<T> {
    this.#readers++;
    try {
      this.#reader ??= this.#files.open(this.path, 'read');
      const reader = this.#reader;
      this.#pool.used(this);
      reader.catch(() => {
        if (this.#reader === reader) this.#reader = null;
      });
      return await fn(await reader);
    } finally {
      this.#readers--;
    }
  }

  get busy(): boolean {
    return this.#readers > 0;
  }

  async closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.then((file) => file.close()).catch(() => {});
  }
}

export function segmentName(number: number, salt: Buffer): string {
  return `${String(number).padStart(10, '0')}-${salt.toString('hex')}.log`;
}

/** Null for other files. */
export function parseSegmentName(name: string): { number: number; salt: Buffer } | null {
  const match = /^(\d{10})-([0-9a-f]{16})\.log$/.exec(name);
  return match?.[1] && match[2] ? { number: Number(match[1]), salt: Buffer.from(match[2], 'hex') } : null;
}

export const LARGEST_SEGMENT = 2 ** 32 - 1 - LONGEST;
