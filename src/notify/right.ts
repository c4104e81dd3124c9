/**
 * Who may be told, and who wants to be. A notice to a forged return path hits an innocent, so it goes
 * only to senders that the operator named, and to those whose mail came in by the send rule of their site: it
 * was proved then that the mail is the site's, and the sender is of its domains (DESIGN.md §4, promise 5).
 */
import { canonicalDomain, domainPart, localPart } from '../mail/address.ts';
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

/** Was the return path the giver's own? */
export const isProved = (origin: Origin): boolean => origin.kind === 'received' && origin.sends !== undefined;

/** RFC 3461 §4.1: without NOTIFY a failure is told, and a delay may be. */
export function wants(recipient: Recipient, what: Extract<NotifyKeyword, 'FAILURE' | 'DELAY'>): boolean {
  return recipient.notify === undefined || recipient.notify.includes(what);
}
