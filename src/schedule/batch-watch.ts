/**
 * Calls for sites that do not call: watches the queues of sites that collect by `batch`, and calls a queue's
 * keeper when its batch is due, by size, count or time (`handover/batch/due.ts`). A timer for each queue that
 * holds mail, none for others; looks at summaries only.
 *
 * What a call left behind, since the command failed or an address was put off, makes the next one not sooner
 * than PAUSE, and not later than the site's `every`.
 */
import { type Clock, type Instant, MINUTE, type Timer } from '../base/clock.ts';
import { batchDue } from '../handover/batch/due.ts';
import type { Batch } from '../site/site.ts';
import type { QueueName, Spool } from '../spool/port.ts';

const PAUSE = 5 * MINUTE;

export interface BatchWatchParts {
  readonly clock: Clock;
  readonly spool: Pick<Spool, 'summary' | 'onArrival'>;
  /** Null: this queue is not collected by batch. */
  batchOf(queue: QueueName): Batch | null;
  /** Work the queue through once. */
  call(queue: QueueName): void;
}

export class BatchWatch {
  readonly #p: BatchWatchParts;
  readonly #timers = new Map<QueueName, Timer>();
  /** When a queue was called last. */
  readonly #called = new Map<QueueName, Instant>();
  readonly #stop: () => void;

  constructor(parts: BatchWatchParts) {
    this.#p = parts;
    this.#stop = parts.spool.onArrival((queue) => this.look(queue));
  }

  /** Something has changed: mail came, a call is over, a reload. */
  look(queue: QueueName): void {
    this.#timers.get(queue)?.cancel();
    this.#timers.delete(queue);
    const at = this.#dueAt(queue);
    if (at === null) return;
    const wait = at - this.#p.clock.now();
    if (wait <= 0) this.#call(queue);
    else
      this.#timers.set(
        queue,
        this.#p.clock.after(wait, () => this.look(queue)),
      );
  }

  stop(): void {
    this.#stop();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #dueAt(queue: QueueName): Instant | null {
    const batch = this.#p.batchOf(queue);
    const summary = this.#p.spool.summary(queue);
    const due = batch && batchDue(summary, batch);
    if (batch === null || due === null) {
      this.#called.delete(queue);
      return null;
    }
    const last = this.#called.get(queue);
    if (last === undefined) return due;
    const left = summary.oldest !== null && summary.oldest <= last;
    return left ? Math.max(due, last + Math.min(PAUSE, batch.every)) : due;
  }

  #call(queue: QueueName): void {
    this.#called.set(queue, this.#p.clock.now());
    this.#p.call(queue);
    // Its end is told by `look`; if it is not, time tells.
    const { every = PAUSE } = this.#p.batchOf(queue) ?? {};
    this.#timers.set(
      queue,
      this.#p.clock.after(every, () => this.look(queue)),
    );
  }
}
