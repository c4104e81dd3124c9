/**
 * The spool port: where entries are, durably. `log/` is the embedded store; every
 * implementation passes `contract.ts`.
 *
 * Promises: what `commit` and `settle` resolved is on stable storage. No method holds a lock
 * across a peer's wait. Each call costs in proportion to its answer, not to the spool.
 * Expected results are values; a rejected promise is a fault (an I/O error that could not be
 * answered otherwise).
 */
import type { Instant } from '../base/clock.ts';
import type { Soon } from '../base/soon.ts';
import type { Envelope, Extent, Origin } from '../mail/envelope.ts';
import type { Outcome } from '../mail/outcome.ts';
import type { Order } from '../site/site.ts';

/** A site's name, `>domain` for a foreign domain, or OPERATOR_QUEUE. */
export type QueueName = string;
/** The operator's own local queue: mail to postmaster@hostname when no address is configured. */
export const OPERATOR_QUEUE: QueueName = 'operator';

/** One accepted mail: what our 250 and our Received field name. Short, URL-safe, unique for ever. */
export type MailId = string;
/** One mail in one queue: the MailId, with `.2`, `.3` … behind it for the second and later queues. */
export type EntryId = string;

export type Hold =
  /** By a person, with a reason. Ends by itself at `until`. */
  | { readonly kind: 'operator'; readonly reason: string; readonly until?: Instant }
  /** The domain belongs to no site any more. */
  | { readonly kind: 'site removed' }
  /** Failed, and nobody may be told. Kept until removed. */
  | { readonly kind: 'undeliverable'; readonly reason: string; readonly since: Instant };

export interface NewEntry {
  readonly queue: QueueName;
  /** With this queue's recipients only. */
  readonly envelope: Envelope;
  readonly origin: Origin;
  /** It is held from the beginning: no handover ever sees it before it is released. */
  readonly hold?: Hold;
}

export interface RecipientState {
  /** `moved`: by `Spool.move` into an entry of another queue; it does not count here any more. */
  readonly state: 'pending' | 'delivered' | 'failed' | 'moved';
  /** The last outcome that was settled, if any. */
  readonly last?: Outcome;
}

export interface Entry extends NewEntry {
  readonly id: EntryId;
  readonly mail: MailId;
  readonly arrived: Instant;
  /** Octets of content, head included. */
  readonly size: number;
  /** Parallel to envelope.recipients. */
  readonly recipients: readonly RecipientState[];
  /** Tries that ended in a settle with a deferral. */
  readonly attempts: number;
  /** Not before this; 0 for never tried. */
  readonly nextTry: Instant;
  /** Delay notices given so far (how many of the site's `warn` ages are dealt with). */
  readonly warned: number;
}

/** An entry as `Lease.list` tells it: what is known without reading it. */
export interface Listing {
  readonly id: EntryId;
  /** Octets of content, head included. */
  readonly size: number;
  readonly arrived: Instant;
  /** Of the whole envelope, as long as all its recipients are pending. Absent: reading tells. */
  readonly extent?: Extent;
}

export interface Content {
  readonly size: number;
  /** The octets in order, from the offset asked for. May be iterated once. A read error or a bad checksum throws. */
  chunks(): AsyncIterable<Uint8Array>;
  /** All of it (from the offset on), when it is small and at hand; the fast way. To be read only. */
  readonly pieces?: readonly Uint8Array[];
  close(): Promise<void>;
}

/** Want of room: 452 4.3.1; `doubtful`/`readonly`: 451 4.3.0. */
export interface Refused {
  readonly kind: 'refused';
  readonly why: 'full' | 'share' | 'memory' | 'readonly' | 'io';
  readonly text: string;
}
export interface Committed {
  readonly kind: 'committed';
  /** In the order of `to`. */
  readonly entries: readonly EntryId[];
}

export interface Draft {
  readonly kind: 'draft';
  /** Known before commit, so that it can stand in our Received field. */
  readonly id: MailId;
  /** Octets of body written so far. */
  readonly written: number;
  /** A promise is back-pressure. The caller may not touch `body` afterwards. Rejects never; trouble shows at commit. */
  write(body: Uint8Array): Promise<void> | void;
  /** What was written so far. Nothing may be written or ended before this is over. A read error throws. */
  read(): AsyncIterable<Uint8Array>;
  /** Forgets what was written: what is written from now on is the body. */
  rewind(): Promise<void>;
  /** `head` goes above what was written. Resolves once durable: now 250 may be said. Ends the draft. */
  commit(head: Uint8Array, to: readonly NewEntry[]): Promise<Committed | Refused>;
  /** Ends the draft and leaves nothing. Idempotent. */
  abort(): Promise<void>;
}

/**
 * Idempotent: a settlement whose outcomes are all known already, or whose notice was given already
 * (`warned` is not above what is stored), changes nothing, and its notice is not stored again.
 */
export interface Settlement {
  readonly id: EntryId;
  /** By index into envelope.recipients. Recipients that are final already are passed over. */
  readonly outcomes: readonly { readonly recipient: number; readonly outcome: Outcome }[];
  /** When recipients remain pending: not before this. */
  readonly nextTry?: Instant;
  readonly warned?: number;
  readonly hold?: Hold;
  /** A notice that this causes: one durable write with the outcome. */
  readonly notice?: { readonly content: Uint8Array; readonly entry: NewEntry };
}

export interface QueueSummary {
  readonly queue: QueueName;
  /** Entries, held ones included. */
  readonly count: number;
  readonly held: number;
  /** Entries that were tried and put off. */
  readonly deferred: number;
  /** Octets of content. */
  readonly bytes: number;
  /** Arrival of the oldest entry. */
  readonly oldest: Instant | null;
}

export interface EntryQuery {
  readonly ids?: readonly EntryId[];
  readonly queue?: QueueName;
  /** Exact, case-insensitive; or `@domain`. */
  readonly sender?: string;
  readonly recipient?: string;
  readonly arrivedBefore?: Instant;
  readonly held?: boolean;
  readonly limit?: number;
}

export type OperatorAct =
  | { readonly kind: 'hold'; readonly hold: Hold }
  | { readonly kind: 'release' }
  /** Forget when the next try was to be. */
  | { readonly kind: 'hasten' }
  | { readonly kind: 'remove'; readonly by: string };

export interface SpoolHealth {
  readonly state: 'ok' | 'full' | 'readonly' | 'doubtful';
  /** Octets that may still be accepted; seconds old at most, also when no draft is opened meanwhile. */
  readonly room: number;
  readonly entries: number;
  readonly bytes: number;
  /** Records that were found damaged and set aside. */
  readonly corrupt: number;
  readonly why?: string;
}

export interface Lease {
  readonly kind: 'lease';
  readonly queue: QueueName;
  readonly epoch: number;
  /** Aborted when the lease is lost or released. */
  readonly lost: AbortSignal;
  /**
   * Up to `limit` entries that may be tried at `now`, in order of arrival: not held, nextTry ≤ now, and
   * not handed out by this lease already (an entry handed out comes back by `settle` or `giveBack`).
   * `order`: instead the smallest first, or sender by sender; among those that were ready when this order was
   * made, which costs in proportion to the queue and is done again when they are used up.
   */
  ready(now: Instant, limit: number, order?: Order): Promise<readonly Entry[]>;
  /** Entries that were handed out and not tried. */
  giveBack(ids: readonly EntryId[]): void;
  /** Sets nextTry of every deferred entry to `now`. Not durable: only a hint for this run. */
  hasten(now: Instant): void;
  /** The earliest nextTry of an entry that is not handed out or held; null if there is none. */
  nextReady(): Instant | null;
  /** Entries not handed out and not held that arrived at or before `arrivedBefore` with fewer than `warned` warnings (all, when absent), oldest first. Hands them out. */
  due(query: { arrivedBefore: Instant; warned?: number }, limit: number): Promise<readonly Entry[]>;
  /**
   * All entries that are not held, in order of arrival, whatever their next try, handed out or not (but for those
   * that another lease has kept back: see `release`). Costs in
   * proportion to the queue, and reads no envelope. Ends early when the lease is lost. Those of which
   * `read` says so are read next, so they may be read together.
   */
  list(read?: (listing: Listing) => boolean): AsyncIterable<Listing>;
  open(id: EntryId, from?: number): Promise<Content | Corrupt | Gone>;
  /**
   * Durable when it resolves; grouped; idempotent. Waits for as long as nothing can be written. Entries with
   * no pending recipient are gone after it, but for those held as `undeliverable`. When the lease is lost,
   * `delivered` and `failed` count all the same, and nothing else of the settlement.
   */
  settle(settlements: readonly Settlement[]): Promise<void>;
  /**
   * `inDoubt`: entries that were handed out and may have been taken, as an answer will tell. No other lease
   * gives them out before this one has settled them or given them back; only a crash of ours forgets that.
   */
  release(inDoubt?: readonly EntryId[]): Promise<void>;
}
export interface Busy {
  readonly kind: 'busy';
  readonly holder: string;
}
export interface Corrupt {
  readonly kind: 'corrupt';
  readonly why: string;
}
export interface Gone {
  readonly kind: 'gone';
}

export interface Spool {
  /** `size`: as declared by SIZE=. Says at once if there is no room for these queues. */
  draft(room: { readonly size?: number; readonly queues: readonly QueueName[] }): Soon<Draft | Refused>;
  /** Octets that this queue may still take by its share; asked at each RCPT, answers at once. */
  room?(queue: QueueName): number;
  lease(queue: QueueName, holder: string): Promise<Lease | Busy>;
  queues(): Iterable<QueueSummary>;
  summary(queue: QueueName): QueueSummary;
  /** For people; in order of arrival. */
  find(query: EntryQuery): AsyncIterable<Entry>;
  read(id: EntryId): Promise<Entry | Corrupt | Gone>;
  /** Content for people (`queue show`, `queue export`); needs no lease. */
  open(id: EntryId): Promise<Content | Corrupt | Gone>;
  /**
   * Durable. Returns those it applied to. `release` of an `undeliverable` entry makes its failed recipients
   * pending again: it is offered once more.
   */
  operate(ids: readonly EntryId[], act: OperatorAct): Promise<readonly EntryId[]>;
  /**
   * Routes changed. Durable. An entry that is handed out is moved all the same; its settle still counts.
   * With `recipients` (indices), only these move, as a new entry of the same mail.
   */
  move(id: EntryId, to: QueueName, recipients?: readonly number[]): Promise<void>;
  /** A hint, never relied on. Called after commit, settle with notice, move, release and hasten. */
  onArrival(fn: (queue: QueueName) => void): () => void;
  health(): SpoolHealth;
  close(): Promise<void>;
}
