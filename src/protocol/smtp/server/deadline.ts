/**
 * One deadline that moves often: before each command, with each part of content. Only one timer is
 * armed; when it fires too early for the present deadline it is armed anew, so that moving the
 * deadline costs nothing.
 */
import type { Clock, Timer } from '../../../base/clock.ts';

export class Deadline {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #due: number | null = null;
  #timer: { readonly at: number; readonly timer: Timer } | null = null;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** `due` by the monotonic clock. */
  set(due: number): void {
    this.#due = due;
    if (this.#timer && this.#timer.at > due) this.#disarm();
    if (!this.#timer) this.#arm(due);
  }

  clear(): void {
    this.#due = null;
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#due = null;
    this.#disarm();
  }

  #arm(at: number): void {
    const timer = this.#clock.after(at - this.#clock.monotonic(), () => this.#fire());
    this.#timer = { at, timer };
  }

  #disarm(): void {
    this.#timer?.timer.cancel();
    this.#timer = null;
  }

  #fire(): void {
    this.#timer = null;
    if (this.#due === null) return;
    if (this.#clock.monotonic() < this.#due) {
      this.#arm(this.#due);
    } else {
      this.#due = null;
      this.#expired();
    }
  }
}
