/**
 * What the site's trouble does to mails that grew old in it: those whose time is over fail, those that
 * reached an age at which their sender may be told are told. Done after a try of the site that was in
 * vain; `tried` is when it began, so that nothing expires without one try after its time.
 */
import type { Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Entry, Lease } from '../spool/port.ts';
import type { Outcomes } from './outcomes.ts';
import type { Patience } from './patience.ts';
import type { QueuePolicy } from './policy.ts';

/** Each may read a message for its notice. */
const AT_ONCE = 20;

export interface LateLook {
  readonly lease: Lease;
  readonly policy: QueuePolicy;
  readonly tried: Instant;
  /** Mails whose time was over then may expire. */
  readonly over?: Instant;
  readonly why: string;
  /** False as soon as the site lives. */
  still(): boolean;
}

export class Late {
  readonly #log: Log;
  readonly #patience: Patience;
  readonly #outcomes: Outcomes;
  #busy = false;

  constructor(log: Log, patience: Patience, outcomes: Outcomes) {
    this.#log = log;
    this.#patience = patience;
    this.#outcomes = outcomes;
  }

  /** Never rejects. One look at a time: the next probe comes soon enough. */
  async look(at: LateLook): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#look(at);
    } catch (error) {
      this.#log.error('queue could not be read', { why: String(error) });
    }
    this.#busy = false;
  }

  async #look(at: LateLook): Promise<void> {
    const { lease, policy, tried, over = tried, why } = at;
    if (this.#patience.over) {
      const query = { arrivedBefore: over - policy.hold };
      await each(at, query, (e) => this.#outcomes.expire(e, lease, why));
    }
    // The highest age first, so that each gets one notice however many ages it has passed.
    for (let n = policy.warn.length; n > 0; n--) {
      const query = { arrivedBefore: tried - (policy.warn[n - 1] ?? 0), warned: n };
      await each(at, query, (e) => this.#outcomes.warn(e, lease, why, n));
    }
  }
}

async function each(
  { lease, still }: LateLook,
  query: { arrivedBefore: Instant; warned?: number },
  act: (entry: Entry) => Promise<void>,
): Promise<void> {
  while (still() && !lease.lost.aborted) {
    const entries = await lease.due(query, AT_ONCE);
    await Promise.all(entries.map(act));
    if (entries.length < AT_ONCE) return;
  }
}
