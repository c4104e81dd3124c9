/**
 * Loops. A mail that has passed us twice for the same recipient goes round; one that passed us
 * for another recipient was forwarded, and is welcome. If a site's own primary gives back what we
 * gave it, its configuration is broken, not the mail: that is deferred and the site's trouble.
 * RFC 5321 §6.3 (counting Received fields); RFC 3463 X.4.6.
 */
import { type HeaderScan, passesOf } from '../mail/header.ts';
import { recipientTag } from '../mail/received.ts';
import { ACCEPT, defer, reject, type Verdict } from './verdict.ts';

/** RFC 5321 §6.3: "at least 100 Received entries". */
export const MOST_RECEIVED = 100;
/** The third passing is refused: two earlier ones. */
const MOST_PASSES = 2;

/** What of a mail goes to one queue. */
export interface Part {
  /** The site's name; absent for the operator's and for foreign queues. */
  readonly site?: string;
  readonly recipients: readonly { readonly address: string }[];
}

export interface Passing {
  readonly scan: HeaderScan;
  /** The secret of `recipientTag`. */
  readonly key: string;
  readonly parts: readonly Part[];
  /** Sites whose primary is at the peer's address. */
  readonly from: readonly string[];
}

export function loops(passing: Passing): Verdict {
  const { scan } = passing;
  // The tags are worth computing only for a mail that has been here.
  const again = scan.passes.length > 0 ? passedBefore(passing) : [];
  for (const { address, site } of again) {
    if (site !== undefined && passing.from.includes(site)) return givenBack(site, address);
  }
  const round = again.find((r) => r.passes >= MOST_PASSES);
  if (round) return reject(554, '5.4.6', 'Mail loop', `${round.address} passes here for the third time`);
  if (scan.received >= MOST_RECEIVED) {
    const why = `${scan.received} Received fields`;
    return reject(554, '5.4.6', 'Mail loop: too many Received fields', why);
  }
  return ACCEPT;
}

/** The recipients that this mail had when it was here before. */
function passedBefore({ scan, key, parts }: Passing) {
  return parts
    .flatMap(({ site, recipients }) => recipients.map(({ address }) => ({ site, address })))
    .map((r) => ({ ...r, passes: passesOf(scan, recipientTag(key, r.address)) }))
    .filter((r) => r.passes > 0);
}

function givenBack(site: string, address: string): Verdict {
  const why = `the primary of ${site} gave back mail for ${address}`;
  const text = 'Mail loop: this came from here, look at how your domains are set up';
  return { ...defer(451, '4.4.6', text, why), trouble: site };
}
