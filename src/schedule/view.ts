/**
 * What people may see of the keepers and ask of them: the face that `operate/` shows.
 * Values only; a view is a copy of one moment.
 */
import type { Instant } from '../base/clock.ts';
import type { QueueName } from '../spool/port.ts';

/** DESIGN.md §5. `wary` is a mark beside the state, not a state. */
export type KeeperState = 'up' | 'down' | 'draining' | 'waiting' | 'calling' | 'held';

export interface KeeperView {
  readonly queue: QueueName;
  readonly state: KeeperState;
  /** For people: why it is down or held; null when there is nothing to say. */
  readonly reason: string | null;
  /** Since when it is in this state. */
  readonly since: Instant;
  /** When a held queue is released by itself; null otherwise. */
  readonly until: Instant | null;
  /** When it is tried next while `down`; null otherwise. */
  readonly nextProbe: Instant | null;
  /** Mails a second that were answered of late. */
  readonly rate: number;
  /** Milliseconds until the queue is worked through, when draining at a known rate. */
  readonly estimate: number | null;
  /** Connections open at the moment. */
  readonly connections: number;
  /** The host spoken to last; null before the first. */
  readonly host: string | null;
  /** Refusals are held back and offered again. */
  readonly wary: boolean;
  /** Absent for a queue that is pushed. */
  readonly calls?: CallsView;
}

export interface CallsView {
  /** The last ones, the latest first. */
  readonly last: readonly CallSummary[];
  /** When the oldest mail fails if no call comes; null if there is none. */
  readonly keptUntil: Instant | null;
}

/** What came of one call. */
export interface CallSummary {
  /** Who called, and how, for people. */
  readonly by: string;
  readonly begun: Instant;
  readonly ended: Instant;
  /** Mails that were taken, to all of their recipients or some. */
  readonly mails: number;
  /** Their content. */
  readonly octets: number;
  /** What left for it, where it was compressed. */
  readonly sent?: number;
  /** Mails that were put off, and mails that were refused. */
  readonly deferred: number;
  readonly refused: number;
  /** Mails that still lie here, held ones apart. */
  readonly left: number;
  /** What ended it before the end of the queue. */
  readonly why: string | null;
}

/** `Keepers` satisfies this; it is all that `operate/` needs of it. */
export interface KeepersView {
  /** Null for a queue that nothing is known of or that has no keeper (OPERATOR_QUEUE). */
  view(queue: QueueName): KeeperView | null;
  views(): Iterable<KeeperView>;
  /** An operator's word: try now, all deferred entries too. False: no keeper, or the queue is held. */
  flush(queue: QueueName): boolean;
  /** Stops handing over, durably, until released or until `until`. Resolves once durable. */
  hold(queue: QueueName, reason: string, until: Instant | null): Promise<void>;
  release(queue: QueueName): Promise<void>;
}
