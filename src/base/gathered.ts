/**
 * Text that waits to leave in one write. It becomes octets at once: strings that wait for a tenth of a second outlive the
 * young generation of a busy process, and then cost a full collection (decisions/young.md).
 */
const ROOM = 64 * 1024;
/** A buffer that had to be larger than this is not kept. */
const LARGEST = 1024 * 1024;

export class Gathered {
  #octets = Buffer.allocUnsafeSlow(ROOM);
  #length = 0;
  #texts = 0;

  /** Octets. */
  get length(): number {
    return this.#length;
  }

  /** How many texts were added. */
  get texts(): number {
    return this.#texts;
  }

  add(text: string): void {
    // UTF-8 takes at most three octets for a unit of UTF-16.
    const end = this.#length + 3 * text.length;
    if (end > this.#octets.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#octets.length));
      this.#octets.copy(larger, 0, 0, this.#length);
      this.#octets = larger;
    }
    this.#length += this.#octets.write(text, this.#length);
    this.#texts++;
  }

  /** All of it; nothing is left. */
  take(): Buffer {
    const taken = Buffer.from(this.#octets.subarray(0, this.#length));
    if (this.#octets.length > LARGEST) this.#octets = Buffer.allocUnsafeSlow(ROOM);
    this.#length = 0;
    this.#texts = 0;
    return taken;
  }
}
