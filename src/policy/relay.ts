/**
 * The door: to which queue a recipient belongs, and that all others are refused. Promise 2:
 * mail is taken for the domains of sites and for the postmaster, whatever the address is
 * dressed up as; there is no option here that opens it. Only a site that may send (`send.ts`) has
 * the domains of others too.
 *
 * A site's primary trusts us, so we must not become the first hop of a relay through it
 * either: a local part that a mail server could read as a further route is refused, unless
 * a complete list of recipients has it.
 * RFC 5321 §3.6.1, §4.5.1 (postmaster), §7.9; RFC 2505 §2.1 (relaying), §2.5 (% ! @ hacks).
 */
import { domainToUnicode } from 'node:url';
import ipaddr from 'ipaddr.js';
import { canonicalDomain, domainOf, domainPart, isAscii, localPart } from '../mail/address.ts';
import type { RcptCommand } from '../protocol/smtp/session.ts';
import type { Site, SiteDirectory } from '../site/site.ts';
import { OPERATOR_QUEUE, type QueueName } from '../spool/port.ts';
import { isPostmaster, unquoted } from './local-part.ts';
import type { Settings } from './ports.ts';
import type { Lookup } from './roster/rosters.ts';
import { ACCEPT, type Refusal, reject, type Verdict } from './verdict.ts';

export interface Route {
  readonly kind: 'route';
  readonly queue: QueueName;
  /** The address to hand over to: as sent, but for the operator's mail. */
  readonly address: string;
  /** Absent for the operator's queue and for foreign domains. */
  readonly site?: Site;
  /** Valid whatever a list says: a postmaster. */
  readonly always: boolean;
  /** Nobody knows it, and its primary is about to be asked: what becomes of it if it is not is `Policy.unasked`. */
  readonly unasked?: true;
}

export interface Here {
  readonly settings: Settings;
  readonly directory: SiteDirectory;
  /** The address that the peer connected to. */
  readonly localAddress: string;
  /** The mail comes from a site that may send to anybody. */
  readonly sends?: boolean;
}

/** Where mail for this recipient goes. */
export function routeOf(rcpt: RcptCommand, here: Here): Route | Refusal {
  const { settings, directory } = here;
  const local = localPart(rcpt.address);
  const written = domainPart(rcpt.address);
  if (unquoted(local) === '') return denied('the local part is empty');
  if (/[\x00-\x1f\x7f]/.test(local)) return denied('a control character in the local part');
  const postmaster = isPostmaster(local);
  if (rcpt.bare && postmaster) return operatorRoute(here);
  if (written.startsWith('[')) {
    return postmaster && isOurLiteral(written, here) ? operatorRoute(here) : denied('an address literal');
  }
  const domain = plainDomain(written);
  if (domain === undefined) return denied('not a domain name');
  const ourName = settings.names.includes(domain);
  if (ourName && postmaster) return operatorRoute(here);
  const site = directory.byDomain(domain);
  // A site's `.example.net` does not make every account of mx2.example.net one of the site's.
  if (ourName && !site?.domains.includes(domain)) return denied('no mailboxes at our own name');
  if (!site && here.sends)
    return { kind: 'route', queue: `>${domain}`, address: rcpt.address, always: false };
  if (!site) return denied('the domain belongs to no site');
  return { kind: 'route', queue: site.name, address: rcpt.address, site, always: postmaster };
}

/** The mail of our own postmaster. RFC 5321 §4.5.1: always taken. */
function operatorRoute(here: Here): Route {
  const { hostname, names, postmaster: address } = here.settings;
  const domain = address === undefined ? '' : domainOf(address);
  // An address at our own name has no mailbox but this queue.
  if (address === undefined || names.includes(domain)) {
    return { kind: 'route', queue: OPERATOR_QUEUE, address: `postmaster@${hostname}`, always: true };
  }
  const site = here.directory.byDomain(domain);
  if (!site) return { kind: 'route', queue: `>${domain}`, address, always: true };
  return { kind: 'route', queue: site.name, address, site, always: true };
}

/**
 * The canonical form of a domain that is written as one; undefined for all else. Conversion to
 * A-labels is generous: it drops soft hyphens, reads fullwidth letters as ASCII and ends at a
 * slash. What it changed beyond case is no U-label (RFC 5890 §2.3.2.1), and the primary might
 * read it otherwise than we do.
 */
function plainDomain(written: string): string | undefined {
  const domain = canonicalDomain(written);
  if (domain === '' || domain.startsWith('.') || domain.includes('..')) return undefined;
  if (isAscii(written)) return /^[A-Za-z0-9._-]+$/.test(written) ? domain : undefined;
  const bare = written.endsWith('.') ? written.slice(0, -1) : written;
  return domainToUnicode(domain) === bare.toLowerCase() ? domain : undefined;
}

/** RFC 5321 §4.1.3. */
function isOurLiteral(written: string, here: Here): boolean {
  const text = written.replace(/^\[(?:ipv6:)?/i, '').replace(/\]$/, '');
  const address = canonicalIp(text);
  if (address === undefined) return false;
  return [here.localAddress, ...here.settings.addresses].some((own) => canonicalIp(own) === address);
}

function canonicalIp(text: string): string | undefined {
  return ipaddr.isValid(text) ? ipaddr.process(text).toString() : undefined;
}

/** RFC 2505 §2.5: `%`, `!` and `@` in a local part route further at some servers. */
export function secondHop(address: string, lookup: Lookup): Verdict {
  const local = unquoted(localPart(address));
  // Compatibility forms (fullwidth %, small @) are folded by some servers before they look.
  const folded = isAscii(local) ? local : local.normalize('NFKC');
  if (!/[%!@]/.test(folded)) return ACCEPT;
  // A list that can't be read might have it: its own check defers.
  if (lookup === 'listed' || lookup === 'broken') return ACCEPT;
  return denied('the local part holds a route');
}

const denied = (why: string): Refusal => reject(550, '5.7.1', 'Relaying to that address is denied', why);
