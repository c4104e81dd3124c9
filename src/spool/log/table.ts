/**
 * The table of entries: a row of 57 octets for each living entry, in typed arrays, found by id through a
 * hash. With its place in the queue's order an entry costs at most 66 octets (of what is allocated and
 * in use), and one for several recipients 4 to 16 more; of an envelope only lengths are kept here.
 */

import type { Extent } from '../../mail/envelope.ts';
import { Lengths } from './lengths.ts';

/** A row, or -1 for none. */
export type Row = number;

export const FLAG = {
  /** Handed out. */
  out: 1,
  /** Two bits: the kind of hold, as in HOLD_KINDS. */
  hold: 6,
  large: 8,
  /** Its record cannot be read. */
  corrupt: 16,
  /** While replaying: a final outcome was found. */
  dead: 32,
  /** While replaying: its message was found. */
  message: 64,
  /** The lengths of its addresses stand in `lengths`. */
  lengths: 128,
} as const;
const HOLD_SHIFT = 1;

const FIRST_SIZE = 1024;

type Column = { readonly buffer: ArrayBuffer; readonly BYTES_PER_ELEMENT: number };

export class EntryTable {
  mail = new Float64Array(FIRST_SIZE);
  arrived = new Float64Array(FIRST_SIZE);
  nextTry = new Float64Array(FIRST_SIZE);
  /** Place of the message record: slot of the segment, offset in it. */
  segment = new Uint16Array(FIRST_SIZE);
  /** Place of the latest state; slot 0 for none. */
  stateSegment = new Uint16Array(FIRST_SIZE);
  offset = new Uint32Array(FIRST_SIZE);
  stateOffset = new Uint32Array(FIRST_SIZE);
  size = new Uint32Array(FIRST_SIZE);
  queue = new Uint32Array(FIRST_SIZE);
  suffix = new Uint16Array(FIRST_SIZE);
  attempts = new Uint16Array(FIRST_SIZE);
  version = new Uint16Array(FIRST_SIZE);
  warned = new Uint8Array(FIRST_SIZE);
  flags = new Uint8Array(FIRST_SIZE);
  /** The extent of an envelope of which nothing is final; no recipients: not known. */
  recipients = new Uint8Array(FIRST_SIZE);
  /** The octets of addresses, or with FLAG.lengths where in `lengths` they stand. */
  addresses = new Uint32Array(FIRST_SIZE);
  readonly lengths = new Lengths();
  /** Rows in use. */
  count = 0;
  /** Rows ever used, freed ones included; `mail` of a free row is -1. */
  top = 0;
  #free: Row = -1;
  /** Row + 1; 0 is empty. Linear probing. */
  #hash = new Uint32Array(FIRST_SIZE * 2);

  find(mail: number, suffix: number): Row {
    const mask = this.#hash.length - 1;
    for (let i = hashOf(mail, suffix) & mask; ; i = (i + 1) & mask) {
      const row = (this.#hash[i] ?? 0) - 1;
      if (row < 0) return -1;
      if (this.mail[row] === mail && this.suffix[row] === suffix) return row;
    }
  }

  /** A new row, all else zero. The id must not be there yet. */
  add(mail: number, suffix: number): Row {
    let row = this.#free;
    if (row >= 0) {
      this.#free = (this.offset[row] ?? 0) - 1;
    } else {
      if (this.top === this.mail.length) this.#grow();
      row = this.top++;
    }
    this.mail[row] = mail;
    this.suffix[row] = suffix;
    for (const column of [this.arrived, this.nextTry, this.segment, this.stateSegment, this.offset]) {
      column[row] = 0;
    }
    for (const column of [this.stateOffset, this.size, this.queue, this.attempts, this.version]) {
      column[row] = 0;
    }
    this.warned[row] = 0;
    this.flags[row] = 0;
    this.recipients[row] = 0;
    this.addresses[row] = 0;
    this.count++;
    if (this.count * 4 > this.#hash.length * 3) this.#rehash(this.#hash.length * 2);
    else this.#enter(row);
    return row;
  }

  remove(row: Row): void {
    this.#leave(row);
    this.#forgetLengths(row);
    this.mail[row] = -1;
    this.offset[row] = this.#free + 1;
    this.#free = row;
    this.count--;
  }

  has(row: Row, flag: number): boolean {
    return ((this.flags[row] ?? 0) & flag) !== 0;
  }

  set(row: Row, flag: number, on: boolean): void {
    const flags = this.flags[row] ?? 0;
    this.flags[row] = on ? flags | flag : flags & ~flag;
  }

  hold(row: Row): number {
    return ((this.flags[row] ?? 0) & FLAG.hold) >> HOLD_SHIFT;
  }

  setHold(row: Row, kind: number): void {
    this.flags[row] = ((this.flags[row] ?? 0) & ~FLAG.hold) | (kind << HOLD_SHIFT);
  }

  setExtent(row: Row, { recipients, octets, each }: Extent): void {
    this.#forgetLengths(row);
    const fits = recipients <= 0xff && octets <= 0xffff;
    this.recipients[row] = fits ? recipients : 0;
    const isTold = fits && each?.length === recipients;
    this.set(row, FLAG.lengths, isTold);
    this.addresses[row] = !fits ? 0 : isTold ? this.lengths.add(octets, each) : octets;
  }

  /** Undefined: not known. */
  extent(row: Row): Extent | undefined {
    const recipients = this.recipients[row] ?? 0;
    if (recipients === 0) return undefined;
    const octets = this.addresses[row] ?? 0;
    if (!this.has(row, FLAG.lengths)) return { recipients, octets };
    const { sum, each } = this.lengths.at(octets, recipients);
    return { recipients, octets: sum, each };
  }

  /** The order of arrival: by time, then by id. */
  compare(a: Row, b: Row): number {
    return (
      (this.arrived[a] ?? 0) - (this.arrived[b] ?? 0) ||
      (this.mail[a] ?? 0) - (this.mail[b] ?? 0) ||
      (this.suffix[a] ?? 0) - (this.suffix[b] ?? 0)
    );
  }

  #forgetLengths(row: Row): void {
    if (this.has(row, FLAG.lengths)) this.lengths.remove(this.addresses[row] ?? 0, this.recipients[row] ?? 0);
    this.set(row, FLAG.lengths, false);
  }

  #enter(row: Row): void {
    const mask = this.#hash.length - 1;
    let i = hashOf(this.mail[row] ?? 0, this.suffix[row] ?? 0) & mask;
    while (this.#hash[i] !== 0) i = (i + 1) & mask;
    this.#hash[i] = row + 1;
  }

  #leave(row: Row): void {
    const hash = this.#hash;
    const mask = hash.length - 1;
    let hole = hashOf(this.mail[row] ?? 0, this.suffix[row] ?? 0) & mask;
    while (hash[hole] !== row + 1) hole = (hole + 1) & mask;
    // What follows is moved up, so that a search never meets a hole before its goal.
    for (let i = (hole + 1) & mask; ; i = (i + 1) & mask) {
      const other = (hash[i] ?? 0) - 1;
      if (other < 0) break;
      const home = hashOf(this.mail[other] ?? 0, this.suffix[other] ?? 0) & mask;
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        hash[hole] = other + 1;
        hole = i;
      }
    }
    hash[hole] = 0;
  }

  #rehash(length: number): void {
    const before = this.#hash;
    this.#hash = new Uint32Array(length);
    // Detached: its memory is given back now, not when the collector comes by.
    before.buffer.transfer(0);
    for (let row = 0; row < this.top; row++) if (this.mail[row] !== -1) this.#enter(row);
  }

  #grow(): void {
    // By an eighth: memory in use stays near what is needed.
    const size = this.top + Math.max(FIRST_SIZE, this.top >> 3);
    this.arrived = new Float64Array(enlarge(this.arrived, size));
    this.nextTry = new Float64Array(enlarge(this.nextTry, size));
    this.segment = new Uint16Array(enlarge(this.segment, size));
    this.stateSegment = new Uint16Array(enlarge(this.stateSegment, size));
    this.offset = new Uint32Array(enlarge(this.offset, size));
    this.stateOffset = new Uint32Array(enlarge(this.stateOffset, size));
    this.size = new Uint32Array(enlarge(this.size, size));
    this.queue = new Uint32Array(enlarge(this.queue, size));
    this.suffix = new Uint16Array(enlarge(this.suffix, size));
    this.attempts = new Uint16Array(enlarge(this.attempts, size));
    this.version = new Uint16Array(enlarge(this.version, size));
    this.warned = new Uint8Array(enlarge(this.warned, size));
    this.flags = new Uint8Array(enlarge(this.flags, size));
    this.recipients = new Uint8Array(enlarge(this.recipients, size));
    this.addresses = new Uint32Array(enlarge(this.addresses, size));
    // Last: by its length `add` knows that there is room. Where memory ends half-way, they are enlarged again.
    this.mail = new Float64Array(enlarge(this.mail, size));
  }
}

/** The column's memory, moved to a larger place. The old one is given back now, not when the collector comes by. */
const enlarge = (column: Column, size: number): ArrayBuffer =>
  column.buffer.transfer(size * column.BYTES_PER_ELEMENT);

function hashOf(mail: number, suffix: number): number {
  const low = mail >>> 0;
  const high = Math.floor(mail / 2 ** 32);
  let h = Math.imul(low ^ Math.imul(high, 0x9e3779b1) ^ Math.imul(suffix, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 15;
  return h >>> 0;
}
