/**
 * Reads a segment that has no (good) side file, record by record, and tells damage from a torn tail.
 *
 * A place that cannot be read is damage if a later record says that it was durable by then; else it is
 * what power loss made of the last write, which nobody was told of. Behind either, the search goes on:
 * each valid record counts, wherever it is.
 */
import { type FileHandle, type Files, readFull, reading } from '../../base/files.ts';
import type { Piece } from './open-segment.ts';
import { decodeFrame, type Found, FRAME, type Frame, indexSection } from './record.ts';
import { DamagedRecord, type Segment } from './segment.ts';
import { type IndexedRecord, SideFile } from './side-file.ts';

export interface Damage {
  readonly from: number;
  readonly octets: Buffer;
}

export interface Scan {
  readonly records: readonly IndexedRecord[];
  readonly side: SideFile;
  readonly damages: readonly Damage[];
  /** The last group, whole but not told of by a later record: it may not be on the disk. */
  readonly unproved: readonly Piece[];
  /** Octets of a last write that was cut short. */
  readonly torn: number;
  /** Some of it could not be read at all, and may be another time. */
  readonly unreadable: boolean;
}

/** What is read at once, and of that where some cannot be read. */
const CHUNK = 8 * 1024 * 1024;
const SECTOR = 4096;

interface Place {
  readonly offset: number;
  readonly length: number;
  readonly items: readonly Found[] | null;
  readonly meta: Buffer | null;
  /** Its content is what it was. */
  readonly whole: boolean;
}

/** Sets the segment's length and its number of damages. */
export async function scan(files: Files, segment: Segment): Promise<Scan> {
  const { octets: file, unreadable } = await readAsFarAsPossible(files, segment.path);
  const { places, durable: known } = placesOf(segment, file);
  const durable = unreadable ? file.length : known;
  const side = new SideFile();
  const records: IndexedRecord[] = [];
  const damages: Damage[] = [];
  const unproved: Piece[] = [];
  let torn = 0;
  let end = 0;
  for (const place of places) {
    const { offset, length, items, meta } = place;
    // Content that was cut short was never acknowledged; content that was damaged is still a mail.
    if (items && meta && (place.whole || offset < durable)) {
      records.push({ offset, length, items });
      side.add(offset, length, indexSection(meta));
      end = offset + length;
      const data = file.subarray(offset + FRAME + meta.length, end);
      if (offset >= durable && items.length > 0) unproved.push({ meta, data: [data] });
    }
    if (place.whole) continue;
    const octets = file.subarray(offset, offset + length);
    if (offset < durable) damages.push({ from: offset, octets });
    else torn += length;
  }
  segment.length = end;
  segment.corrupt = Math.max(damages.length, unreadable ? 1 : 0);
  return { records, side, damages, unproved, torn, unreadable };
}

/** Zeros stand for what cannot be read. */
async function readAsFarAsPossible(
  files: Files,
  path: string,
): Promise<{ octets: Buffer; unreadable: boolean }> {
  return reading(files, path, async (file) => {
    const octets = Buffer.alloc(await file.size());
    let unreadable = false;
    for (let at = 0; at < octets.length; at += CHUNK) {
      const whole = await tryRead(file, octets.subarray(at, at + CHUNK), at);
      const end = whole ? 0 : Math.min(octets.length, at + CHUNK);
      for (let small = at; small < end; small += SECTOR) {
        const read = await tryRead(file, octets.subarray(small, Math.min(end, small + SECTOR)), small);
        unreadable ||= !read;
      }
    }
    return { octets, unreadable };
  });
}

async function tryRead(file: FileHandle, into: Buffer, at: number): Promise<boolean> {
  try {
    await readFull(file, into, at);
    return true;
  } catch {
    into.fill(0);
    return false;
  }
}

function placesOf(segment: Segment, file: Buffer): { places: Place[]; durable: number } {
  const marker = Buffer.alloc(4);
  marker.writeUInt32LE(segment.salt.marker, 0);
  const places: Place[] = [];
  let durable = 0;
  for (let at = 0; at < file.length; ) {
    const frame = decodeFrame(segment.salt, at, file, at);
    if (frame) {
      durable = Math.max(durable, frame.synced);
      const place = placeOf(segment, file, at, frame);
      places.push(place);
      at += place.length;
      continue;
    }
    const next = nextFrame(segment, file, at + 1, marker);
    // Behind the last frame is what was never written, or the old content of a file kept back.
    if (next === -1) break;
    places.push({ offset: at, length: next - at, items: null, meta: null, whole: false });
    at = next;
  }
  return { places, durable };
}

function placeOf(segment: Segment, file: Buffer, offset: number, frame: Frame): Place {
  const dataAt = offset + FRAME + frame.meta;
  const meta = file.subarray(offset + FRAME, dataAt);
  const length = Math.min(FRAME + frame.meta + frame.data, file.length - offset);
  try {
    const items = segment.checkMeta(offset, frame, meta);
    const whole = isWhole(segment, offset, frame, file.subarray(dataAt, dataAt + frame.data));
    return { offset, length, items, meta, whole };
  } catch (error) {
    if (!(error instanceof DamagedRecord) && !(error instanceof RangeError)) throw error;
    return { offset, length, items: null, meta: null, whole: false };
  }
}

function isWhole(segment: Segment, offset: number, frame: Frame, data: Buffer): boolean {
  try {
    segment.checkData(offset, frame, data);
    return true;
  } catch {
    return false;
  }
}

function nextFrame(segment: Segment, file: Buffer, from: number, marker: Buffer): number {
  for (let at = file.indexOf(marker, from); at !== -1; at = file.indexOf(marker, at + 1)) {
    if (decodeFrame(segment.salt, at, file, at)) return at;
  }
  return -1;
}
