/**
 * A queue's lease in another's hands for a time: how a way to collect that hands over by itself (a mailbox that
 * is fetched, say) gets it from the keeper, and gives it back. While it is lent the keeper does nothing; what
 * is settled by the lease counts as the keeper's own would.
 *
 * Expiry, notices and holds stay the keeper's: it sees to them between two loans. An operator's hold, a stop and
 * a change of the way take the lease back at once: `lease.lost` is aborted, and what is delivered by then still
 * counts when it is settled (spool/port.ts).
 */
import type { Log } from '../base/log.ts';
import type { Lease, QueueName } from '../spool/port.ts';
import type { KeeperContext } from './context.ts';
import type { Tenure } from './tenure.ts';

/** What came of it, for people. */
export interface LoanCounts {
  readonly mails: number;
  readonly octets: number;
  readonly refused?: number;
  /** Absent: all went as it should. */
  readonly why?: string;
}

export interface Lent {
  readonly kind: 'lent';
  readonly lease: Lease;
  /** To be called once, also when the lease was lost. Never rejects. */
  end(counts: LoanCounts): Promise<void>;
}

export interface NotLent {
  readonly kind: 'not lent';
  readonly why: 'held' | 'busy' | 'another way';
  /** For people. */
  readonly text: string;
}

export const notLent = (why: NotLent['why'], text: string): NotLent => ({ kind: 'not lent', why, text });

/** The loans of one queue, one after the other. */
export class Loans {
  readonly #ctx: KeeperContext;
  readonly #queue: QueueName;
  readonly #log: Log;
  readonly #tenure: Tenure;
  #out: Lease | null = null;

  constructor(ctx: KeeperContext, queue: QueueName, log: Log, tenure: Tenure) {
    this.#ctx = ctx;
    this.#queue = queue;
    this.#log = log;
    this.#tenure = tenure;
  }

  /** Is it lent? */
  get out(): boolean {
    return this.#out !== null;
  }

  /** `wanted`: may it still be lent, when the keeper has let go of it? `ended` is called once if it is lent. */
  async give(
    by: string,
    wanted: () => boolean,
    ended: (counts: LoanCounts) => void,
  ): Promise<Lent | NotLent> {
    await this.#tenure.pause();
    const lease = await this.#ctx.spool.lease(this.#queue, by).catch((error: unknown) => String(error));
    if (typeof lease === 'string' || lease.kind === 'busy') {
      this.#tenure.resume();
      return notLent('busy', typeof lease === 'string' ? lease : `${lease.holder} has it`);
    }
    this.#out = lease;
    if (!wanted()) await lease.release();
    return { kind: 'lent', lease, end: (counts) => this.#end(lease, () => ended(counts)) };
  }

  /** Takes it back at once. */
  async recall(): Promise<void> {
    await this.#out?.release().catch((error: unknown) => {
      this.#log.error('queue could not be taken back', { why: String(error) });
    });
  }

  async #end(lease: Lease, ended: () => void): Promise<void> {
    if (this.#out !== lease) return;
    await this.recall();
    this.#out = null;
    this.#tenure.resume();
    ended();
  }
}
