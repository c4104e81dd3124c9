/** A bounded map: when it is full, what was touched longest ago is forgotten. */
export class Table<V> {
  readonly #room: number;
  readonly #entries = new Map<string, V>();

  constructor(room: number) {
    this.#room = room;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  touch(key: string, make: () => V): V {
    const value = this.#entries.get(key) ?? make();
    this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#room) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }
}
