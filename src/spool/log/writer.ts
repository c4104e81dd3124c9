/**
 * Group commit: one writer, one segment at a time, one sync for all records that wait.
 *
 * Promises: `append` resolves with a place once the record is durable, or with a refusal after which it
 * never counts. Records that must go (outcomes, with the notices they cause) are never refused: they are
 * repeated, in a new segment after a failed sync, in the segment that is kept back when the disk is full,
 * and every second when nothing can be written at all. After a failed sync a segment is closed as
 * doubtful; what was refused in it is declared dead in the next, so that it cannot turn up later.
 */
import { type Clock, SECOND, sleep, type Timer } from '../../base/clock.ts';
import { isNoSpace } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import type { Refused } from '../port.ts';
import { entryText, type Key, mailText } from './ids.ts';
import { lengthOf, OpenSegment, type Piece } from './open-segment.ts';
import { type Draught, encodeMeta, LONGEST } from './record.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';

export interface Written {
  readonly kind: 'written';
  readonly segment: Segment;
  readonly offset: number;
}

export interface Append {
  readonly draughts: readonly Draught[];
  readonly data: readonly Uint8Array[];
  /** Must go: is repeated until it is durable. */
  readonly must: boolean;
  /** Called as soon as it is durable, in the order on disk, before anything else is written. */
  readonly done?: (segment: Segment, offset: number) => void;
}

interface Job extends Append {
  readonly piece: Piece;
  /** Doubtful segments that may hold it too. */
  readonly doubted: number[];
  readonly resolve: (result: Written | Refused) => void;
  readonly reject: (error: Error) => void;
}

/** What the writer asks of the room that is kept (`room.ts`). */
export interface Reserve {
  /** Is there room for new mail? */
  isOpen(): boolean;
  /** Path of a written file that may become a segment; null if it is gone. */
  take(): Promise<string | null>;
  /** The disk said that it is full. */
  spent(): void;
}

export interface Broken {
  readonly why: 'full' | 'readonly';
  readonly text: string;
}

/** Octets of one group: what one sync has to carry at most. */
const GROUP = 8 * 1024 * 1024;
const NOTHING: Append = { draughts: [], data: [], must: false };
const FIRST_RETRY = 1000;
const LAST_RETRY = 30_000;

export class LogWriter {
  readonly #segments: Segments;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limit: number;
  readonly #reserve: Reserve;
  readonly #opened: (segment: Segment) => void;
  readonly #resting: () => void;
  readonly #closing = new AbortController();
  #current: OpenSegment | null = null;
  #jobs: Job[] = [];
  #isWorking = false;
  #marking: Timer | null = null;
  #working: Promise<void> = Promise.resolve();
  #sealing: Promise<void> = Promise.resolve();
  /** Why nothing can be written at all; null if it can. */
  broken: Broken | null = null;

  constructor(options: {
    segments: Segments;
    clock: Clock;
    log: Log;
    /** Octets after which a segment is sealed. */
    limit: number;
    reserve: Reserve;
    opened: (segment: Segment) => void;
    /** Nothing waits to be written, and what was written has been answered. */
    resting: () => void;
  }) {
    this.#segments = options.segments;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limit = options.limit;
    this.#reserve = options.reserve;
    this.#opened = options.opened;
    this.#resting = options.resting;
  }

  /** Opens the first segment. Rejects if it cannot, but for a full disk: then entries can still be settled. */
  async start(): Promise<void> {
    const error = await this.#open();
    if (error === null) return;
    if (!isNoSpace(error)) throw error;
    this.#log.error('spool cannot be written', { why: String(error) });
  }

  /** Sees to it that something can be written, by writing nothing. Resolves as `append` does. */
  ready(must: boolean): Promise<Written | Refused> {
    return this.append({ ...NOTHING, must });
  }

  append(what: Append): Promise<Written | Refused> {
    if (this.#closing.signal.aborted) return Promise.reject(new Error('the spool is closed'));
    return new Promise((resolve, reject) => {
      const piece = { meta: encodeMeta(what.draughts), data: what.data };
      if (lengthOf(piece) > LONGEST) throw new RangeError('a record of more than 512 MB');
      this.#jobs.push({ ...what, piece, doubted: [], resolve, reject });
      if (!this.#isWorking) this.#working = this.#work();
    });
  }

  /** Writes what waits, if it can be written, and seals. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#marking?.cancel();
    await this.#working;
    if (this.#current) this.#seal(this.#current, false);
    await this.#sealing;
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    // Whatever commits in this turn of the loop goes into the first group.
    await Promise.resolve();
    do await this.#writeAll();
    while (this.#jobs.length > 0);
    // In the same turn as the last look at `#jobs`, or a job that comes between would wait for ever.
    this.#isWorking = false;
    this.#markSoon();
    // Behind the replies to the last group.
    setImmediate(() => {
      if (!this.#isWorking) this.#resting();
    });
  }

  /** What was written last is told of by a later record only: after a second of rest, by an empty one. */
  #markSoon(): void {
    if (this.#closing.signal.aborted) return;
    this.#marking ??= this.#clock.after(SECOND, () => {
      this.#marking = null;
      if (!this.#isWorking) this.#working = this.#mark();
    });
  }

  async #mark(): Promise<void> {
    this.#isWorking = true;
    await this.#current?.mark();
    if (this.#jobs.length > 0) await this.#work();
    this.#isWorking = false;
  }

  async #writeAll(): Promise<void> {
    let retry = FIRST_RETRY;
    while (this.#jobs.length > 0) {
      const error = (await this.#segmentReady()) ?? (await this.#writeGroup());
      if (error === null) {
        this.broken = null;
        retry = FIRST_RETRY;
        continue;
      }
      if (this.broken === null) this.#log.error('spool cannot be written', { why: String(error) });
      this.broken = { why: isNoSpace(error) ? 'full' : 'readonly', text: String(error) };
      this.#refuseMessages(this.#jobs, this.broken.why, this.broken.text);
      this.#jobs = this.#jobs.filter((job) => job.must);
      // Nobody may ask while mail is refused: an empty record finds out when it can be written again.
      if (this.#jobs.length === 0) this.append(NOTHING).catch(() => {});
      await sleep(this.#clock, retry, this.#closing.signal);
      retry = Math.min(LAST_RETRY, retry * 2);
      if (this.#closing.signal.aborted) {
        for (const job of this.#jobs.splice(0))
          job.reject(new Error('the spool was closed while it could not be written'));
      }
    }
  }

  /** Sees to it that there is a segment to write to. The error, if there cannot be one. */
  async #segmentReady(): Promise<unknown> {
    const current = this.#current;
    if (current) {
      const returned = current.reserved && this.#reserve.isOpen() && this.#jobs.some((job) => !job.must);
      if (current.segment.length < this.#limit && !returned) return null;
      this.#seal(current, false);
    }
    const error = await this.#open();
    return error !== null && this.#jobs.some((job) => job.must) ? this.#fallBack(null, error) : error;
  }

  async #open(reserve?: string): Promise<unknown> {
    try {
      this.#adopt(await OpenSegment.create(this.#segments, reserve));
      return null;
    } catch (error) {
      if (isNoSpace(error)) this.#reserve.spent();
      return error;
    }
  }

  #adopt(open: OpenSegment): void {
    this.#current = open;
    this.#opened(open.segment);
  }

  #take(reserved: boolean): Job[] {
    if (reserved) {
      this.#refuseMessages(this.#jobs, 'full', 'the disk is full; only outcomes are written');
      this.#jobs = this.#jobs.filter((job) => job.must);
    }
    let octets = 0;
    let n = 0;
    while (n < this.#jobs.length && octets < GROUP) {
      const job = this.#jobs[n++];
      octets += job ? lengthOf(job.piece) : 0;
    }
    return this.#jobs.splice(0, n);
  }

  /** Null, or the error after which it makes no sense to go on at once. */
  async #writeGroup(): Promise<unknown> {
    const open = this.#current;
    if (!open) return null;
    const group = this.#take(open.reserved);
    if (group.length === 0) return null;
    const result = await open.append(group.map((job) => job.piece));
    if (result.kind === 'durable') {
      group.forEach((job, i) => {
        this.#finish(job, open.segment, result.offsets[i] ?? 0);
      });
      return null;
    }
    const full = isNoSpace(result.error);
    if (full) this.#reserve.spent();
    const must = group.filter((job) => job.must);
    const refused = group.filter((job) => !job.must);
    if (result.kind === 'doubtful') for (const job of must) job.doubted.push(open.segment.number);
    this.#jobs.unshift(...must);
    this.#refuseMessages(refused, full ? 'full' : 'io', String(result.error));
    if (result.kind === 'doubtful') this.#abandon(open, refused, result.error);
    else if (must.length > 0 && refused.length === 0) return this.#fallBack(open, result.error);
    // A group of outcomes alone that failed: not at once again.
    return result.kind === 'doubtful' && refused.length === 0 ? this.#fallBack(null, result.error) : null;
  }

  #finish(job: Job, segment: Segment, offset: number): void {
    try {
      for (const doubtful of job.doubted) segment.copiedFrom.add(doubtful);
      job.done?.(segment, offset);
      job.resolve({ kind: 'written', segment, offset });
    } catch (error) {
      job.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** There is no room even for outcomes: the room that was kept back for them. */
  async #fallBack(open: OpenSegment | null, error: unknown): Promise<unknown> {
    if (!isNoSpace(error)) return error;
    const path = await this.#reserve.take();
    if (path === null) return error;
    if (open) this.#seal(open, false);
    this.#log.warn('disk full: outcomes go to the room kept back', { why: String(error) });
    return this.#open(path);
  }

  #abandon(open: OpenSegment, refused: readonly Job[], error: unknown): void {
    this.#log.error('segment closed as doubtful', { file: open.segment.path, why: String(error) });
    this.#seal(open, true);
    const born: Key[] = refused.flatMap((job) =>
      job.draughts.flatMap(({ item }) =>
        item.kind === 'message' ? item.entries.map((e) => ({ mail: item.mail, suffix: e.suffix })) : [],
      ),
    );
    if (born.length === 0) return;
    const draughts = born.map((key): Draught => ({ item: { kind: 'dead', ...key } }));
    const done = (segment: Segment) => {
      for (const _ of born) segment.speak(open.segment.number);
    };
    this.append({ draughts, data: [], must: true, done }).catch((e) => {
      this.#log.error('refused mail not declared dead', {
        entries: born.map((k) => entryText(k.mail, k.suffix)),
        why: String(e),
      });
    });
  }

  #refuseMessages(jobs: readonly Job[], why: Refused['why'], text: string): void {
    for (const job of jobs) {
      if (job.must) continue;
      const mail = job.draughts.find((d) => d.item.kind === 'message')?.item.mail;
      if (mail !== undefined) this.#log.warn('mail not stored', { mail: mailText(mail), why: text });
      job.resolve({ kind: 'refused', why, text });
    }
  }

  #seal(open: OpenSegment, doubtful: boolean): void {
    if (this.#current === open) this.#current = null;
    // One after the other, beside the writing.
    const sealed = open.seal(this.#segments, this.#log, doubtful);
    this.#sealing = Promise.all([this.#sealing, sealed]).then(() => {});
  }
}
