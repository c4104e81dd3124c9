/**
 * Sizes: what a primary is known to refuse is refused here, while the sender can still be told
 * by its own server. An unknown limit refuses nothing but what the configuration does.
 * RFC 1870 §6.1 (declared), §6.3 (actual); RFC 3463 X.3.4.
 */
import type { Capabilities } from './ports.ts';
import { ACCEPT, type Refusal, reject, type Verdict } from './verdict.ts';

/** At MAIL: against the configured limit. */
export function declaredSize(size: number | undefined, limit: number): Verdict {
  return size !== undefined && size > limit ? tooLarge(size, limit) : ACCEPT;
}

/** At RCPT: against what the site's primary said. */
export function sizeForSite(size: number | undefined, known: Capabilities | undefined): Verdict {
  return size !== undefined && known?.size && size > known.size ? tooLarge(size, known.size) : ACCEPT;
}

/** At the end of data: all octets that will be handed over, our trace field included. */
export function actualSize(size: number, limit: number): Verdict {
  return size > limit ? tooLarge(size, limit) : ACCEPT;
}

/** The smallest limit that is known among those that will get the mail. */
export function smallestLimit(configured: number, known: Iterable<Capabilities | undefined>): number {
  let limit = configured;
  for (const one of known) if (one?.size && one.size < limit) limit = one.size;
  return limit;
}

function tooLarge(size: number, limit: number): Refusal {
  return reject(552, '5.3.4', `Message is larger than ${limit} octets`, `size ${size} is over ${limit}`);
}
