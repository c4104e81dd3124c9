/**
 * How long to wait: between probes of a site that is down, and between tries of a mail that was put
 * off for reasons of its own. All jittered, so that queues and mails don't march in step.
 */
import { HOUR, MINUTE, SECOND } from '../base/clock.ts';

/** 0 ≤ x < 1. */
export type Random = () => number;

const FIRST_PROBE = 5 * SECOND;
const PROBE_GROWTH = 1.5;

/**
 * Until the next probe, after `failed` of them in a row. The jitter only shortens, since the cap is a
 * promise: however long the outage was, the drain begins within it.
 */
export function probeInterval(failed: number, cap: number, random: Random): number {
  // The power is bounded before it is used: weeks of probes must not end in Infinity.
  const grown = FIRST_PROBE * PROBE_GROWTH ** Math.min(failed, 100);
  return Math.min(grown, cap) * (1 - 0.2 * random());
}

/**
 * A mail's own clock: 5 min, 10 min, then at most every 30 min. The jitter only lengthens, up to the
 * 30 minutes: a greylister that asks for five minutes means no less.
 */
export function ownInterval(attempts: number, random: Random): number {
  const base = attempts <= 0 ? 5 * MINUTE : attempts === 1 ? 10 * MINUTE : 28 * MINUTE;
  return base * (1 + 0.07 * random());
}

/** When a refusal that was held back is offered again: 30 min, then hourly. */
export function waryInterval(again: boolean, random: Random): number {
  return (again ? HOUR : 30 * MINUTE) * (1 - 0.05 * random());
}

/** No next try is further away than this; one that is was set by a clock that went wrong. */
export const LONGEST_INTERVAL = HOUR + MINUTE;
