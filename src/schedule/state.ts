/**
 * The state of one queue (DESIGN.md §5), and the only place where it changes.
 *
 *   up        hand over as it comes
 *   down      the site's trouble: one probe per interval, nothing else
 *   draining  it is back: slow start until the queue is worked through
 *   held      by an operator: nothing
 *
 *   up ──▶ down ──▶ draining ──▶ up      any ──▶ held ──▶ draining
 *          ◀── draining;  up ──▶ draining when an operator flushes
 *
 * A site that is not pushed to has two others, and never the first three:
 *
 *   waiting   for its call: nothing is handed over, nothing is probed
 *   calling   from a call to the end of the queue, or to the first trouble
 *
 *   waiting ──▶ calling ──▶ waiting      both ──▶ held ──▶ waiting
 *
 * Which of the two a queue lives by is its way to collect; another way is another keeper.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { KeeperState } from './view.ts';

export const STATES: readonly KeeperState[] = ['up', 'down', 'draining', 'waiting', 'calling', 'held'];

const NEXT: Readonly<Record<KeeperState, readonly KeeperState[]>> = {
  up: ['down', 'draining', 'held'],
  down: ['draining', 'held'],
  draining: ['up', 'down', 'held'],
  // Not straight to `up`: who released it does not know what became of the site meanwhile.
  held: ['draining', 'waiting'],
  waiting: ['calling', 'held'],
  calling: ['waiting', 'held'],
};

export const mayMove = (from: KeeperState, to: KeeperState): boolean => NEXT[from].includes(to);

export class QueueState {
  readonly #clock: Clock;
  readonly #log: Log;
  #state: KeeperState;
  #reason: string | null;
  #since: Instant;

  constructor(clock: Clock, log: Log, first: KeeperState, reason: string | null) {
    this.#clock = clock;
    this.#log = log;
    this.#state = first;
    this.#reason = reason;
    this.#since = clock.now();
  }

  get is(): KeeperState {
    return this.#state;
  }

  get reason(): string | null {
    return this.#reason;
  }

  get since(): Instant {
    return this.#since;
  }

  /** The setter. A move that is not in the table is a fault of the program. */
  to(next: KeeperState, reason: string | null = null): void {
    const from = this.#state;
    if (!mayMove(from, next)) throw new Error(`keeper: no way from ${from} to ${next}`);
    this.#state = next;
    this.#reason = reason;
    this.#since = this.#clock.now();
    const fields = { from, to: next, ...(reason === null ? {} : { why: reason }) };
    if (next === 'down') this.#log.warn('queue state', fields);
    else this.#log.info('queue state', fields);
  }

  /** Still the same state, for another reason. */
  because(reason: string): void {
    this.#reason = reason;
  }
}
