/**
 * Short lists of lengths, each with a sum, close together in one array: what the table of entries has no column for.
 * A list takes 2 octets and one for each length, rounded up to 4; what is removed is used again for lists of that size.
 */
const FIRST_WORDS = 256;
/** Octets of a word, in which lists are counted. */
const WORD = 4;
/** Those of the sum. */
const SUM = 2;

const wordsOf = (count: number): number => Math.ceil((SUM + count) / WORD);

export class Lengths {
  #words = new Uint32Array(FIRST_WORDS);
  #octets = new Uint8Array(this.#words.buffer);
  /** Words ever used. */
  #top = 0;
  /** By words of a list: the first of those that were removed, plus one. In it stands the next. */
  readonly #free: number[] = [];

  /** Octets allocated. */
  get byteLength(): number {
    return this.#words.byteLength;
  }

  /** The place of the list. The sum is below 65,536, each length below 256. */
  add(sum: number, each: readonly number[]): number {
    const place = this.#room(wordsOf(each.length));
    const at = place * WORD;
    this.#octets[at] = sum & 0xff;
    this.#octets[at + 1] = sum >> 8;
    this.#octets.set(each, at + SUM);
    return place;
  }

  /** `count`: how many there are. */
  at(place: number, count: number): { sum: number; each: number[] } {
    const at = place * WORD;
    const sum = (this.#octets[at] ?? 0) | ((this.#octets[at + 1] ?? 0) << 8);
    return { sum, each: [...this.#octets.subarray(at + SUM, at + SUM + count)] };
  }

  remove(place: number, count: number): void {
    const words = wordsOf(count);
    this.#words[place] = this.#free[words] ?? 0;
    this.#free[words] = place + 1;
  }

  #room(words: number): number {
    const free = this.#free[words] ?? 0;
    if (free > 0) {
      this.#free[words] = this.#words[free - 1] ?? 0;
      return free - 1;
    }
    if (this.#top + words > this.#words.length) {
      // Moved, as the columns of the table are.
      const length = this.#top + Math.max(FIRST_WORDS, this.#top >> 2);
      this.#words = new Uint32Array(this.#words.buffer.transfer(length * WORD));
      this.#octets = new Uint8Array(this.#words.buffer);
    }
    const place = this.#top;
    this.#top += words;
    return place;
  }
}
