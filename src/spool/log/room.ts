/**
 * Room: how much may still be accepted, whose share it is, and what is kept back.
 *
 * Acceptance stops while `reserve` octets are still free, so that settling and compaction go on. Beyond
 * that, two written files are kept back for a disk that somebody else has filled: one becomes a segment
 * for outcomes, one a segment for compaction.
 */
import type { Clock } from '../../base/clock.ts';
import { type Files, isNoSpace, writeAll } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import type { QueueName, Refused } from '../port.ts';
import { SYNC } from './syncs.ts';
import type { Reserve } from './writer.ts';

export interface RoomOptions {
  readonly files: Files;
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (octets: number) => Buffer;
  /** Octets left free for outcomes, compaction and other programs. */
  readonly reserve: number;
  /** Most octets on disk, by the operator's word; Infinity for none. */
  readonly limit: number;
  /** How many queues share the room; one alone may have all of it. */
  readonly sharers: () => number;
  /** Octets of segments and large files. */
  readonly used: () => number;
  readonly queueBytes: (queue: QueueName) => number;
  readonly sizes: { readonly outcomes: number; readonly compaction: number };
}

export type ReserveKind = 'outcomes' | 'compaction';
const KINDS: readonly ReserveKind[] = ['outcomes', 'compaction'];

/** Milliseconds for which the answer of statfs is believed. */
const FRESH = 1000;
const BLOCK = 64 * 1024;

export class Room implements Reserve {
  readonly #o: RoomOptions;
  #free = 0;
  #at = -Infinity;
  #used = 0;
  /** Octets promised to open drafts, and those written since `#free` was asked for. */
  #claimed = 0;
  #since = 0;
  #refreshing: Promise<void> | null = null;
  readonly #kept = new Set<ReserveKind>();

  constructor(options: RoomOptions) {
    this.#o = options;
  }

  get available(): number {
    const disk = this.#free - this.#o.reserve;
    const quota = this.#o.limit - this.#used;
    return Math.max(0, Math.min(disk, quota) - this.#claimed - this.#since);
  }

  isOpen(): boolean {
    return this.available > 0;
  }

  get isStale(): boolean {
    return this.#o.clock.monotonic() - this.#at >= FRESH;
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  claim(octets: number): void {
    this.#claimed += octets;
  }

  /** Ends a claim; `written` octets of it are on disk now. */
  unclaim(octets: number, written: number): void {
    this.#claimed -= octets;
    this.#since += written;
  }

  spent(): void {
    this.#free = 0;
    this.#at = this.#o.clock.monotonic();
  }

  /** Null: `size` octets more may be accepted for each of these queues. */
  refuses(size: number, queues: readonly QueueName[]): Refused | null {
    const { available } = this;
    if (available <= 0 || size > available) {
      return { kind: 'refused', why: 'full', text: `no room for ${size} octets: ${available} left` };
    }
    if (this.#o.sharers() <= 1) return null;
    for (const queue of queues) {
      const has = this.#o.queueBytes(queue);
      // Half of what is free, of what it would be with this queue's mail gone.
      if (has + size > (has + available) / 2) {
        return {
          kind: 'refused',
          why: 'share',
          text: `the share of ${queue} is used up: it has ${has} octets`,
        };
      }
    }
    return null;
  }

  /** Octets that this queue may still take: the largest size that `refuses` lets pass. */
  left(queue: QueueName): number {
    const { available } = this;
    if (this.#o.sharers() <= 1) return available;
    return Math.max(0, Math.floor((available - this.#o.queueBytes(queue)) / 2));
  }

  take(): Promise<string | null> {
    return this.takeFor('outcomes');
  }

  async takeFor(kind: ReserveKind): Promise<string | null> {
    return this.#kept.delete(kind) ? this.#path(kind) : null;
  }

  /** Finds what was kept back by an earlier run. */
  async find(): Promise<void> {
    const names = new Set(await this.#o.files.list(this.#o.dir));
    for (const kind of KINDS) if (names.has(`reserve.${kind}`)) this.#kept.add(kind);
  }

  /** Makes what is missing of the room kept back, if there is room for it. */
  async keep(): Promise<void> {
    const { sizes } = this.#o;
    for (const kind of KINDS) {
      if (this.#kept.has(kind) || this.available < sizes[kind]) continue;
      if (!(await this.#make(kind, sizes[kind]))) continue;
      this.#since += sizes[kind];
      this.#kept.add(kind);
    }
  }

  async #make(kind: ReserveKind, size: number): Promise<boolean> {
    const { files, dir } = this.#o;
    const temporary = `${this.#path(kind)}.new`;
    await files.remove(temporary).catch(() => {});
    try {
      const file = await files.open(temporary, 'create');
      try {
        // Random octets: real blocks, also where the file system compresses.
        const block = this.#o.random(Math.min(BLOCK, size));
        for (let at = 0; at < size; at += block.length) {
          await writeAll(file, [block.subarray(0, Math.min(block.length, size - at))], at);
        }
        await file.datasync(SYNC.reserve);
      } finally {
        await file.close();
      }
      await files.rename(temporary, this.#path(kind));
      await files.syncDir(dir, SYNC.reserveName);
      return true;
    } catch (error) {
      await files.remove(temporary).catch(() => {});
      if (isNoSpace(error)) this.spent();
      this.#o.log.warn('no room could be kept back', { kind, why: String(error) });
      return false;
    }
  }

  #path(kind: ReserveKind): string {
    return `${this.#o.dir}/reserve.${kind}`;
  }

  async #refresh(): Promise<void> {
    try {
      this.#free = await this.#o.files.free(this.#o.dir);
      this.#used = this.#o.used();
      this.#since = 0;
    } catch (error) {
      this.#o.log.warn('free space not known', { why: String(error) });
    }
    this.#at = this.#o.clock.monotonic();
  }
}
