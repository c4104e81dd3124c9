/**
 * How a keeper ends: when its queue is collected in another way now, or the program ends. What is out comes back in
 * order; but a peer that says nothing must not keep the queue from its new way until the protocol's deadline.
 *
 *   manners   lines end as they like, for `MANNERS`
 *   hung up   what was not sent to its end is cut; what was, may have been taken, so its answer is waited for
 *   freed     only such mails are out: the lease is given up without them (`Lease.release`)
 *   ended     they have come back too
 */
import { type Clock, SECOND, type Timer } from '../base/clock.ts';

/** That lines have to end in order. */
export const MANNERS = 5 * SECOND;

export interface LeavingParts {
  /** Nothing is out, and everything is durable. */
  quiet(): boolean;
  /** Nothing is out but what is in doubt, and everything is durable. */
  free(): boolean;
  hangUp(): void;
  /** Gives the lease up. Called once. */
  release(): Promise<void>;
}

export class Leaving {
  /** Another may have the queue. */
  readonly freed: Promise<void>;
  /** All that was out has come back and is durable. */
  readonly ended: Promise<void>;
  readonly #parts: LeavingParts;
  readonly #timer: Timer;
  readonly #free = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();
  #hungUp = false;

  constructor(clock: Clock, parts: LeavingParts) {
    this.#parts = parts;
    this.freed = this.#free.promise.then(() => parts.release());
    this.ended = Promise.all([this.freed, this.#end.promise]).then(() => {});
    this.#timer = clock.after(MANNERS, () => {
      this.#hungUp = true;
      parts.hangUp();
      this.turn();
    });
    this.turn();
  }

  /** Something has come back. */
  turn(): void {
    const quiet = this.#parts.quiet();
    if (quiet || (this.#hungUp && this.#parts.free())) this.#free.resolve();
    if (quiet) this.#over();
  }

  /** All was cut: nothing is waited for. */
  cut(): void {
    this.#free.resolve();
    this.#over();
  }

  #over(): void {
    this.#timer.cancel();
    this.#end.resolve();
  }
}
