/**
 * A set of short texts that keeps 64 bits of each: 1,000,000 addresses are 11.4 MB, in one piece that no garbage
 * collector walks through, and that is given back at once when it is not used any more: the collector is in no hurry
 * with what lies outside of its heap. Two texts are taken for one with a chance of one to 2^64 a pair; the seed is random, so
 * nobody can look for such a pair. It can't say what is in it.
 */

/** Of its places, at most this share is taken. */
const LOAD = 0.7;
const LEAST = 64;

export class HashSet {
  #seed: number;
  /** Two words a place; the second is zero in an empty one. Signed, as the engine boxes what is larger. */
  #words: Int32Array<ArrayBuffer>;
  #places: number;
  #size = 0;

  /** `seed`: any 32 bits. `expected`: how many there will be; more are no trouble. */
  constructor(seed: number, expected = 0) {
    this.#seed = seed | 0;
    this.#places = Math.max(LEAST, Math.ceil(expected / LOAD));
    this.#words = new Int32Array(this.#places * 2);
  }

  get size(): number {
    return this.#size;
  }

  /** What the other has is in this one, and nothing else; the other is empty. */
  become(other: HashSet): void {
    free(this.#words);
    this.#seed = other.#seed;
    this.#words = other.#words;
    this.#places = other.#places;
    this.#size = other.#size;
    other.#empty();
  }

  /** Empty, and its octets given back. */
  clear(): void {
    free(this.#words);
    this.#empty();
  }

  #empty(): void {
    this.#places = LEAST;
    this.#words = new Int32Array(LEAST * 2);
    this.#size = 0;
  }

  add(text: string): void {
    this.#add(hash(text, this.#seed), hash(text, ~this.#seed) || 1);
  }

  /** The same for a text of ASCII letters, without making a string of it. */
  addAscii(octets: Uint8Array, from: number, to: number): void {
    this.#add(hashAscii(octets, from, to, this.#seed), hashAscii(octets, from, to, ~this.#seed) || 1);
  }

  #add(high: number, low: number): void {
    const at = this.#find(high, low);
    if (this.#words[at + 1] !== 0) return;
    this.#words[at] = high;
    this.#words[at + 1] = low;
    this.#size++;
    if (this.#size > this.#places * LOAD) this.#grow();
  }

  has(text: string): boolean {
    const at = this.#find(hash(text, this.#seed), hash(text, ~this.#seed) || 1);
    return this.#words[at + 1] !== 0;
  }

  /** Where it is, or would be. */
  #find(high: number, low: number): number {
    const words = this.#words;
    const end = this.#places * 2;
    let at = Math.floor(((high >>> 0) / 2 ** 32) * this.#places) * 2;
    for (;;) {
      if (words[at + 1] === 0 || (words[at] === high && words[at + 1] === low)) return at;
      at += 2;
      if (at === end) at = 0;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Int32Array(old.length * 2);
    this.#places *= 2;
    for (let i = 0; i < old.length; i += 2) {
      const [high = 0, low = 0] = [old[i], old[i + 1]];
      if (low === 0) continue;
      const at = this.#find(high, low);
      this.#words[at] = high;
      this.#words[at + 1] = low;
    }
    free(old);
  }
}

function free({ buffer }: Int32Array<ArrayBuffer>): void {
  buffer.transfer(0);
}

/** As murmur3 mixes, by UTF-16 units. */
function hash(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i++) h = mix(h, text.charCodeAt(i));
  return finish(h, text.length);
}

function hashAscii(octets: Uint8Array, from: number, to: number, seed: number): number {
  let h = seed | 0;
  for (let i = from; i < to; i++) h = mix(h, octets[i] ?? 0);
  return finish(h, to - from);
}

function mix(h: number, unit: number): number {
  h ^= Math.imul(unit, 0xcc9e2d51);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(h: number, length: number): number {
  h ^= length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
