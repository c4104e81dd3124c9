/**
 * When expiry has to wait (DESIGN.md §5): for 24 hours after the wall clock jumped or after we were
 * away ourselves, since then age says nothing about how often a mail was tried. A heartbeat is kept,
 * so that a start knows how long nobody was there.
 */
import { type Clock, DAY, HOUR, type Instant, MINUTE } from '../base/clock.ts';
import type { KeyedTable } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';

export interface Heartbeat {
  /** When we were last alive. */
  readonly alive: Instant;
  /** Milliseconds that expiry still had to wait then. */
  readonly patience: number;
}

const KEY = 'heartbeat';
/** More than NTP corrects by slewing. */
const JUMP = 10 * MINUTE;
const ABSENCE = HOUR;
const WAIT = DAY;

export class Patience {
  readonly #clock: Clock;
  readonly #kept: KeyedTable<Heartbeat>;
  readonly #log: Log;
  /** Wall minus monotonic time, when last looked at. */
  #offset: number;
  /** By the monotonic clock. */
  #until: number;
  #jumps = 0;

  constructor(clock: Clock, kept: KeyedTable<Heartbeat>, log: Log) {
    this.#clock = clock;
    this.#kept = kept;
    this.#log = log;
    this.#offset = clock.now() - clock.monotonic();
    this.#until = clock.monotonic() + this.#owed();
    this.beat();
  }

  /** What is to be waited at the start. Without a heartbeat nobody knows: the whole time. */
  #owed(): number {
    const last = this.#kept.get(KEY);
    const away = last ? this.#clock.now() - last.alive : Number.POSITIVE_INFINITY;
    if (last && away > -JUMP && away < ABSENCE) return last.patience;
    if (last) this.#log.warn('we were away, or the clock jumped: expiry waits', { away });
    return WAIT;
  }

  /** How often the clock jumped. */
  get jumps(): number {
    return this.#jumps;
  }

  /** Has the wall clock jumped since the last look? Then expiry waits anew. */
  look(): void {
    const offset = this.#clock.now() - this.#clock.monotonic();
    const by = offset - this.#offset;
    this.#offset = offset;
    if (Math.abs(by) < JUMP) return;
    this.#jumps++;
    this.#until = this.#clock.monotonic() + WAIT;
    this.#log.warn('the clock jumped: expiry waits', { by });
  }

  /** May mail expire now? Looks for a jump first, so that none slips in between two heartbeats. */
  get over(): boolean {
    this.look();
    return this.#clock.monotonic() >= this.#until;
  }

  beat(): void {
    this.look();
    const patience = Math.max(0, this.#until - this.#clock.monotonic());
    this.#kept.set(KEY, { alive: this.#clock.now(), patience });
  }
}
