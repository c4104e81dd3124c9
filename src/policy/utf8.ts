/**
 * Internationalised mail for a primary that is known not to take it: refused here, while the
 * sender's own server can tell him. Where we know nothing, the mail is taken.
 * RFC 6531 §3.2, §3.5 and RFC 3463 X.6.7, X.6.9.
 */
import { isAscii } from '../mail/address.ts';
import type { HeaderScan } from '../mail/header.ts';
import type { Capabilities } from './ports.ts';
import { ACCEPT, reject, type Verdict } from './verdict.ts';

/** At RCPT. */
export function utf8Addresses(sender: string, recipient: string, known: Capabilities | undefined): Verdict {
  if (known?.smtpUtf8 !== false || (isAscii(sender) && isAscii(recipient))) return ACCEPT;
  const text = 'The destination takes ASCII addresses only';
  return reject(553, '5.6.7', text, 'the primary does not offer SMTPUTF8');
}

/**
 * Whether a mail needs SMTPUTF8 further on. Declared by the sender or not, mail that is ASCII
 * does not; a header that is not ASCII in mail that did not declare it goes on as it came.
 */
export function needsUtf8(
  declared: boolean,
  addresses: Iterable<string>,
  charset: HeaderScan['charset'],
): boolean {
  if (declared && charset !== 'ascii') return true;
  for (const address of addresses) if (!isAscii(address)) return true;
  return false;
}

/** At the end of data, for each site that gets the mail. */
export function utf8Header(
  parts: readonly { readonly site?: string; readonly utf8: boolean }[],
  capabilities: (site: string) => Capabilities | undefined,
): Verdict {
  const part = parts.find((p) => p.utf8 && p.site !== undefined && capabilities(p.site)?.smtpUtf8 === false);
  if (!part) return ACCEPT;
  const text = 'The destination takes ASCII headers only';
  return reject(550, '5.6.9', text, `the primary of ${part.site} does not offer SMTPUTF8`);
}
