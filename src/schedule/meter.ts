/**
 * How many mails a second were answered of late: mean of the last ten to twenty seconds, or since the
 * first after a pause.
 */
import type { Clock } from '../base/clock.ts';

const SPAN = 10_000;

export class Meter {
  readonly #clock: Clock;
  #begun = 0;
  #before = 0;
  #current = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(): void {
    this.#turn();
    this.#current++;
  }

  /** Mails a second. */
  get rate(): number {
    this.#turn();
    const elapsed = Math.max(1000, this.#clock.monotonic() - this.#begun);
    const span = this.#before > 0 ? SPAN + elapsed : elapsed;
    return ((this.#before + this.#current) * 1000) / span;
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const spans = Math.floor((now - this.#begun) / SPAN);
    if (spans < 1) return;
    this.#before = spans === 1 ? this.#current : 0;
    this.#current = 0;
    this.#begun = spans === 1 ? this.#begun + SPAN : now;
  }
}
