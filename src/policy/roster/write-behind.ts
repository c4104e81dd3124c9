/**
 * Writes to the roster's database off the mail's way: what was said last of each key waits in memory for a second
 * at most, and goes there in one transaction with all others. A write that fails is logged and forgotten; what waits is
 * lost by a crash, and learned again.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type Clock, SECOND, type Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';

const DELAY = SECOND;
/** Then it is written at once. */
const MOST = 5000;

export class WriteBehind<V> {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #write: (key: string, value: V | null) => void;
  readonly #waiting = new Map<string, V | null>();
  #timer: Timer | null = null;

  /** `write`: null removes it. */
  constructor(
    how: { readonly db: DatabaseSync; readonly clock: Clock; readonly log: Log },
    write: (key: string, value: V | null) => void,
  ) {
    this.#db = how.db;
    this.#clock = how.clock;
    this.#log = how.log;
    this.#write = write;
  }

  /** What is not written yet: null: it is removed; undefined: the database knows. */
  waiting(key: string): V | null | undefined {
    return this.#waiting.get(key);
  }

  put(key: string, value: V | null): void {
    this.#waiting.set(key, value);
    if (this.#waiting.size >= MOST) this.flush();
    else this.#timer ??= this.#clock.after(DELAY, () => this.flush());
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#waiting.size === 0) return;
    try {
      this.#db.exec('BEGIN');
      for (const [key, value] of this.#waiting) this.#write(key, value);
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#log.warn('roster could not be written', { why: String(error), lost: this.#waiting.size });
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
    this.#waiting.clear();
  }
}
