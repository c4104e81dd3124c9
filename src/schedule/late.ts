/**
 * What the site's trouble does to mails that grew old in it: those whose time is over fail, those that
 * reached an age at which their sender may be told are told. Called after a try of the site that was in
 * vain; `tried` is when it began, so that nothing expires without one try after its time.
 */
import type { Instant } from '../base/clock.ts';
import type { Entry, Lease } from '../spool/port.ts';
import type { Outcomes } from './outcomes.ts';
import type { Patience } from './patience.ts';
import type { QueuePolicy } from './policy.ts';

/** Each may read a message for its notice. */
const AT_ONCE = 20;

export interface LateParts {
  readonly lease: Lease;
  readonly outcomes: Outcomes;
  readonly patience: Patience;
  readonly policy: QueuePolicy;
  /** False as soon as the site lives. */
  still(): boolean;
}

export async function late(p: LateParts, tried: Instant, why: string): Promise<void> {
  const { lease, outcomes, policy } = p;
  if (p.patience.over) {
    await each(p, { arrivedBefore: tried - policy.hold }, (e) => outcomes.expire(e, lease, why));
  }
  // The highest age first, so that each gets one notice however many ages it has passed.
  for (let n = policy.warn.length; n > 0; n--) {
    const arrivedBefore = tried - (policy.warn[n - 1] ?? 0);
    await each(p, { arrivedBefore, warned: n }, (e) => outcomes.warn(e, lease, why));
  }
}

async function each(
  { lease, still }: LateParts,
  query: { arrivedBefore: Instant; warned?: number },
  act: (entry: Entry) => Promise<void>,
): Promise<void> {
  while (still() && !lease.lost.aborted) {
    const entries = await lease.due(query, AT_ONCE);
    await Promise.all(entries.map(act));
    if (entries.length < AT_ONCE) return;
  }
}
