/**
 * What the spool knows without reading: all living entries, by id and by queue, in order of arrival,
 * with counts. Made anew at each start by `recovery.ts`. No I/O here, and no envelopes.
 */
import type { Extent } from '../../mail/envelope.ts';
import type { QueueName, QueueSummary } from '../port.ts';
import { QueueOrder } from './order.ts';
import { HOLD_KINDS, type HoldKind } from './record.ts';
import { EntryTable, FLAG, type Row } from './table.ts';

export interface NewRow {
  readonly mail: number;
  readonly suffix: number;
  readonly queue: QueueName;
  readonly arrived: number;
  readonly size: number;
  readonly segment: number;
  readonly offset: number;
  readonly large: boolean;
  readonly extent: Extent;
}

/** What a state item says. */
export interface RowState {
  readonly queue: QueueName;
  readonly attempts: number;
  readonly nextTry: number;
  readonly warned: number;
  readonly hold: HoldKind;
  readonly until: number;
  readonly extent: Extent;
}

export class Queue {
  readonly name: QueueName;
  readonly id: number;
  readonly order: QueueOrder;
  count = 0;
  held = 0;
  deferred = 0;
  bytes = 0;
  /** Somebody needs the object though it may be empty. */
  leased = false;

  constructor(name: QueueName, id: number, order: QueueOrder) {
    this.name = name;
    this.id = id;
    this.order = order;
  }
}

export class MemoryIndex {
  readonly table = new EntryTable();
  bytes = 0;
  readonly #byName = new Map<QueueName, Queue>();
  readonly #byId: (Queue | undefined)[] = [];
  readonly #freeIds: number[] = [];
  /** When holds end by themselves. */
  readonly #until = new Map<Row, number>();

  get count(): number {
    return this.table.count;
  }

  /** The queue, made if need be. */
  queue(name: QueueName): Queue {
    let queue = this.#byName.get(name);
    if (!queue) {
      const id = this.#freeIds.pop() ?? this.#byId.length;
      const order = new QueueOrder(this.table, {
        next: (row) => this.#nextOf(row),
        warned: (row) => (this.#setAside(row) ? Infinity : (this.table.warned[row] ?? 0)),
      });
      queue = new Queue(name, id, order);
      this.#byId[id] = queue;
      this.#byName.set(name, queue);
    }
    return queue;
  }

  queueOf(row: Row): Queue {
    const queue = this.#byId[this.table.queue[row] ?? 0];
    if (!queue) throw new Error(`row ${row} has no queue`);
    return queue;
  }

  /** Those that have entries. */
  *queues(): Iterable<Queue> {
    for (const queue of this.#byName.values()) if (queue.count > 0) yield queue;
  }

  summary(name: QueueName): QueueSummary {
    const queue = this.#byName.get(name);
    if (!queue || queue.count === 0) {
      return { queue: name, count: 0, held: 0, deferred: 0, bytes: 0, oldest: null };
    }
    const { count, held, deferred, bytes } = queue;
    const oldest = this.table.arrived[queue.order.first()] ?? null;
    return { queue: name, count, held, deferred, bytes, oldest };
  }

  add(entry: NewRow): Row {
    const row = this.table.add(entry.mail, entry.suffix);
    this.fill(row, entry);
    this.#enter(row, this.queue(entry.queue));
    return row;
  }

  /** Sets what a message record says, without entering the row into a queue. */
  fill(row: Row, entry: NewRow): void {
    const t = this.table;
    t.arrived[row] = entry.arrived;
    t.size[row] = entry.size;
    t.segment[row] = entry.segment;
    t.offset[row] = entry.offset;
    t.set(row, FLAG.large, entry.large);
    t.setExtent(row, entry.extent);
  }

  remove(row: Row): void {
    this.#leave(row);
    this.discard(row);
  }

  /** Removes a row that was never entered. */
  discard(row: Row): void {
    this.#until.delete(row);
    this.table.remove(row);
  }

  /** A new state, whole. */
  setState(row: Row, state: RowState): void {
    const from = this.queueOf(row);
    if (from.name !== state.queue) {
      this.#leave(row);
      this.fillState(row, state);
      this.#enter(row, this.queue(state.queue));
      return;
    }
    this.#account(from, row, -1);
    from.order.update(row, () => this.fillState(row, state));
    this.#account(from, row, 1);
  }

  /** Sets what a state says, without touching queues. */
  fillState(row: Row, state: RowState): void {
    const t = this.table;
    t.attempts[row] = Math.min(0xffff, state.attempts);
    t.nextTry[row] = state.nextTry;
    t.warned[row] = Math.min(0xff, state.warned);
    t.setHold(row, HOLD_KINDS.indexOf(state.hold));
    t.setExtent(row, state.extent);
    if (state.until === Infinity) this.#until.delete(row);
    else this.#until.set(row, state.until);
  }

  /** For recovery: the row is filled, its queue set. */
  enter(row: Row): void {
    this.#enter(row, this.queueOf(row));
  }

  /** With those that are empty. */
  allQueues(): Iterable<Queue> {
    return this.#byName.values();
  }

  setOut(row: Row, out: boolean): void {
    this.queueOf(row).order.update(row, () => this.table.set(row, FLAG.out, out));
  }

  setCorrupt(row: Row, on: boolean): void {
    this.queueOf(row).order.update(row, () => this.table.set(row, FLAG.corrupt, on));
  }

  /** A hold that has run out at `now` is taken off. */
  liftHold(row: Row, now: number): void {
    if (this.table.hold(row) === 0 || (this.#until.get(row) ?? Infinity) > now) return;
    const queue = this.queueOf(row);
    queue.order.update(row, () => {
      this.table.setHold(row, 0);
      this.#until.delete(row);
    });
    queue.held--;
    if ((this.table.attempts[row] ?? 0) > 0) queue.deferred++;
  }

  until(row: Row): number {
    return this.#until.get(row) ?? Infinity;
  }

  /** Forgets the queue object if nobody needs it. */
  drop(queue: Queue): void {
    if (queue.count > 0 || queue.leased || this.#byId[queue.id] !== queue) return;
    this.#byName.delete(queue.name);
    this.#byId[queue.id] = undefined;
    this.#freeIds.push(queue.id);
  }

  #setAside(row: Row): boolean {
    return ((this.table.flags[row] ?? 0) & (FLAG.out | FLAG.hold | FLAG.corrupt)) !== 0;
  }

  #nextOf(row: Row): number {
    const flags = this.table.flags[row] ?? 0;
    if ((flags & (FLAG.out | FLAG.corrupt)) !== 0) return Infinity;
    const next = this.table.nextTry[row] ?? 0;
    return (flags & FLAG.hold) === 0 ? next : Math.max(next, this.#until.get(row) ?? Infinity);
  }

  #enter(row: Row, queue: Queue): void {
    this.table.queue[row] = queue.id;
    queue.order.insert(row);
    this.#account(queue, row, 1);
  }

  #leave(row: Row): void {
    const queue = this.queueOf(row);
    queue.order.remove(row);
    this.#account(queue, row, -1);
    this.drop(queue);
  }

  #account(queue: Queue, row: Row, sign: 1 | -1): void {
    const size = sign * (this.table.size[row] ?? 0);
    queue.count += sign;
    queue.bytes += size;
    this.bytes += size;
    if (this.table.hold(row) !== 0) queue.held += sign;
    else if ((this.table.attempts[row] ?? 0) > 0) queue.deferred += sign;
  }
}
