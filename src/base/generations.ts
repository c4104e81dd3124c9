/**
 * A map that forgets: keys stand in two generations, and when the young one is full the old one goes. What is
 * used moves to the young one, so it stays, whoever fills the map with others; no key costs more than a look-up.
 */
export class Generations<V> {
  readonly #half: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  /** `room`: entries at most. */
  constructor(room: number) {
    this.#half = Math.max(1, Math.floor(room / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    this.#old.delete(key);
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
