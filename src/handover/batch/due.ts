/**
 * When is a batch due? By size, by count or by time, whatever comes first. A pure function: the keeper asks it
 * whenever its queue changes, and arms its alarm by the answer.
 */
import type { Instant } from '../../base/clock.ts';
import type { Batch } from '../../site/site.ts';

/** What waits: a queue's summary. */
export interface Waiting {
  readonly count: number;
  readonly held: number;
  readonly bytes: number;
  readonly oldest: Instant | null;
}

/** The time from which a batch is due (0: by size or count, so at once); null: nothing waits. */
export function batchDue(waiting: Waiting, { size, count, every }: Batch): Instant | null {
  const mails = waiting.count - waiting.held;
  if (mails <= 0 || waiting.oldest === null) return null;
  return mails >= count || waiting.bytes >= size ? 0 : waiting.oldest + every;
}
