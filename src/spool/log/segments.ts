/**
 * All segments of the log: makes them, finds them by number and by slot, removes those that nobody
 * needs. Never gives a number twice: the highest-numbered segment always stays.
 */
import type { FileHandle, Files } from '../../base/files.ts';
import { type Place, parseSegmentName, ReaderPool, Segment, segmentName } from './segment.ts';
import { SYNC } from './syncs.ts';

export class Segments {
  readonly dir: string;
  readonly files: Files;
  readonly #place: Place;
  readonly #random: (octets: number) => Buffer;
  readonly #byNumber = new Map<number, Segment>();
  /** Slot 0 means "none" in the table of entries. */
  readonly #bySlot: (Segment | undefined)[] = [undefined];
  readonly #freeSlots: number[] = [];
  #highest = 0;
  #removing: Promise<unknown> = Promise.resolve();

  constructor(files: Files, dir: string, random: (octets: number) => Buffer) {
    this.files = files;
    this.dir = dir;
    this.#random = random;
    this.#place = { files, dir, pool: new ReaderPool() };
  }

  /** Finds those that are there, lowest number first. */
  async load(): Promise<Segment[]> {
    for (const name of (await this.files.list(this.dir)).sort()) {
      const parsed = parseSegmentName(name);
      if (parsed) this.#register(parsed.number, parsed.salt);
    }
    return this.all();
  }

  /** A new one, its name durable. `from`: the path of a written file that becomes it. */
  async create(from?: string): Promise<{ segment: Segment; file: FileHandle }> {
    const number = ++this.#highest;
    const salt = this.#random(8);
    const path = `${this.dir}/${segmentName(number, salt)}`;
    if (from) await this.files.rename(from, path);
    const file = await this.files.open(path, from ? 'write' : 'create');
    try {
      await this.files.syncDir(this.dir, SYNC.segmentName);
    } catch (error) {
      await file.close().catch(() => {});
      await this.files.remove(path).catch(() => {});
      throw error;
    }
    const segment = this.#register(number, salt);
    segment.state = 'open';
    return { segment, file };
  }

  all(): Segment[] {
    return [...this.#byNumber.values()];
  }

  bySlot(slot: number): Segment {
    const segment = this.#bySlot[slot];
    if (!segment) throw new Error(`no segment in slot ${slot}`);
    return segment;
  }

  byNumber(number: number): Segment | undefined {
    return this.#byNumber.get(number);
  }

  /**
   * Removes every segment that holds nothing living and speaks of nothing that is on disk. One after
   * the other by generation: what speaks of a removed segment waits until that name is durably gone.
   */
  removeUnneeded(): Promise<number> {
    const run = this.#removing.then(() => this.#removeUnneeded());
    this.#removing = run.catch(() => {});
    return run;
  }

  async close(): Promise<void> {
    await this.#place.pool.close();
  }

  async #removeUnneeded(): Promise<number> {
    const errors = new Map<Segment, unknown>();
    for (let removed = 0; ; ) {
      const unneeded = this.all().filter((s) => !errors.has(s) && this.#isUnneeded(s));
      if (unneeded.length === 0) {
        const [error] = errors.values();
        if (error !== undefined) throw error;
        return removed;
      }
      // One that cannot go does not keep the others.
      for (const segment of unneeded)
        await this.#unlink(segment).catch((error) => errors.set(segment, error));
      await this.files.syncDir(this.dir, SYNC.removal);
      const gone = unneeded.filter((segment) => !errors.has(segment));
      for (const segment of gone) this.#forget(segment);
      removed += gone.length;
    }
  }

  #isUnneeded(segment: Segment): boolean {
    if (segment.state === 'open' || segment.pinned > 0 || segment.used > 0) return false;
    // Not `#highest`: the last segments may not have come into being, and their numbers are given again.
    if (segment.number === this.#last()) return false;
    for (const about of [...segment.speaksOf.keys(), ...segment.copiedFrom]) {
      if (about !== segment.number && this.#byNumber.has(about)) return false;
    }
    return true;
  }

  #last(): number {
    return Math.max(...this.#byNumber.keys());
  }

  async #unlink(segment: Segment): Promise<void> {
    if (segment.state !== 'removed') {
      await segment.closeReader();
      await this.files.remove(segment.path);
      segment.state = 'removed';
    }
    await this.files.remove(segment.sidePath).catch(() => {});
  }

  #forget(segment: Segment): void {
    this.#byNumber.delete(segment.number);
    this.#bySlot[segment.slot] = undefined;
    this.#freeSlots.push(segment.slot);
    for (const other of this.#byNumber.values()) other.forget(segment.number);
  }

  #register(number: number, salt: Buffer): Segment {
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    // 16 bits in the table of entries: 4 TB of segments at the usual size.
    if (slot > 0xffff) throw new RangeError('too many segments');
    const segment = new Segment(this.#place, number, salt, slot, 'sealed');
    this.#bySlot[slot] = segment;
    this.#byNumber.set(number, segment);
    this.#highest = Math.max(this.#highest, number);
    return segment;
  }
}
