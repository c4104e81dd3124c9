/**
 * The messages of one session: which are marked as deleted, and what the others come to. Marks are
 * kept here only: nothing is deleted before QUIT (RFC 1939 §5, DELE; §6).
 */
import type { Maildrop } from './maildrop.ts';

export class Messages {
  readonly drop: Maildrop;
  readonly #deleted = new Set<number>();
  readonly #octets: number;
  #deletedOctets = 0;

  constructor(drop: Maildrop) {
    this.drop = drop;
    let octets = 0;
    for (let n = 1; n <= drop.count; n++) octets += drop.size(n);
    this.#octets = octets;
  }

  /** Those that are not deleted. */
  get count(): number {
    return this.drop.count - this.#deleted.size;
  }

  get octets(): number {
    return this.#octets - this.#deletedOctets;
  }

  get deleted(): readonly number[] {
    return [...this.#deleted];
  }

  state(n: number): 'there' | 'deleted' | 'none' {
    if (n < 1 || n > this.drop.count) return 'none';
    return this.#deleted.has(n) ? 'deleted' : 'there';
  }

  delete(n: number): void {
    if (this.state(n) !== 'there') return;
    this.#deleted.add(n);
    this.#deletedOctets += this.drop.size(n);
  }

  reset(): void {
    this.#deleted.clear();
    this.#deletedOctets = 0;
  }

  /** In their order. */
  *numbers(): Iterable<number> {
    for (let n = 1; n <= this.drop.count; n++) if (!this.#deleted.has(n)) yield n;
  }
}
