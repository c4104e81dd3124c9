/**
 * A site's roster as people are shown it, and what people and handovers tell it. Values.
 */
import type { Instant } from '../../base/clock.ts';
import type { Reply } from '../../mail/reply.ts';
import type { Site, Verify } from '../../site/site.ts';
import type { Summary } from './facts.ts';
import type { SiteRoster } from './site-roster.ts';
import type { SourceView } from './source.ts';
import type { VerifierView } from './verifier.ts';

/** A recipient of a mail that was handed over: taken, or refused at RCPT. */
export interface Said {
  readonly address: string;
  readonly refusal?: Reply;
}

export interface Imported {
  readonly taken: number;
  /** Lines that are no address of the site's. */
  readonly bad: readonly string[];
}

/** How recipients fared since the start. */
export interface Counts {
  readonly known: number;
  readonly refused: number;
  /** Nobody knew them; the second: of these, those that were taken since they came back. */
  readonly unknown: number;
  readonly cameBack: number;
}

export interface RosterView {
  /** `partial`: an address that it does not have is unknown; `complete`: it is bad. */
  readonly kind: 'any' | 'complete' | 'partial';
  readonly lists: readonly SourceView[];
  readonly counts: Counts;
  readonly verify?: {
    readonly rule: Verify['unknown'];
    readonly learned: Summary;
    readonly asking: VerifierView;
    /** Domains at which the primary takes everybody: nobody is refused there. */
    readonly openDomains: readonly string[];
    /** Pairs of sender and recipient that may come back, or did. */
    readonly waiting: number;
  };
}

export const lastWord = (view: RosterView): Instant | null => view.verify?.learned.latest ?? null;

const NOTHING: Counts = { known: 0, refused: 0, unknown: 0, cameBack: 0 };

export function viewOf(
  site: Site,
  roster: SiteRoster | undefined,
  kept: { summary: Summary; waiting: number; openDomains: readonly string[] },
): RosterView {
  if (!roster || site.recipients.kind === 'any') return { kind: 'any', lists: [], counts: NOTHING };
  const { verify } = site.recipients;
  const { lists, counts, asking } = roster.view();
  if (!verify) return { kind: 'complete', lists, counts };
  const { summary, waiting, openDomains } = kept;
  const partial = { rule: verify.unknown, learned: summary, asking, openDomains, waiting };
  return { kind: 'partial', lists, counts, verify: partial };
}
