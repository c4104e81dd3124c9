/**
 * The embedded store: the spool as a log (docs/failure.md tells its story).
 *
 * Promises what `../port.ts` promises, across `kill -9`, power loss, a full disk and a failed sync at any
 * instant. One process at a time: a second one is refused. Never writes to a segment that an earlier run
 * has written.
 */
import { dirname, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { type FileLock, type Files, systemFiles } from '../../base/files.ts';
import type { Log } from '../../base/log.ts';
import { Passage } from '../../base/passage.ts';
import type { Soon } from '../../base/soon.ts';
import type {
  Busy,
  Content,
  Corrupt,
  Draft,
  Entry,
  EntryId,
  EntryQuery,
  Gone,
  Lease,
  OperatorAct,
  QueueName,
  QueueSummary,
  Refused,
  Spool,
  SpoolHealth,
} from '../port.ts';
import { RecordCache } from './cache.ts';
import { Drafts } from './draft.ts';
import { LargeFiles } from './large.ts';
import { Leases } from './lease.ts';
import { Maintenance } from './maintenance.ts';
import { find, move, operate, read } from './people.ts';
import { recover } from './recovery.ts';
import { Room } from './room.ts';
import { Segments } from './segments.ts';
import { LogStore } from './store.ts';
import { SYNC } from './syncs.ts';
import { open } from './view.ts';
import { LogWriter } from './writer.ts';

/** Octets, but for `files`. What is left out has the value of DEFAULTS. */
export interface LogLimits {
  /** Length after which a segment is sealed. */
  readonly segment: number;
  /** Room that is left free on the disk. */
  readonly reserve: number;
  /** Written files kept back for a disk that is full. */
  readonly keptForOutcomes: number;
  readonly keptForCompaction: number;
  /** Most that the spool may hold on disk. */
  readonly total: number;
  /** Largest body that is gathered in memory; all such bodies together. */
  readonly gathered: number;
  readonly memory: number;
  /** Drafts in files of their own at once, after which no draft is begun without free memory. */
  readonly files: number;
  /** Records kept in memory, to be handed over at once. */
  readonly cache: number;
}

const MB = 1024 * 1024;
export const DEFAULTS: LogLimits = {
  segment: 64 * MB,
  reserve: 64 * MB,
  keptForOutcomes: 8 * MB,
  keptForCompaction: 64 * MB,
  total: Infinity,
  gathered: 256 * 1024,
  memory: 64 * MB,
  files: 500,
  cache: 16 * MB,
};

export interface LogSpoolOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (octets: number) => Buffer;
  readonly files?: Files;
  readonly limits?: Partial<LogLimits>;
  /** How many queues share the room (sites, mostly): one alone may have all of it. Default 1. */
  readonly sharers?: () => number;
}

/** Rejects if the folder cannot be read or written, or if another process has it. */
export async function openLogSpool(options: LogSpoolOptions): Promise<Spool> {
  const { dir, files = systemFiles } = options;
  await files.makeDir(dir);
  await syncFolders(options, files);
  const lock = files.lock(`${dir}/lock`);
  if (!lock) throw new Error(`the spool ${dir} is in use by another process`);
  try {
    const spool = new LogSpool(options, files, { ...DEFAULTS, ...options.limits }, lock);
    await spool.start();
    return spool;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The folder's own name has to be durable, too, and those above it: some of them may have been made just now. */
async function syncFolders({ dir, log }: LogSpoolOptions, files: Files): Promise<void> {
  for (let above = dirname(resolve(dir)); ; above = dirname(above)) {
    await files.syncDir(above, SYNC.folder).catch((error: unknown) => {
      log.warn('folder above the spool not synced', { folder: above, why: String(error) });
    });
    if (above === dirname(above)) return;
  }
}

class LogSpool implements Spool {
  readonly #store: LogStore;
  readonly #leases: Leases;
  readonly #drafts: Drafts;
  readonly #maintenance: Maintenance;
  readonly #lock: FileLock;
  readonly #files: Files;
  readonly #dir: string;
  readonly #listeners = new Set<(queue: QueueName) => void>();
  /** Queues of this turn of the loop: a group of mails for one queue is one hint. */
  #arrivals = new Set<QueueName>();
  #closed: Promise<void> | null = null;

  constructor(options: LogSpoolOptions, files: Files, limits: LogLimits, lock: FileLock) {
    const { dir, clock, log, random } = options;
    this.#lock = lock;
    this.#files = files;
    this.#dir = dir;
    const segments = new Segments(files, dir, random);
    const passage = new Passage();
    const large = new LargeFiles(files, `${dir}/large`, passage);
    const room = new Room({
      files,
      dir,
      clock,
      log,
      random,
      reserve: limits.reserve,
      limit: limits.total,
      sharers: options.sharers ?? (() => 1),
      used: () => this.#store.octets,
      queueBytes: (queue) => this.#store.index.summary(queue).bytes,
      sizes: { outcomes: limits.keptForOutcomes, compaction: limits.keptForCompaction },
    });
    const parts = { clock, log, segments, large, passage, room, cache: new RecordCache(limits.cache) };
    this.#store = new LogStore(parts, (store) => {
      const opened = (segment: { number: number }): void => store.numbers.opened(segment.number);
      const resting = (): void => passage.rest(clock.monotonic());
      return new LogWriter({ segments, clock, log, limit: limits.segment, reserve: room, opened, resting });
    });
    this.#store.arrival = (queue) => this.#arrived(queue);
    this.#leases = new Leases(this.#store);
    this.#drafts = new Drafts(this.#store, limits);
    this.#maintenance = new Maintenance(this.#store, limits.segment);
  }

  async start(): Promise<void> {
    const store = this.#store;
    for (const name of ['large', 'quarantine']) await this.#files.makeDir(`${this.#dir}/${name}`);
    await recover(store, this.#files, this.#dir);
    await store.room.find();
    await store.room.refresh();
    await store.writer.start();
    this.#maintenance.start();
    store.log.info('spool open', {
      entries: store.index.count,
      octets: store.index.bytes,
      corrupt: store.corrupt,
    });
  }

  draft(room: { readonly size?: number; readonly queues: readonly QueueName[] }): Soon<Draft | Refused> {
    return this.#drafts.begin(room);
  }

  room(queue: QueueName): number {
    return this.#store.room.left(queue);
  }

  async lease(queue: QueueName, holder: string): Promise<Lease | Busy> {
    return this.#leases.take(queue, holder);
  }

  *queues(): Iterable<QueueSummary> {
    for (const queue of [...this.#store.index.queues()]) yield this.summary(queue.name);
  }

  summary(queue: QueueName): QueueSummary {
    return this.#store.index.summary(queue);
  }

  find(query: EntryQuery): AsyncIterable<Entry> {
    return find(this.#store, query);
  }

  read(id: EntryId): Promise<Entry | Corrupt | Gone> {
    return read(this.#store, this.#leases.row(id));
  }

  async open(id: EntryId): Promise<Content | Corrupt | Gone> {
    const row = this.#leases.row(id);
    return row < 0 ? { kind: 'gone' } : open(this.#store, row);
  }

  operate(ids: readonly EntryId[], act: OperatorAct): Promise<readonly EntryId[]> {
    return operate(this.#store, ids, act);
  }

  move(id: EntryId, to: QueueName, recipients?: readonly number[]): Promise<void> {
    return move(this.#store, this.#leases, id, to, recipients);
  }

  onArrival(fn: (queue: QueueName) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  health(): SpoolHealth {
    const { writer, room, index, segments, aside } = this.#store;
    const corrupt = this.#store.corrupt + aside.count;
    const base = { room: room.available, entries: index.count, bytes: index.bytes, corrupt };
    if (room.isStale) void room.refresh();
    if (writer.broken) return { state: writer.broken.why, ...base, why: writer.broken.text };
    if (!room.isOpen())
      return { state: 'full', ...base, why: 'the disk, or what the spool may use of it, is full' };
    const doubtful = segments.all().find((s) => s.state === 'doubtful' && s.isNeeded);
    if (doubtful) return { state: 'doubtful', ...base, why: `writing ${doubtful.path} failed` };
    return { state: 'ok', ...base };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#listeners.clear();
    await this.#leases.close();
    this.#store.aside.close();
    await this.#maintenance.close();
    await this.#store.writer.close();
    await this.#store.segments.close();
    this.#lock.release();
  }

  #arrived(queue: QueueName): void {
    if (this.#arrivals.size === 0) queueMicrotask(() => this.#hint());
    this.#arrivals.add(queue);
  }

  #hint(): void {
    const queues = this.#arrivals;
    this.#arrivals = new Set();
    for (const queue of queues) {
      for (const fn of this.#listeners) {
        try {
          fn(queue);
        } catch (error) {
          this.#store.log.error('arrival hint failed', { queue, why: String(error) });
        }
      }
    }
  }
}
