/**
 * Mail that nobody calls for: when it fails, and when its sender is told that it waits.
 *
 * Promises: nothing waits in silence for ever. A mail whose time (`hold`) is over still waits GRACE for a call,
 * so that a site that calls once a week is never late by a day; then it fails, with the notice that any
 * failure has. The wait is the try that it had: the site could have called at any time of it.
 */
import { DAY, HOUR, type Instant } from '../base/clock.ts';
import type { Lease, QueueName } from '../spool/port.ts';
import type { KeeperContext } from './context.ts';
import type { Late } from './late.ts';
import type { QueuePolicy } from './policy.ts';

const GRACE = 7 * DAY;
/** Between two looks. */
const LOOK = HOUR;

export interface UncalledLook {
  readonly lease: Lease;
  readonly policy: QueuePolicy;
  /** When the last call ended, if there ever was one. */
  readonly lastCall: Instant | undefined;
  /** False as soon as the site calls. */
  still(): boolean;
}

export class Uncalled {
  readonly #ctx: KeeperContext;
  readonly #queue: QueueName;
  readonly #late: Late;
  /** By the monotonic clock. */
  #notBefore = 0;

  constructor(ctx: KeeperContext, queue: QueueName, late: Late) {
    this.#ctx = ctx;
    this.#queue = queue;
    this.#late = late;
  }

  /** When the oldest mail fails if no call comes; null if there is none. */
  keptUntil({ hold }: QueuePolicy): Instant | null {
    const { oldest } = this.#ctx.spool.summary(this.#queue);
    return oldest === null ? null : oldest + hold + GRACE;
  }

  /** When a look may find something, by the monotonic clock; null: never, as it stands. */
  at({ hold, warn }: QueuePolicy): number | null {
    const { clock, spool } = this.#ctx;
    const { oldest, count, held } = spool.summary(this.#queue);
    if (oldest === null || count === held) return null;
    const due = oldest + Math.min(hold + GRACE, warn[0] ?? Number.POSITIVE_INFINITY);
    return Math.max(this.#notBefore, clock.monotonic() + Math.max(0, due - clock.now()));
  }

  /** Looks if it is time. True: it does. */
  turn(at: UncalledLook): boolean {
    const { clock } = this.#ctx;
    const due = this.at(at.policy);
    if (due === null || due > clock.monotonic()) return false;
    this.#notBefore = clock.monotonic() + LOOK;
    const { lastCall } = at;
    const why =
      lastCall === undefined ? 'the site never called' : `no call since ${new Date(lastCall).toISOString()}`;
    const now = clock.now();
    void this.#late.look({ ...at, tried: now, over: now - GRACE, why });
    return true;
  }
}
