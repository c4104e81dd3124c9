/**
 * Time, as something that is handed in: nobody else calls Date.now or setTimeout.
 * The wall clock may jump in both directions; the monotonic one never does.
 * Waiting is always by the monotonic clock.
 */

/** Milliseconds since 1970-01-01T00:00:00Z, by the wall clock. */
export type Instant = number;

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** The wall clock. May jump. */
  now(): Instant;
  /** Milliseconds since some fixed moment. Never jumps. */
  monotonic(): number;
  /** Calls `fn` once, after at least `ms` milliseconds of monotonic time. */
  after(ms: number, fn: () => void): Timer;
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

// setTimeout takes at most 2^31-1 ms (24.8 days) and fires at once beyond it.
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export class SystemClock implements Clock {
  now(): Instant {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  after(ms: number, fn: () => void): Timer {
    let left = Math.max(0, ms);
    let handle: NodeJS.Timeout;
    const arm = () => {
      const step = Math.min(left, LONGEST_TIMEOUT);
      left -= step;
      handle = setTimeout(left > 0 ? arm : fn, step);
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }
}

/** Resolves after `ms`, or as soon as `signal` aborts; the caller looks at the signal to know which. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
