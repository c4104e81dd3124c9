/**
 * A keeper's lease: taken, taken again when it was lost or somebody else had it; given up for a time when the
 * keeper lends its queue.
 */
import { SECOND } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { EntryId, Lease, QueueName } from '../spool/port.ts';
import type { KeeperContext } from './context.ts';

const PAUSE = 5 * SECOND;

export class Tenure {
  readonly #ctx: KeeperContext;
  readonly #queue: QueueName;
  readonly #log: Log;
  readonly #changed: (lease: Lease | null) => void;
  #lease: Lease | null = null;
  #asking = false;
  #at = 0;
  #over = false;
  /** Given up until `resume`. */
  #paused = false;

  /** `changed`: with the new lease, or with null when it was lost. */
  constructor(ctx: KeeperContext, queue: QueueName, log: Log, changed: (lease: Lease | null) => void) {
    this.#ctx = ctx;
    this.#queue = queue;
    this.#log = log;
    this.#changed = changed;
  }

  get lease(): Lease | null {
    return this.#lease;
  }

  /** When it is to be asked for again, by the monotonic clock; null: not now. */
  get at(): number | null {
    return this.#lease || this.#asking || this.#paused ? null : this.#at;
  }

  /** Asks for it if it is time. */
  turn(): void {
    if (this.at !== null && !this.#over && this.#ctx.clock.monotonic() >= this.#at) void this.#ask();
  }

  /** Who had it has let go, as far as we know: asks at the next turn. */
  soon(): void {
    this.#at = 0;
  }

  /** Gives the lease up, and asks for none before `resume`. */
  async pause(): Promise<void> {
    this.#paused = true;
    const lease = this.#lease;
    this.#lease = null;
    await lease?.release();
  }

  resume(): void {
    this.#paused = false;
    this.#at = 0;
  }

  /** For good. `inDoubt`: as in `Lease.release`. */
  async release(inDoubt: readonly EntryId[]): Promise<void> {
    this.#over = true;
    await this.#lease?.release(inDoubt);
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    this.#at = this.#ctx.clock.monotonic() + PAUSE;
    try {
      const lease = await this.#ctx.spool.lease(this.#queue, this.#ctx.holder);
      if (lease.kind === 'busy') this.#log.info('another holder has the queue', { holder: lease.holder });
      else if (this.#over || this.#paused) await lease.release();
      else this.#got(lease);
    } catch (error) {
      this.#log.error('queue could not be leased', { why: String(error) });
    }
    this.#asking = false;
    this.#changed(this.#lease);
  }

  #got(lease: Lease): void {
    this.#lease = lease;
    lease.lost.addEventListener('abort', () => {
      if (this.#lease !== lease || this.#over) return;
      this.#log.warn('lease lost');
      this.#lease = null;
      this.#at = this.#ctx.clock.monotonic() + PAUSE;
      this.#changed(null);
    });
  }
}
