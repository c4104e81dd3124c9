/**
 * One probe of a site that is down: one line, and a real mail on it (DESIGN.md §5). Any 2yz or 4yz to
 * the mail's recipients means that the site lives. A refusal says nothing: another mail that was not
 * tried yet has its turn on the same line, up to ten.
 *
 * A site that put off everything is probed for an acceptance; on the same line mails that were never
 * tried get their first try, since a greylist's time begins with it.
 */
import { SECOND } from '../base/clock.ts';
import type { Handover, Line, Trouble } from '../handover/port.ts';
import { describe } from '../mail/reply.ts';
import type { Entry, EntryId, Lease } from '../spool/port.ts';
import type { Aside } from './aside.ts';
import type { KeeperContext } from './context.ts';
import type { Answer } from './judge.ts';
import type { Outcomes } from './outcomes.ts';
import { parcelOf, takeOff } from './run.ts';
import type { Turn } from './turns.ts';

export type ProbeResult =
  /** There is no mail to try it with. */
  | { readonly kind: 'nothing' }
  /** `alive`: it broke only after a recipient was answered. */
  | { readonly kind: 'trouble'; readonly trouble: Trouble; readonly alive: boolean }
  | { readonly kind: 'life'; readonly line: Line; readonly turn: Turn; readonly answered: number }
  /** Only a host that is not the best answers. */
  | { readonly kind: 'fellow'; readonly line: Line; readonly turn: Turn }
  /** It answers, but nothing that counts. `refused`: by a refusal. */
  | {
      readonly kind: 'unmoved';
      readonly reason: string;
      readonly refused: boolean;
      readonly host: string | null;
    };

/** The line, once there is one, and the entry that is on it. */
export interface UnderWay {
  line: Line | null;
  entry: EntryId | null;
}

export interface ProbeParts {
  readonly ctx: KeeperContext;
  readonly lease: Lease;
  readonly handover: Handover;
  readonly outcomes: Outcomes;
  readonly aside: Aside;
  readonly signal: AbortSignal;
  /** What it does at the moment, for the prober. */
  readonly under: UnderWay;
  /** It was put down because it put off everything. */
  readonly puttingOff: boolean;
  /** If nothing is ready, may what waits be brought forward? */
  readonly mayHasten: boolean;
}

const MOST_REFUSED = 10;
const MOST_FIRST_TRIES = 100;
/** First tries end with the interval, however slow the site is. */
const LONGEST = 20 * SECOND;

export async function probe(p: ProbeParts): Promise<ProbeResult> {
  const first = await candidate(p);
  if (!first) return { kind: 'nothing' };
  const turn = await turnOf(p);
  const line = await p.handover.connect(p.signal);
  if (line.kind === 'trouble' || !line.best || p.signal.aborted) {
    giveBack(p, first);
    if (line.kind === 'trouble') {
      turn.end();
      return { kind: 'trouble', trouble: line, alive: false };
    }
    return { kind: 'fellow', line, turn };
  }
  const result = await tryMails(p, line, turn, first);
  if (result.kind !== 'life') {
    if (result.kind === 'trouble') line.destroy();
    void line.close().then(() => turn.end());
  }
  return result;
}

function turnOf(p: ProbeParts): Promise<Turn> {
  return new Promise((resolve) => void p.ctx.probes.ask(resolve));
}

/**
 * The oldest that is ready; else one that would have to wait; else one that stood aside. All that wait
 * are brought forward then, as a sign of life will do anyway.
 */
async function candidate({ ctx, lease, aside, mayHasten }: ProbeParts): Promise<Entry | null> {
  const now = ctx.clock.now();
  const [ready] = await lease.ready(now, 1);
  if (ready || !mayHasten) return ready ?? null;
  lease.hasten(now);
  const [early] = await lease.ready(now, 1);
  return early ?? aside.takeBack();
}

/** One that was never tried. */
async function fresh({ lease }: ProbeParts): Promise<Entry | null> {
  return (await lease.ready(0, 1))[0] ?? null;
}

const giveBack = ({ lease }: ProbeParts, entry: Entry): void => lease.giveBack([entry.id]);

async function tryMails(p: ProbeParts, line: Line, turn: Turn, first: Entry): Promise<ProbeResult> {
  const begun = p.ctx.clock.monotonic();
  let last: Answer = 'refused';
  let said = '';
  let answered = 0;
  let entry: Entry | null = first;
  let refused = 0;
  let firstTries = 0;
  p.under.line = line;
  while (entry) {
    p.under.entry = entry.id;
    const flight = takeOff(entry, p.lease, p.ctx.clock);
    const given = await line.give(parcelOf(flight, (why) => p.outcomes.unreadable(flight.entry, why)));
    if (given.kind === 'broken') {
      const aside = () => !p.lease.lost.aborted && p.aside.take(flight.entry);
      if (!p.outcomes.broken(flight, given) && !aside()) giveBack(p, flight.entry);
      return { kind: 'trouble', trouble: given.trouble, alive: given.alive };
    }
    answered++;
    p.aside.answered(entry.id);
    const { answer } = p.outcomes.answered(flight, given, true);
    if (answer === 'accepted' || (answer === 'deferred' && !p.puttingOff)) {
      return { kind: 'life', line, turn, answered };
    }
    last = answer;
    const outcome = given.outcomes.find((o) => o.kind === (answer === 'refused' ? 'failed' : 'deferred'));
    said = outcome ? describe(outcome.reply) : '';
    const late = p.signal.aborted || p.ctx.clock.monotonic() - begun >= LONGEST;
    if (late) break;
    if (answer === 'refused' && ++refused < MOST_REFUSED) entry = await fresh(p);
    else if (p.puttingOff && firstTries++ < MOST_FIRST_TRIES) entry = await fresh(p);
    else entry = null;
  }
  const isRefused = last === 'refused';
  const reason = `${isRefused ? 'refuses mail' : 'puts off mail'}: ${said}`;
  return { kind: 'unmoved', reason, refused: isRefused, host: line.host };
}
