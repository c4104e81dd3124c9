/**
 * The entries of one queue in order of arrival, with two questions answered in proportion to the
 * answer: which is the first that may be tried at a time, and which is the first with fewer than so many
 * warnings.
 *
 * Rows stand sorted in chunks of up to 256; over the chunks stand two trees of minima (time of the next
 * try, warnings). `hasten` marks chunks only; a chunk carries the mark into its rows when it is next used.
 */
import type { EntryTable, Row } from './table.ts';

const CHUNK = 256;
const FIRST_CHUNK = 16;

/** When a row may be tried (Infinity: not for now), and how many warnings it had (Infinity: not to be asked). */
export interface Keys {
  next(row: Row): number;
  warned(row: Row): number;
}

interface Chunk {
  rows: Uint32Array;
  length: number;
  /** Later tries than this are to be at this time. */
  hastened: number;
}

export class QueueOrder {
  readonly #table: EntryTable;
  readonly #keys: Keys;
  #chunks: Chunk[] = [];
  readonly #next = new MinTree();
  readonly #warned = new MinTree();

  constructor(table: EntryTable, keys: Keys) {
    this.#table = table;
    this.#keys = keys;
  }

  first(): Row {
    return this.#chunks[0]?.rows[0] ?? -1;
  }

  insert(row: Row): void {
    const last = this.#chunks.at(-1);
    const end = last?.rows[last.length - 1];
    if (!last || end === undefined || this.#table.compare(end, row) < 0) {
      if (last && last.length < CHUNK) this.#put(this.#chunks.length - 1, last.length, row);
      else this.#addChunk(this.#chunks.length, new Uint32Array(FIRST_CHUNK).fill(row, 0, 1), 1);
      return;
    }
    let c = this.#chunkOf(row);
    const full = this.#chunks[c];
    if (full?.length === CHUNK) {
      this.#carry(c);
      const half = CHUNK / 2;
      full.length = half;
      this.#addChunk(c + 1, full.rows.slice(half), half);
      this.#refresh(c);
      c = this.#chunkOf(row);
    }
    this.#put(c, this.#position(c, row), row);
  }

  remove(row: Row): void {
    const c = this.#chunkOf(row);
    const chunk = this.#chunks[c];
    if (!chunk) return;
    this.#carry(c);
    const at = this.#position(c, row);
    chunk.rows.copyWithin(at, at + 1, chunk.length);
    chunk.length--;
    if (chunk.length > 0) {
      this.#refresh(c);
      return;
    }
    this.#chunks.splice(c, 1);
    this.#next.remove(c);
    this.#warned.remove(c);
  }

  /** To be called when what `keys` say of the row has changed. `change` makes the change. */
  update(row: Row, change: () => void): void {
    const c = this.#chunkOf(row);
    this.#carry(c);
    change();
    this.#refresh(c);
  }

  /** Carries a pending `hasten` into the row. */
  bringUpToDate(row: Row): void {
    this.#carry(this.#chunkOf(row));
  }

  /** The first in order of arrival that may be tried at `now`; -1 for none. */
  firstReady(now: number): Row {
    for (;;) {
      const c = this.#next.firstAtMost(now);
      const chunk = this.#chunks[c];
      if (!chunk) return -1;
      if (chunk.hastened !== Infinity) {
        this.#carry(c);
        continue;
      }
      for (let i = 0; i < chunk.length; i++) {
        const row = chunk.rows[i] ?? -1;
        if (this.#keys.next(row) <= now) return row;
      }
      throw new Error('the order of a queue does not know its own minimum');
    }
  }

  isReady(row: Row, now: number): boolean {
    this.bringUpToDate(row);
    return this.#keys.next(row) <= now;
  }

  /** Up to `limit` that may be tried at `now`, in order of arrival. */
  allReady(now: number, limit: number): Row[] {
    const rows: Row[] = [];
    for (let c = 0; c < this.#chunks.length && rows.length < limit; c++) {
      if (this.#next.value(c) > now) continue;
      this.#carry(c);
      const chunk = this.#chunks[c];
      for (let i = 0; chunk && i < chunk.length && rows.length < limit; i++) {
        const row = chunk.rows[i] ?? -1;
        if (this.#keys.next(row) <= now) rows.push(row);
      }
    }
    return rows;
  }

  /** The earliest time at which one may be tried; Infinity for none. */
  earliest(): number {
    for (;;) {
      const min = this.#next.min;
      const c = this.#next.firstAtMost(min);
      const chunk = this.#chunks[c];
      if (!chunk || chunk.hastened === Infinity) return min;
      this.#carry(c);
    }
  }

  /** The first in order of arrival with fewer than `warned` warnings; -1 for none. */
  firstWithFewer(warned: number): Row {
    const chunk = this.#chunks[this.#warned.firstAtMost(warned - 1)];
    if (!chunk) return -1;
    for (let i = 0; i < chunk.length; i++) {
      const row = chunk.rows[i] ?? -1;
      if (this.#keys.warned(row) < warned) return row;
    }
    return -1;
  }

  /** Whatever waits for its time may be tried at `now`; what is handed out or held is left as it is. */
  hasten(now: number): void {
    this.#chunks.forEach((chunk, c) => {
      const min = this.#next.value(c);
      if (min === Infinity) return;
      chunk.hastened = Math.min(chunk.hastened, now);
      if (min > now) this.#next.set(c, now);
    });
  }

  /** Up to `limit` rows behind `after` (a row's key, which need not be there any more); from the start if null. */
  after(after: { arrived: number; mail: number; suffix: number } | null, limit: number): Row[] {
    const rows: Row[] = [];
    const t = this.#table;
    const behind = (row: Row): boolean =>
      !after ||
      ((t.arrived[row] ?? 0) - after.arrived ||
        (t.mail[row] ?? 0) - after.mail ||
        (t.suffix[row] ?? 0) - after.suffix) > 0;
    let low = 0;
    for (let high = this.#chunks.length; low < high; ) {
      const mid = (low + high) >> 1;
      const chunk = this.#chunks[mid];
      if (chunk && behind(chunk.rows[chunk.length - 1] ?? 0)) high = mid;
      else low = mid + 1;
    }
    for (let c = low; c < this.#chunks.length && rows.length < limit; c++) {
      const chunk = this.#chunks[c];
      if (!chunk) break;
      for (let i = 0; i < chunk.length && rows.length < limit; i++) {
        const row = chunk.rows[i] ?? 0;
        if (behind(row)) rows.push(row);
      }
    }
    return rows;
  }

  /** The first chunk whose last row is not before `row`. */
  #chunkOf(row: Row): number {
    let low = 0;
    for (let high = this.#chunks.length - 1; low < high; ) {
      const mid = (low + high) >> 1;
      const chunk = this.#chunks[mid];
      if (chunk && this.#table.compare(chunk.rows[chunk.length - 1] ?? 0, row) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  #position(c: number, row: Row): number {
    const chunk = this.#chunks[c];
    let low = 0;
    for (let high = chunk?.length ?? 0; low < high; ) {
      const mid = (low + high) >> 1;
      if (this.#table.compare(chunk?.rows[mid] ?? 0, row) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  #put(c: number, at: number, row: Row): void {
    const chunk = this.#chunks[c];
    if (!chunk) return;
    this.#carry(c);
    if (chunk.length === chunk.rows.length) {
      const rows = new Uint32Array(Math.min(CHUNK, chunk.length * 4));
      rows.set(chunk.rows);
      chunk.rows = rows;
    }
    chunk.rows.copyWithin(at + 1, at, chunk.length);
    chunk.rows[at] = row;
    chunk.length++;
    // The new row can only lower the minima.
    this.#next.set(c, Math.min(this.#next.value(c), this.#keys.next(row)));
    this.#warned.set(c, Math.min(this.#warned.value(c), this.#keys.warned(row)));
  }

  #addChunk(at: number, rows: Uint32Array, length: number): void {
    this.#chunks.splice(at, 0, { rows, length, hastened: Infinity });
    this.#next.insert(at);
    this.#warned.insert(at);
    this.#refresh(at);
  }

  /** Carries a pending `hasten` into the rows of a chunk. */
  #carry(c: number): void {
    const chunk = this.#chunks[c];
    if (!chunk || chunk.hastened === Infinity) return;
    const { nextTry } = this.#table;
    for (let i = 0; i < chunk.length; i++) {
      const row = chunk.rows[i] ?? 0;
      if (this.#keys.next(row) !== Infinity && (nextTry[row] ?? 0) > chunk.hastened)
        nextTry[row] = chunk.hastened;
    }
    chunk.hastened = Infinity;
    this.#refresh(c);
  }

  #refresh(c: number): void {
    const chunk = this.#chunks[c];
    if (!chunk) return;
    const [next, warned] = this.#minima(chunk);
    this.#next.set(c, next);
    this.#warned.set(c, warned);
  }

  #minima(chunk: Chunk): [number, number] {
    let next = Infinity;
    let warned = Infinity;
    for (let i = 0; i < chunk.length; i++) {
      const row = chunk.rows[i] ?? 0;
      next = Math.min(next, this.#keys.next(row));
      warned = Math.min(warned, this.#keys.warned(row));
    }
    return [next === Infinity ? next : Math.min(next, chunk.hastened), warned];
  }
}

/** Numbers in a row, with their minimum and the first that is at most x in O(log n). */
class MinTree {
  #length = 0;
  #base = 1;
  #tree = new Float64Array(2).fill(Infinity);

  get min(): number {
    return this.#tree[1] ?? Infinity;
  }

  value(i: number): number {
    return this.#tree[this.#base + i] ?? Infinity;
  }

  set(i: number, value: number): void {
    let at = this.#base + i;
    this.#tree[at] = value;
    for (at >>= 1; at >= 1; at >>= 1) {
      this.#tree[at] = Math.min(this.#tree[2 * at] ?? Infinity, this.#tree[2 * at + 1] ?? Infinity);
    }
  }

  /** Infinity at this place; those from there on move up. */
  insert(at: number): void {
    if (at === this.#length && at < this.#base) {
      this.#length++;
      return;
    }
    const values = this.#values();
    const more = new Float64Array(values.length + 1).fill(Infinity);
    more.set(values.subarray(0, at));
    more.set(values.subarray(at), at + 1);
    this.#fill(more);
  }

  remove(at: number): void {
    const values = this.#values().slice();
    values.copyWithin(at, at + 1);
    this.#fill(values.subarray(0, -1));
  }

  #values(): Float64Array {
    return this.#tree.subarray(this.#base, this.#base + this.#length);
  }

  #fill(values: Float64Array): void {
    this.#length = values.length;
    this.#base = 1;
    while (this.#base < values.length) this.#base *= 2;
    this.#tree = new Float64Array(2 * this.#base).fill(Infinity);
    this.#tree.set(values, this.#base);
    for (let at = this.#base - 1; at >= 1; at--) {
      this.#tree[at] = Math.min(this.#tree[2 * at] ?? Infinity, this.#tree[2 * at + 1] ?? Infinity);
    }
  }

  /** -1 for none. */
  firstAtMost(x: number): number {
    if (this.min > x || this.min === Infinity) return -1;
    let at = 1;
    while (at < this.#base) at = (this.#tree[2 * at] ?? Infinity) <= x ? 2 * at : 2 * at + 1;
    return at - this.#base;
  }
}
