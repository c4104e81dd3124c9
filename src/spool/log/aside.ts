/**
 * Entries that could not be read. What is damaged stays set aside, and counted, until somebody removes it or
 * the next start; what only could not be read just now (an I/O error, too many open files) is offered again
 * after a minute.
 */
import { MINUTE, type Timer } from '../../base/clock.ts';
import { errorCode } from '../../base/files.ts';
import { entryText, type Key, mailText } from './ids.ts';
import type { LogStore } from './store.ts';
import { FLAG, type Row } from './table.ts';

export class Aside {
  readonly #store: LogStore;
  /** Of those that are looked at again. */
  readonly #again = new Map<Row, Key>();
  #timer: Timer | null = null;
  #closed = false;

  constructor(store: LogStore) {
    this.#store = store;
  }

  /** How many wait to be looked at again. */
  get count(): number {
    return this.#again.size;
  }

  add(row: Row, error: unknown): void {
    const { index, log } = this.#store;
    if (index.table.has(row, FLAG.corrupt)) return;
    const key = this.#store.key(row);
    index.setCorrupt(row, true);
    const isLasting = errorCode(error) === '' || errorCode(error) === 'ENOENT';
    if (isLasting) this.#store.corrupt++;
    else this.#later(row, key);
    log.error('mail cannot be read', {
      mail: mailText(key.mail),
      entry: entryText(key.mail, key.suffix),
      why: error instanceof Error ? error.message : String(error),
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #later(row: Row, key: Key): void {
    this.#again.set(row, key);
    if (this.#closed) return;
    this.#timer ??= this.#store.clock.after(MINUTE, () => {
      this.#timer = null;
      this.#offerAgain();
    });
  }

  #offerAgain(): void {
    const { index } = this.#store;
    const rows = [...this.#again];
    this.#again.clear();
    for (const [row, key] of rows) {
      if (index.table.find(key.mail, key.suffix) !== row) continue;
      index.setCorrupt(row, false);
      this.#store.arrival(index.queueOf(row).name);
    }
  }
}
