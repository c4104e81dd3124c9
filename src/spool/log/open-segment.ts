/**
 * A segment that is being written: puts a group of records at its end with one write and one sync, and
 * gathers what the side file will say. After a failed sync nothing is ever written to it again.
 */
import { type FileHandle, isNoSpace, writeAll } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import { encodeFrame, encodeMeta, FRAME, indexSection } from './record.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';
import { SideFile, writeSideFile } from './side-file.ts';
import { SYNC } from './syncs.ts';

export interface Piece {
  readonly meta: Buffer;
  readonly data: readonly Uint8Array[];
}

export type GroupResult =
  | { readonly kind: 'durable'; readonly offsets: readonly number[] }
  /** Nothing of the group is in the file; it may be written on. */
  | { readonly kind: 'undone'; readonly error: unknown }
  /** What is in the file is not known. It must be sealed. */
  | { readonly kind: 'doubtful'; readonly error: unknown };

export const lengthOf = (piece: Piece): number =>
  piece.data.reduce((sum, d) => sum + d.byteLength, FRAME + piece.meta.length);

export class OpenSegment {
  readonly segment: Segment;
  /** Made of the room that is kept back. */
  readonly reserved: boolean;
  readonly #file: FileHandle;
  readonly #side = new SideFile();

  constructor(segment: Segment, file: FileHandle, reserved: boolean) {
    this.segment = segment;
    this.#file = file;
    this.reserved = reserved;
  }

  static async create(segments: Segments, reserve?: string): Promise<OpenSegment> {
    const { segment, file } = await segments.create(reserve);
    return new OpenSegment(segment, file, reserve !== undefined);
  }

  /** All or nothing. Only one call at a time. */
  async append(pieces: readonly Piece[]): Promise<GroupResult> {
    const { segment } = this;
    const start = segment.length;
    const offsets: number[] = [];
    const buffers: Uint8Array[] = [];
    let at = start;
    for (const piece of pieces) {
      offsets.push(at);
      buffers.push(encodeFrame(segment.salt, at, start, piece.meta, piece.data), piece.meta, ...piece.data);
      at += lengthOf(piece);
    }
    try {
      await writeAll(this.#file, buffers, start);
    } catch (error) {
      return { kind: isNoSpace(error) && (await this.#undo(start)) ? 'undone' : 'doubtful', error };
    }
    try {
      await this.#file.datasync(SYNC.group);
    } catch (error) {
      return { kind: 'doubtful', error };
    }
    segment.length = at;
    pieces.forEach((piece, i) => {
      this.#side.add(offsets[i] ?? 0, lengthOf(piece), indexSection(piece.meta));
    });
    return { kind: 'durable', offsets };
  }

  /**
   * An empty record behind the last: it says that all before it was durable, so that damage there is not
   * taken for a write that power loss cut short. Not synced, not counted; the next group is written over it.
   */
  async mark(): Promise<void> {
    const { salt, length } = this.segment;
    const meta = encodeMeta([]);
    // Without it nothing is lost.
    await writeAll(this.#file, [encodeFrame(salt, length, length, meta, []), meta], length).catch(() => {});
  }

  /** Ends it. The side file is only a help to the next start: trouble with it is logged, no more. */
  async seal(segments: Segments, log: Log, doubtful: boolean): Promise<void> {
    this.segment.state = doubtful ? 'doubtful' : 'sealed';
    this.segment.pinned++;
    try {
      if (!doubtful) await this.mark();
      await this.#file.close();
      if (!doubtful) await writeSideFile(segments.files, this.segment, this.#side);
    } catch (error) {
      log.warn('side file not written', { file: this.segment.sidePath, why: String(error) });
    } finally {
      this.segment.pinned--;
    }
  }

  /** Takes a part of a group out again, so that none of it can turn up at the next start. */
  async #undo(length: number): Promise<boolean> {
    // A reserved segment is written over, not grown: cutting it would give its room away.
    if (this.reserved) return false;
    try {
      await this.#file.truncate(length);
      await this.#file.datasync(SYNC.undo);
      return true;
    } catch {
      return false;
    }
  }
}
