/**
 * What all keepers share.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { KeyedTable } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { Handover } from '../handover/port.ts';
import type { Reply } from '../mail/reply.ts';
import type { Notices } from '../notify/notices.ts';
import type { QueueName, Spool } from '../spool/port.ts';
import type { Random } from './intervals.ts';
import type { Patience } from './patience.ts';
import type { QueuePolicy } from './policy.ts';
import type { Turns } from './turns.ts';
import type { CallSummary } from './view.ts';

/** A queue that an operator stopped; kept over a start. */
export interface HeldQueue {
  readonly reason: string;
  readonly until: Instant | null;
}

export interface KeeperContext {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly notices: Notices;
  readonly patience: Patience;
  readonly held: KeyedTable<HeldQueue>;
  /** The last calls of sites that call. */
  readonly calls: KeyedTable<readonly CallSummary[]>;
  /** Our name as a holder of leases. */
  readonly holder: string;
  /** For handing over. */
  readonly lines: Turns;
  /** For probes, apart: a thousand dead sites must not take the turns of those that live. */
  readonly probes: Turns;
  handoverFor(queue: QueueName): Handover | null;
  policyFor(queue: QueueName): QueuePolicy | null;
  readonly heard?: Heard;
}

/**
 * What the site's best host said of recipients with a mail: taken with it, or refused at RCPT. Refusals that are not
 * believed at the moment (wary) are not told. Called on the way of each mail: returns at once.
 */
export type Heard = (queue: QueueName, said: readonly RecipientSaid[]) => void;
export interface RecipientSaid {
  readonly address: string;
  /** The refusal; absent: it was taken. */
  readonly refusal?: Reply;
}

export interface KeeperOptions {
  readonly queue: QueueName;
  readonly handover: Handover;
  readonly policy: QueuePolicy;
  /** Milliseconds until the first probe; null: begin `up`, mail has just come in. */
  readonly probeIn: number | null;
  /** Nothing is left to do: a supervisor may let it go. */
  readonly idle: () => void;
}
