/**
 * What is learned of a site that greylists: how long a mail had to wait between its first deferral and
 * its acceptance. Others that were put off are then tried when that time has passed for them, instead
 * of by their own clock, which doubles away from it.
 */
import { type Clock, DAY, type Instant, SECOND } from '../base/clock.ts';

/** Administrators change it; what was learned yesterday may be wrong today. */
const REMEMBERED = DAY;

export class Greylist {
  readonly #clock: Clock;
  #delay: number | null = null;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The shortest wait that sufficed; null when nothing is known. */
  get delay(): number | null {
    if (this.#clock.monotonic() >= this.#until) this.#delay = null;
    return this.#delay;
  }

  /** A mail that was put off since `since` was accepted. True when nothing was known before. */
  accepted(since: Instant): boolean {
    const waited = Math.max(0, this.#clock.now() - since);
    const known = this.delay;
    this.#delay = known === null ? waited : Math.min(known, waited);
    this.#until = this.#clock.monotonic() + REMEMBERED;
    return known === null;
  }

  /** When a mail put off since `since` should pass; null when nothing is known or it should have already. */
  passes(since: Instant): Instant | null {
    const delay = this.delay;
    if (delay === null) return null;
    const at = since + delay + 5 * SECOND;
    return at > this.#clock.now() ? at : null;
  }
}
