/**
 * Asks an open conversation whether a recipient would be taken: MAIL with the null sender, RCPT, and RSET; no DATA
 * ever. One command, one reply, so that the server answers each for itself. Never rejects.
 *
 * RFC 5321 §3.3, §4.5.5 (null sender), §4.1.1.5 (RSET); 6531 §3.4.
 */
import { isAscii } from '../../../mail/address.ts';
import { isPositive, type Reply } from '../../../mail/reply.ts';
import { isLine, rcptLine } from './commands.ts';
import type { Opened } from './open.ts';
import { isLost, type Lost } from './wire.ts';

export type Asked =
  | { readonly kind: 'rcpt'; readonly reply: Reply }
  /** It does not get as far as RCPT. */
  | { readonly kind: 'mail'; readonly reply: Reply }
  /** It can't be asked this way, or in this form. */
  | { readonly kind: 'unsaid' }
  | { readonly kind: 'lost'; readonly lost: Lost };

/** `ms`: for each reply. */
export async function askRecipient(opened: Opened, address: string, ms: number): Promise<Asked> {
  const { wire, offer } = opened;
  const utf8 = !isAscii(address);
  const rcpt = rcptLine({ address }, offer);
  if ((utf8 && !offer.smtpUtf8) || !isLine(rcpt)) return { kind: 'unsaid' };
  const say = (line: string) => {
    wire.command(line);
    return new Promise<Reply | Lost>((resolve) => wire.expect(ms, resolve));
  };
  const mail = await say(`MAIL FROM:<>${utf8 ? ' SMTPUTF8' : ''}`);
  if (isLost(mail)) return { kind: 'lost', lost: mail };
  if (!isPositive(mail)) return { kind: 'mail', reply: mail };
  const heard = await say(rcpt);
  if (isLost(heard)) return { kind: 'lost', lost: heard };
  await say('RSET');
  return { kind: 'rcpt', reply: heard };
}
