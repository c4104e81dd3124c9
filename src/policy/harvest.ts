/**
 * Slows those who try out addresses: from the sixth recipient that is not there, each further recipient of the
 * connection waits a second longer; after twenty the connection ends. Who is put off because nobody knows his recipient
 * learns nothing by it, and is not counted. RFC 5321 §7.3 (who is there is nobody's business), §7.8.
 */
import { type Clock, SECOND, sleep } from '../base/clock.ts';
import type { Check, Visit, Watch } from './check.ts';
import { saysNoMailbox } from './roster/learned.ts';
import { ACCEPT, defer, type Refusal, type Verdict } from './verdict.ts';

const FREE = 5;
const LAST = 20;
const LONGEST_WAIT = 10 * SECOND;

export class Harvest implements Check {
  readonly name = 'harvest';
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin({ trusted }: Visit): Watch | undefined {
    return trusted ? undefined : new HarvestWatch(this.#clock);
  }
}

class HarvestWatch implements Watch {
  readonly #clock: Clock;
  #misses = 0;
  /** Made for a wait: what nearly no connection needs would cost each one more than all its other counting. */
  #waiting: AbortController | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  rcpt(): Verdict | Promise<Verdict> {
    if (this.#misses <= FREE) return ACCEPT;
    if (this.#misses > LAST) {
      return defer(421, '4.7.0', 'Too many recipients that are not here', 'addresses are tried out');
    }
    const wait = Math.min((this.#misses - FREE) * SECOND, LONGEST_WAIT);
    this.#waiting = new AbortController();
    return sleep(this.#clock, wait, this.#waiting.signal).then(() => ACCEPT);
  }

  refused({ reply }: Refusal): void {
    if (saysNoMailbox(reply)) this.#misses++;
  }

  closed(): void {
    this.#waiting?.abort();
  }
}
