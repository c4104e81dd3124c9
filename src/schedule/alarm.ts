/**
 * The one timer of a keeper. One that rings too early does no harm, and costs less than setting it anew
 * for each mail: it is only moved to an earlier time.
 */
import { type Clock, DAY, type Timer } from '../base/clock.ts';

const LONGEST = DAY;

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #set: { at: number; timer: Timer } | null = null;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at the earliest of these, by the monotonic clock, or before. */
  by(times: readonly (number | null)[]): void {
    let at = Number.POSITIVE_INFINITY;
    for (const time of times) if (time !== null && time < at) at = time;
    if (at === Number.POSITIVE_INFINITY || (this.#set && this.#set.at <= at)) return;
    this.cancel();
    const delay = Math.min(LONGEST, Math.max(0, at - this.#clock.monotonic()));
    const timer = this.#clock.after(delay, () => {
      this.#set = null;
      this.#ring();
    });
    this.#set = { at, timer };
  }

  cancel(): void {
    this.#set?.timer.cancel();
    this.#set = null;
  }
}
