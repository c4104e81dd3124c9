/**
 * What a settlement or an operator's act makes of an entry: values in, values out.
 */
import { extentOf } from '../../mail/envelope.ts';
import type { Entry, Hold, NewEntry, OperatorAct, RecipientState, Settlement } from '../port.ts';
import type { RowState } from './memory-index.ts';
import { NO_EXTENT } from './record.ts';
import type { Change, StateDetail } from './store.ts';
import type { Row } from './table.ts';
import { detailOf } from './view.ts';

/** What an entry becomes. `unchanged`: nothing new was said. */
export type Next =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'entry'; readonly entry: Entry };

const UNCHANGED: Next = { kind: 'unchanged' };

/** `late`: the lease is lost, so only what is final counts. */
export function settled(entry: Entry, s: Settlement, late: boolean): Next {
  const recipients: RecipientState[] = [...entry.recipients];
  let news = false;
  let deferred = false;
  for (const { recipient, outcome } of s.outcomes) {
    if (recipients[recipient]?.state !== 'pending') continue;
    if (outcome.kind === 'deferred') {
      if (late) continue;
      deferred = true;
    }
    recipients[recipient] = { state: outcome.kind === 'deferred' ? 'pending' : outcome.kind, last: outcome };
    news = true;
  }
  if (s.outcomes.length > 0 && !news) return UNCHANGED;
  if (s.outcomes.length === 0) {
    const newlyWarned = s.warned !== undefined && s.warned > entry.warned;
    if (late || (!newlyWarned && !s.hold && (s.notice || s.nextTry === undefined))) return UNCHANGED;
  }
  const hold = s.hold ?? entry.hold;
  if (isOver(recipients, hold)) return { kind: 'gone' };
  return {
    kind: 'entry',
    entry: withHold(
      {
        ...entry,
        recipients,
        attempts: entry.attempts + (deferred ? 1 : 0),
        nextTry: late ? entry.nextTry : (s.nextTry ?? entry.nextTry),
        warned: late ? entry.warned : Math.max(entry.warned, s.warned ?? 0),
      },
      hold,
    ),
  };
}

export function operated(entry: Entry, act: OperatorAct, now: number): Next {
  switch (act.kind) {
    case 'remove':
      return { kind: 'gone' };
    case 'hold':
      return { kind: 'entry', entry: withHold(entry, act.hold) };
    case 'hasten':
      return entry.nextTry <= now ? UNCHANGED : { kind: 'entry', entry: { ...entry, nextTry: now } };
    case 'release': {
      if (!entry.hold) return UNCHANGED;
      const again = entry.hold.kind === 'undeliverable';
      const recipients = entry.recipients.map(
        (r): RecipientState => (again && r.state === 'failed' ? { ...r, state: 'pending' } : r),
      );
      return { kind: 'entry', entry: withHold({ ...entry, recipients, nextTry: now }, undefined) };
    }
    default:
      return act satisfies never;
  }
}

export const isOver = (recipients: readonly RecipientState[], hold: Hold | undefined): boolean =>
  hold?.kind !== 'undeliverable' && !recipients.some((r) => r.state === 'pending');

export function withHold(entry: Entry, hold: Hold | undefined): Entry {
  const { hold: _, ...rest } = entry;
  return hold ? { ...rest, hold } : rest;
}

/** The change that makes the entry in `row` what `entry` says. */
export function changeTo(row: Row, entry: Entry): Change {
  const { hold, envelope } = entry;
  const whole = entry.recipients.every((r) => r.state === 'pending');
  const state: RowState = {
    queue: entry.queue,
    attempts: Math.min(0xffff, entry.attempts),
    nextTry: entry.nextTry,
    warned: Math.min(0xff, entry.warned),
    hold: hold?.kind ?? 'none',
    until: untilOf(hold),
    extent: whole ? extentOf(envelope.sender, envelope.recipients) : NO_EXTENT,
  };
  return { kind: 'state', row, state, detail: detailOf(entry.recipients, hold) };
}

/** What an entry is that begins held. */
export function bornHeld(
  { queue, envelope }: NewEntry,
  hold: Hold,
): { state: RowState; detail: StateDetail } {
  const pending = envelope.recipients.map((): RecipientState => ({ state: 'pending' }));
  const extent = extentOf(envelope.sender, envelope.recipients);
  const state = { queue, attempts: 0, nextTry: 0, warned: 0, hold: hold.kind, until: untilOf(hold), extent };
  return { state, detail: detailOf(pending, hold) };
}

const untilOf = (hold: Hold | undefined): number =>
  hold?.kind === 'operator' ? (hold.until ?? Infinity) : Infinity;
