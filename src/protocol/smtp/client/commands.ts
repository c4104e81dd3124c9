/**
 * MAIL and RCPT as lines: parameters go only where the server offered them, values as they came.
 *
 * RFC 5321 §4.1.1.2–3; 1870 §6 (SIZE); 6152 (BODY); 3461 §4 (DSN); 6531 §3.4 (SMTPUTF8).
 */
import type { Envelope, Recipient } from '../../../mail/envelope.ts';
import type { Offer } from './open.ts';

/** `size`: undefined where it is not known yet. */
export function mailLine(
  envelope: Omit<Envelope, 'recipients'>,
  size: number | undefined,
  offer: Offer,
): string {
  let line = `MAIL FROM:<${envelope.sender}>`;
  if (size !== undefined && offer.keywords.has('SIZE')) line += ` SIZE=${size}`;
  // Where it is not offered the content goes as it is all the same: nothing but a bounce could be gained.
  if (offer.eightBitMime && envelope.body === '8bitmime') line += ' BODY=8BITMIME';
  if (offer.smtpUtf8 && envelope.smtputf8) line += ' SMTPUTF8';
  if (offer.dsn && envelope.ret) line += ` RET=${envelope.ret}`;
  if (offer.dsn && envelope.envid) line += ` ENVID=${envelope.envid}`;
  return line;
}

export function rcptLine(recipient: Recipient, offer: Offer): string {
  let line = `RCPT TO:<${recipient.address}>`;
  if (offer.dsn && recipient.notify) line += ` NOTIFY=${recipient.notify.join(',')}`;
  if (offer.dsn && recipient.orcpt) line += ` ORCPT=${recipient.orcpt}`;
  return line;
}

/** A line that would become two, or end early, is never sent. */
export const isLine = (line: string): boolean => !/[\x00-\x1f\x7f]/.test(line);
