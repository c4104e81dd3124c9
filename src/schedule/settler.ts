/**
 * Makes outcomes durable, in batches: what comes while one settle is on its way goes into the next, so
 * a line never waits for the disk.
 *
 * When the spool fails, what is to be settled is kept and settled later, in order, and `stuck` tells the
 * keeper to hand over nothing new: giving the entries back would hand them over again and again, once
 * for each failure. Repeats stay bounded to what was in flight.
 */
import { type Clock, MINUTE, SECOND } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { EntryId, Lease, Settlement } from '../spool/port.ts';

interface Waiting {
  readonly lease: Lease;
  readonly settlement: Settlement;
  readonly done: (durable: boolean) => void;
}

const MOST_A_BATCH = 200;
const LONGEST_PAUSE = MINUTE;

export class Settler {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed: () => void;
  #waiting: Waiting[] = [];
  readonly #ids = new Set<EntryId>();
  #busy = false;
  #failures = 0;
  #retryAt: number | null = null;

  /** `changed`: something became durable, or got stuck. */
  constructor(clock: Clock, log: Log, changed: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#changed = changed;
  }

  /** Outcomes that are not durable yet. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Has this entry an outcome that is not durable yet? */
  has(id: EntryId): boolean {
    return this.#ids.has(id);
  }

  get stuck(): boolean {
    return this.#failures > 0;
  }

  /** By the monotonic clock; when `retry` should be called. */
  get retryAt(): number | null {
    return this.#retryAt;
  }

  /** `done(true)` once durable; `done(false)` if the lease was lost and with it the right to settle. */
  add(lease: Lease, settlement: Settlement, done: (durable: boolean) => void): void {
    this.#waiting.push({ lease, settlement, done });
    this.#ids.add(settlement.id);
    if (this.#busy || this.stuck) return;
    this.#busy = true;
    // What else arrives in this turn of the loop goes along.
    queueMicrotask(() => void this.#flush());
  }

  /** To be called when `retryAt` has come. */
  retry(): void {
    if (this.#busy || this.#retryAt === null || this.#clock.monotonic() < this.#retryAt) return;
    this.#retryAt = null;
    this.#busy = true;
    void this.#flush();
  }

  async #flush(): Promise<void> {
    for (;;) {
      const lease = this.#waiting[0]?.lease;
      if (!lease) break;
      const other = this.#waiting.findIndex((w) => w.lease !== lease);
      const batch = this.#waiting.slice(0, Math.min(MOST_A_BATCH, other < 0 ? Infinity : other));
      let durable = true;
      try {
        await lease.settle(batch.map((w) => w.settlement));
      } catch (error) {
        this.#log.error('outcomes could not be stored', { entries: batch.length, why: String(error) });
        if (!lease.lost.aborted) {
          this.#failures++;
          const pause = Math.min(LONGEST_PAUSE, SECOND * 2 ** Math.min(this.#failures, 10));
          this.#retryAt = this.#clock.monotonic() + pause;
          break;
        }
        durable = false;
      }
      this.#failures = 0;
      this.#waiting.splice(0, batch.length);
      for (const w of batch) {
        this.#ids.delete(w.settlement.id);
        w.done(durable);
      }
    }
    this.#busy = false;
    this.#changed();
  }
}
