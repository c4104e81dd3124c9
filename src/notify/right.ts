/**
 * Who may be told, and who wants to be. A notice to a forged return path hits an innocent, so it goes
 * only to senders that the operator named, and to return paths that were proved when the mail came in: by the send
 * rule of their site, by SPF, or by DMARC (DESIGN.md §4, promise 5).
 */
import { canonicalDomain, domainOf, domainPart, localPart } from '../mail/address.ts';
import type { NotifyKeyword, Origin, Recipient } from '../mail/envelope.ts';

/**
 * `allow`: addresses, domains, or `.domain` for all below it; domains canonical. Addresses are compared
 * without regard to case: a wrong match tells a mailbox's owner, not a stranger.
 */
export function noticeRight(sender: string, allow: readonly string[]): boolean {
  const domain = canonicalDomain(domainPart(sender));
  if (domain === '') return false;
  const address = `${localPart(sender)}@${domain}`.toLowerCase();
  return allow.some((entry) => {
    if (entry.includes('@')) {
      return `${localPart(entry)}@${canonicalDomain(domainPart(entry))}`.toLowerCase() === address;
    }
    return entry.startsWith('.') ? domain.endsWith(entry) && domain !== entry.slice(1) : domain === entry;
  });
}

/**
 * Was the return path the giver's own? By the send rule of its site; by SPF, asked for the return path's domain;
 * by DMARC only if the author that it proved is the return path itself: a signed mail may be given again by
 * anybody, with anybody's return path at the same domain.
 */
export function isProved(origin: Origin, sender: string): boolean {
  if (origin.kind !== 'received' || sender === '') return false;
  if (origin.sends !== undefined) return true;
  const { spf, dmarc } = origin.authentication ?? {};
  // RFC 7208 §2.4: for the null sender it was asked for another name; that one is told nothing anyhow.
  if (spf?.result === 'pass' && spf.domain === domainOf(sender)) return true;
  return dmarc?.result === 'pass' && dmarc.author !== undefined && sameAddress(dmarc.author, sender);
}

const sameAddress = (a: string, b: string): boolean =>
  domainOf(a) === domainOf(b) && localPart(a).toLowerCase() === localPart(b).toLowerCase();

/** RFC 3461 §4.1: without NOTIFY a failure is told, and a delay may be. */
export function wants(recipient: Recipient, what: Extract<NotifyKeyword, 'FAILURE' | 'DELAY'>): boolean {
  return recipient.notify === undefined || recipient.notify.includes(what);
}
