/**
 * A clock that only a test moves. `advance` fires timers in their order and lets all
 * promises and immediates that follow from each run before it goes on; `jump` moves the
 * wall clock alone, as an operator or a broken NTP does.
 */
import type { Clock, Instant, Timer } from '../../src/base/clock.ts';

interface Pending {
  at: number;
  order: number;
  fn: () => void;
}

export class SimClock implements Clock {
  #mono = 0;
  #wall: Instant;
  #order = 0;
  #pending: Pending[] = [];

  constructor(start: Instant = Date.UTC(2026, 0, 5, 12)) {
    this.#wall = start;
  }

  now(): Instant {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  after(ms: number, fn: () => void): Timer {
    const entry: Pending = { at: this.#mono + Math.max(0, ms), order: this.#order++, fn };
    this.#pending.push(entry);
    return {
      cancel: () => {
        const i = this.#pending.indexOf(entry);
        if (i >= 0) this.#pending.splice(i, 1);
      },
    };
  }

  /** Number of timers that are armed. */
  get armed(): number {
    return this.#pending.length;
  }

  /** Moves the wall clock only. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  /** Lets `ms` of time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await this.settle();
    for (;;) {
      let next: Pending | undefined;
      for (const p of this.#pending) {
        if (p.at <= end && (!next || p.at < next.at || (p.at === next.at && p.order < next.order))) next = p;
      }
      if (!next) break;
      this.#move(next.at);
      this.#pending.splice(this.#pending.indexOf(next), 1);
      next.fn();
      await this.settle();
    }
    this.#move(end);
    await this.settle();
  }

  /** Runs everything that is ready without moving time. Enough for in-memory I/O. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  #move(to: number): void {
    const step = to - this.#mono;
    if (step > 0) {
      this.#mono = to;
      this.#wall += step;
    }
  }
}
