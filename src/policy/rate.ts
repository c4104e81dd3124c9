/**
 * So many in a span for each key, and no more. Bounded: when the table is full, the key that was seen longest
 * ago is forgotten.
 */
import type { Clock } from '../base/clock.ts';

const ROOM = 10_000;

export class Rate {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #span: number;
  readonly #seen = new Map<string, { begun: number; count: number }>();

  constructor(clock: Clock, most: number, span: number) {
    this.#clock = clock;
    this.#most = most;
    this.#span = span;
  }

  /** Counts one. False: it is one too many. */
  take(key: string): boolean {
    const now = this.#clock.monotonic();
    const last = this.#seen.get(key);
    const current = last && now - last.begun < this.#span ? last : { begun: now, count: 0 };
    this.#seen.delete(key);
    this.#seen.set(key, current);
    const [oldest] = this.#seen.size > ROOM ? this.#seen.keys() : [];
    if (oldest !== undefined) this.#seen.delete(oldest);
    return ++current.count <= this.#most;
  }

  /** Has it had its share? Counts nothing. */
  spent(key: string): boolean {
    const last = this.#seen.get(key);
    return (
      last !== undefined && this.#clock.monotonic() - last.begun < this.#span && last.count >= this.#most
    );
  }
}
