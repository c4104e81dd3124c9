/**
 * The side file of a sealed segment: the index sections of its records and their places, with a
 * checksum, so that a start need not read the segment. Made anew from the segment when it is missing
 * or damaged; nothing is lost with it.
 */
import { crc32 } from 'node:zlib';
import { type Files, readWhole, writeAll } from '../../base/files.ts';
import { decodeMeta, type Found } from './record.ts';
import type { Segment } from './segment.ts';

const MAGIC = Buffer.from('RSTNIDX1', 'latin1');
const HEAD = 24; // magic, checksum, octets of records, damaged places, length of the segment's records

export interface IndexedRecord {
  readonly offset: number;
  readonly length: number;
  readonly items: readonly Found[];
}

/** Octets at first. */
const ROOM = 4096;

export class SideFile {
  /** In one piece: a buffer for each record would grow old, and cost more than what it holds. */
  #body = Buffer.allocUnsafe(ROOM);
  #length = 0;

  add(offset: number, length: number, index: Buffer): void {
    const end = this.#length + 8 + index.length;
    if (end > this.#body.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#body.length));
      this.#body.copy(larger, 0, 0, this.#length);
      this.#body = larger;
    }
    this.#body.writeUInt32LE(offset, this.#length);
    this.#body.writeUInt32LE(length, this.#length + 4);
    index.copy(this.#body, this.#length + 8);
    this.#length = end;
  }

  encode(segment: Segment): Buffer {
    const body = this.#body.subarray(0, this.#length);
    const head = Buffer.alloc(HEAD);
    MAGIC.copy(head);
    head.writeUInt32LE(body.length, 12);
    head.writeUInt32LE(segment.corrupt, 16);
    head.writeUInt32LE(segment.length, 20);
    head.writeUInt32LE(crc32(body, crc32(head.subarray(12), segment.salt.seed)), 8);
    return Buffer.concat([head, body]);
  }
}

/** Written beside, synced, then named: a torn one is never found under the name. */
export async function writeSideFile(files: Files, segment: Segment, side: SideFile): Promise<void> {
  const temporary = `${segment.sidePath}.new`;
  await files.remove(temporary).catch(() => {});
  const file = await files.open(temporary, 'create');
  try {
    await writeAll(file, [side.encode(segment)], 0);
  } finally {
    await file.close();
  }
  await files.rename(temporary, segment.sidePath);
}

/** Fills in the segment's length and damage. Null: there is none that can be trusted. */
export async function readSideFile(files: Files, segment: Segment): Promise<Iterable<IndexedRecord> | null> {
  let buffer: Buffer;
  try {
    buffer = await readWhole(files, segment.sidePath);
  } catch {
    return null;
  }
  if (buffer.length < HEAD || !buffer.subarray(0, 8).equals(MAGIC)) return null;
  const body = buffer.subarray(HEAD);
  if (body.length !== buffer.readUInt32LE(12)) return null;
  if (crc32(body, crc32(buffer.subarray(12, HEAD), segment.salt.seed)) !== buffer.readUInt32LE(8))
    return null;
  segment.corrupt = buffer.readUInt32LE(16);
  segment.length = buffer.readUInt32LE(20);
  return recordsIn(body);
}

/** One at a time: a start with a million entries would else make a million objects grow old. */
function* recordsIn(body: Buffer): Generator<IndexedRecord> {
  for (let at = 0; at < body.length; ) {
    const end = at + 12 + body.readUInt32LE(at + 8);
    yield {
      offset: body.readUInt32LE(at),
      length: body.readUInt32LE(at + 4),
      items: decodeMeta(body.subarray(at + 8, end)),
    };
    at = end;
  }
}
