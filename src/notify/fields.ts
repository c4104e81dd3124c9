/**
 * Fields of a notice: dates, status codes, addresses, folding. Everything that came from outside is
 * made printable here, so that no reply of a peer can break a line or add a field.
 * RFC 5322 §3.3 (dates), RFC 3464 §2.3 (fields), RFC 3461 §4 (xtext), RFC 6533 §3 (UTF-8 addresses).
 */
import type { Instant } from '../base/clock.ts';
import { isAscii } from '../mail/address.ts';
import type { Recipient } from '../mail/envelope.ts';
import type { Reply } from '../mail/reply.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** RFC 5322 §3.3, in UTC. */
export function mailDate(at: Instant): string {
  const d = new Date(at);
  const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
  return `${DAYS[d.getUTCDay()]}, ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()} ${time} +0000`;
}

/** One line without controls, cut at `limit`; other than ASCII only where it is allowed. */
export function printable(text: string, utf8: boolean, limit = 900): string {
  const plain = text.replace(/[\x00-\x1f\x7f]+/g, ' ');
  return (utf8 ? plain : plain.replace(/[^\x20-\x7e]/g, '?')).slice(0, limit);
}

/** RFC 3461 §4: `+` and two capital hex digits stand for an octet. What is no xtext stays as it is. */
export function decodeXtext(text: string): string {
  if (!text.includes('+')) return text;
  const octets = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const decoded = Buffer.from(octets, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? octets : decoded;
}

/** `rfc822;joe@example.org`, RFC 3464 §2.3.2; `utf-8;` for what is not ASCII, RFC 6533 §3. */
export function finalRecipient(recipient: Recipient): string {
  return `${isAscii(recipient.address) ? 'rfc822' : 'utf-8'}; ${recipient.address}`;
}

/** RFC 3464 §2.3.1, from ORCPT; null if there was none. */
export function originalRecipient(recipient: Recipient, utf8: boolean): string | null {
  const semi = recipient.orcpt?.indexOf(';') ?? -1;
  if (recipient.orcpt === undefined || semi < 1) return null;
  const type = recipient.orcpt.slice(0, semi);
  const address = recipient.orcpt.slice(semi + 1);
  // RFC 6533 §3: utf-8-addr-xtext is not xtext, and is passed on as it is.
  return printable(`${type}; ${type.toLowerCase() === 'utf-8' ? address : decodeXtext(address)}`, utf8);
}

/** RFC 3464 §2.3.4: the enhanced code in the class that the action asks for. */
export function statusOf(reply: Reply, action: 'failed' | 'delayed'): string {
  const digit = action === 'failed' ? 5 : 4;
  const detail = /^[245]\.(\d{1,3}\.\d{1,3})$/.exec(reply.enhanced ?? '')?.[1] ?? '0.0';
  return `${digit}.${detail}`;
}

/** A field, folded at spaces where a line would pass 78 columns (RFC 5322 §2.2.3). */
export function field(name: string, value: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of value.split(' ').filter((w) => w !== '')) {
    if (line.length + 1 + word.length > 78 && line.trim() !== '' && !line.endsWith(':')) {
      lines.push(line);
      line = '';
    }
    line += ` ${word}`;
  }
  lines.push(line);
  return `${lines.join('\r\n')}\r\n`;
}
