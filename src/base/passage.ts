/**
 * Octets that pass through in buffers of their own, as contents do. V8 makes young collections by what its own heap
 * holds, and these lie outside of it: 40 MiB of them were waiting to be collected, and where mails have 64 KB, what
 * waited set off a full collection every 500 of them. So a young collection (half a millisecond) is asked for now and then.
 *
 * Needs node's --expose-gc, which `bin/restante` gives; without it nothing is asked for.
 */
const STEP = 4 * 1024 * 1024;

export class Passage {
  #since = 0;

  /** So many octets have passed. */
  passed(octets: number): void {
    this.#since += octets;
    if (this.#since < STEP) return;
    this.#since = 0;
    globalThis.gc?.({ type: 'minor' });
  }
}
