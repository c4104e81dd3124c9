/**
 * Our Received field: who gave us the mail, as whom we took it, under which id, when.
 *
 * Promises: well formed whatever the peer said (nothing of HELO or an address can end the field
 * or open a comment), folded at 78 columns where there is a place to fold, ended by CRLF. A `for`
 * clause only for a single recipient, so that nobody learns of the others.
 *
 * Its comment carries a tag for each recipient, also where there is no `for` clause. By it we tell
 * a recipient who passes us again (a loop) from a mail that was forwarded from one of our sites
 * to another. The tag is a keyed hash: only we can say whom it means, so blind copies stay blind.
 * RFC 5321 §4.4 (field), §7.2 (blind copies); RFC 3848, RFC 6531 §4.3 (`with`); RFC 5322 §3.3 (date).
 */
import { hash } from 'node:crypto';
import type { Instant } from '../base/clock.ts';
import { canonicalDomain, domainOf, isAscii, localPart } from './address.ts';

export interface ReceivedFacts {
  /** What the peer said in EHLO or HELO. */
  readonly helo: string;
  /** Its IP address; absent for what came by no connection. */
  readonly peer?: string;
  /** Its verified name, if that was looked up. */
  readonly rdns?: string;
  /** Our name. */
  readonly hostname: string;
  /** From `receivedWith`. */
  readonly protocol: string;
  readonly tls?: { readonly version: string; readonly cipher: string };
  readonly id: string;
  readonly recipients: readonly string[];
  /** The secret of `recipientTag`. */
  readonly key: string;
  readonly now: Instant;
}

const COLUMNS = 78;

/** The whole field with its CRLF. */
export function buildReceived(facts: ReceivedFacts): Buffer {
  const [only] = facts.recipients;
  const words = [
    'Received:',
    'from',
    heloWord(facts.helo),
    ...(facts.peer === undefined
      ? []
      : [
          `(${facts.rdns === undefined ? 'unknown' : atomWord(facts.rdns)}`,
          `${addressLiteral(facts.peer)})`,
        ]),
    'by',
    facts.hostname,
    ...commentWords(['Restante', ...facts.recipients.map((r) => recipientTag(facts.key, r))]),
    'with',
    facts.protocol,
  ];
  if (facts.tls) words.push(`(${atomWord(facts.tls.version)}`, `${atomWord(facts.tls.cipher)})`);
  words.push('id', facts.id);
  // `<postmaster>` without a domain is no Path of §4.4.
  const named = facts.recipients.length === 1 && only?.includes('@') ? pathWord(only) : undefined;
  if (named) words.push('for', named);
  words.push(`${words.pop()};`, ...formatDate(facts.now).split(' '));
  return Buffer.from(fold(words), 'utf8');
}

/** What follows `with`. RFC 3848 has no name for TLS or AUTH without ESMTP. */
export function receivedWith(how: {
  readonly esmtp: boolean;
  readonly tls: boolean;
  readonly authenticated: boolean;
  readonly smtputf8: boolean;
}): string {
  if (!how.esmtp) return 'SMTP';
  const base = how.smtputf8 ? 'UTF8SMTP' : 'ESMTP';
  return `${base}${how.tls ? 'S' : ''}${how.authenticated ? 'A' : ''}`;
}

/**
 * Four characters that stand for a recipient in our Received fields. `key` is a secret of this
 * installation that outlives restarts. Two recipients share a tag once in 16 million; a mail is
 * judged a loop only by two earlier passes, so a chance match harms nothing.
 * Case is dropped: a loop that changes it is still a loop.
 */
export function recipientTag(key: string, address: string): string {
  const same = `${localPart(address).toLowerCase()}@${domainOf(address)}`;
  return hash('sha256', `${key}\0${same}`, 'base64url').slice(0, 4);
}

/** RFC 5322 §3.3, in UTC. */
export function formatDate(instant: Instant): string {
  // toUTCString is "Mon, 05 Jan 2026 12:00:00 GMT" by ECMA-262.
  return new Date(instant).toUTCString().replace('GMT', '+0000');
}

/** RFC 5321 §4.1.3. */
export function addressLiteral(ip: string): string {
  return ip.includes(':') ? `[IPv6:${ip}]` : `[${ip}]`;
}

function heloWord(helo: string): string {
  if (/^\[[A-Za-z0-9.:-]{1,64}\]$/.test(helo)) return helo;
  return atomWord(isAscii(helo) ? helo : canonicalDomain(helo) || '?');
}

/** Anything but the characters of names becomes `?`, which is atext. */
function atomWord(text: string): string {
  const clean = text.slice(0, 255).replace(/[^A-Za-z0-9._:-]/g, '?');
  return clean === '' ? '?' : clean;
}

/** Undefined for an address that could not stand in a header line as it is. */
function pathWord(address: string): string | undefined {
  return address.length > 320 || /[\x00-\x20\x7f<>\\"()]/.test(address) ? undefined : `<${address}>`;
}

/** A comment that can be folded between its words. */
function commentWords(words: readonly string[]): string[] {
  return words.map((w, i) => `${i === 0 ? '(' : ''}${w}${i === words.length - 1 ? ')' : ''}`);
}

function fold(words: readonly string[]): string {
  let out = '';
  let column = 0;
  for (const word of words) {
    if (column === 0) {
      out = word;
      column = word.length;
    } else if (column + 1 + word.length <= COLUMNS) {
      out += ` ${word}`;
      column += 1 + word.length;
    } else {
      out += `\r\n\t${word}`;
      column = 8 + word.length;
    }
  }
  return `${out}\r\n`;
}
