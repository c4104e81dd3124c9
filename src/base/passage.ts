/**
 * Octets that pass through in buffers of their own, as contents do. V8 makes young collections by what its own heap
 * holds, and these lie outside of it: 40 MiB of them were waiting to be collected, and where mails have 64 KB, what
 * waited set off a full collection every 500 of them. So a young collection (half a millisecond) is asked for now and then.
 *
 * Collections also come of themselves, by what is allocated, so in the midst of some mail's way: at 300 mails a second
 * one stood in a fifth of the replies that were later than 0.75 ms. So one is made beforehand when nobody waits for a reply.
 *
 * Needs node's --expose-gc, which `bin/restante` gives; without it nothing is asked for.
 */
const STEP = 4 * 1024 * 1024;
/** About 80 mails with a connection of their own fill the young generation. */
const MAILS = 40;
/** Milliseconds: a busy process rests often, and for no time. */
const PAUSE = 100;

export class Passage {
  /** Octets and mails since a collection that was asked for. */
  #since = 0;
  #mails = 0;
  #rested = Number.NEGATIVE_INFINITY;

  /** So many octets have passed. */
  passed(octets: number): void {
    this.#since += octets;
    if (this.#since >= STEP) this.#collect();
  }

  /** A mail has been stored. */
  stored(): void {
    this.#mails++;
  }

  /** Nobody waits for a reply. `now` by the monotonic clock. */
  rest(now: number): void {
    if (this.#mails < MAILS || now - this.#rested < PAUSE) return;
    this.#rested = now;
    this.#collect();
  }

  #collect(): void {
    this.#since = 0;
    this.#mails = 0;
    globalThis.gc?.({ type: 'minor' });
  }
}
