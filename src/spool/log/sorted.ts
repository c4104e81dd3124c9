/**
 * The entries of one queue in an order other than that of arrival, for sites at the end of a thin link: the
 * smallest first, or sender by sender.
 *
 * The order is made over what is ready at the moment, at most WINDOW entries in order of arrival, and used up
 * before it is made again: what comes meanwhile has its turn in the next one. Sizes stand in the index;
 * senders are read, in proportion to the queue. Ties stay in order of arrival.
 */
import type { Instant } from '../../base/clock.ts';
import type { Queue } from './memory-index.ts';
import type { LogStore } from './store.ts';
import type { Row } from './table.ts';
import { load } from './view.ts';

const WINDOW = 10_000;
/** Entries read at once. */
const BATCH = 32;

interface Place {
  readonly mail: number;
  readonly suffix: number;
}

export class Sorted {
  readonly #store: LogStore;
  readonly #queue: Queue;
  readonly by: 'size' | 'sender';
  /** By id, since a row may belong to another entry later. */
  #left: Place[] = [];

  constructor(store: LogStore, queue: Queue, by: 'size' | 'sender') {
    this.#store = store;
    this.#queue = queue;
    this.by = by;
  }

  /** The next one that may still be tried at `now`; -1: `fill` has to be called, or there is none. */
  next(now: Instant): Row {
    const { table } = this.#store.index;
    for (let place = this.#left.pop(); place; place = this.#left.pop()) {
      const row = table.find(place.mail, place.suffix);
      if (row >= 0 && table.queue[row] === this.#queue.id && this.#queue.order.isReady(row, now)) return row;
    }
    return -1;
  }

  async fill(now: Instant): Promise<void> {
    const rows = this.#queue.order.allReady(now, WINDOW);
    const places = rows.map((row) => ({ row, ...this.#store.key(row) }));
    const { table } = this.#store.index;
    const keys: (number | string)[] =
      this.by === 'size' ? rows.map((row) => table.size[row] ?? 0) : await this.#senders(rows);
    const order = places.map((_, i) => i);
    order.sort((a, b) => {
      const [x = '', y = ''] = [keys[a], keys[b]];
      return x === y ? a - b : x < y ? -1 : 1;
    });
    // Taken from the end.
    this.#left = order.reverse().flatMap((i) => places[i] ?? []);
  }

  async #senders(rows: readonly Row[]): Promise<string[]> {
    const senders: string[] = [];
    for (let i = 0; i < rows.length; i += BATCH) {
      const loaded = await Promise.all(rows.slice(i, i + BATCH).map((row) => load(this.#store, row)));
      for (const one of loaded) {
        senders.push(one.kind === 'entry' ? one.entry.envelope.sender.toLowerCase() : '');
      }
    }
    return senders;
  }
}
