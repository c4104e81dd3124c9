/**
 * What an answered try means for its mail: which outcomes are settled, which refusals are held back,
 * when it is tried again. Pure; who is told of a failure is decided after it (`conclude.ts`).
 */
import { DAY, type Instant } from '../base/clock.ts';
import type { Outcome } from '../mail/outcome.ts';
import type { Told } from '../notify/notices.ts';
import type { Entry, RecipientState } from '../spool/port.ts';
import { ownInterval, type Random, waryInterval } from './intervals.ts';

/** A refusal that was held back this long is believed, whatever the site looks like. */
const BELIEVED_AFTER = DAY;

/** What the mail as a whole met. */
export type Answer = 'accepted' | 'deferred' | 'refused';

export interface Ruling {
  readonly delivered: readonly Told[];
  /** Refused for good, and believed. */
  readonly failed: readonly Told[];
  /** Put off, for another try. */
  readonly waiting: readonly Told[];
  /** Of those put off, the refusals that are not believed yet. */
  readonly heldBack: number;
  /** For those that wait. */
  readonly nextTry: Instant;
}

export interface Circumstances {
  readonly now: Instant;
  readonly wary: boolean;
  readonly random: Random;
  /** When a mail put off since then should pass a greylist, if known and still to come. */
  readonly passes: (since: Instant) => Instant | null;
}

/** The indices of recipients that are still to be tried. */
export function pendingOf(entry: Entry): number[] {
  const pending: number[] = [];
  entry.recipients.forEach((r, i) => {
    if (r.state === 'pending') pending.push(i);
  });
  return pending;
}

/** Since when this recipient is put off by replies of this class; null if it is not. */
export function putOffSince(state: RecipientState | undefined, digit: 4 | 5): Instant | null {
  const last = state?.last;
  if (last?.kind !== 'deferred' || Math.floor(last.reply.code / 100) !== digit) return null;
  return last.since ?? null;
}

export function answerOf(told: readonly Told[]): Answer {
  if (told.some((t) => t.outcome.kind === 'delivered')) return 'accepted';
  // A mail that is put off for one recipient and refused for another is not done with.
  return told.some((t) => t.outcome.kind === 'deferred') ? 'deferred' : 'refused';
}

export function judge(entry: Entry, told: readonly Told[], by: Circumstances): Ruling {
  const delivered: Told[] = [];
  const failed: Told[] = [];
  const waiting: Told[] = [];
  let heldBack = 0;
  let again = false;
  let passes: Instant | null = null;
  for (const one of told) {
    const state = entry.recipients[one.recipient];
    const { outcome } = one;
    if (outcome.kind === 'delivered') {
      delivered.push(one);
    } else if (outcome.kind === 'deferred') {
      const since = putOffSince(state, 4) ?? by.now;
      const at = by.passes(since);
      if (at !== null && (passes === null || at < passes)) passes = at;
      waiting.push({ recipient: one.recipient, outcome: { ...outcome, since } });
    } else {
      const before = putOffSince(state, 5);
      const since = before ?? by.now;
      if (!by.wary || by.now - since >= BELIEVED_AFTER) {
        failed.push(one);
      } else {
        heldBack++;
        again ||= before !== null;
        waiting.push({ recipient: one.recipient, outcome: holdBack(outcome, since) });
      }
    }
  }
  const own =
    heldBack === waiting.length
      ? waryInterval(again, by.random)
      : Math.min(ownInterval(entry.attempts, by.random), passes === null ? Infinity : passes - by.now);
  return { delivered, failed, waiting, heldBack, nextTry: Math.round(by.now + own) };
}

/** A refusal as a deferral: the reply stays, so that people see what was said. */
export const holdBack = (refusal: Outcome, since: Instant): Outcome => ({
  kind: 'deferred',
  reply: refusal.reply,
  host: refusal.host,
  since,
});
