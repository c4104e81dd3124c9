/**
 * A short note to the recipients of a mail that is too large for their site's link: that it is here, from
 * whom, how large, and how it can still be had. A pure function; sends nothing. The mail itself stays.
 *
 * RFC 5322 §3.6; 3834 §5 (Auto-Submitted, so that nobody answers it by machine).
 */
import type { Instant } from '../base/clock.ts';
import { isAscii } from '../mail/address.ts';
import type { Envelope } from '../mail/envelope.ts';
import { field, mailDate, printable } from './fields.ts';

export interface NoteInput {
  readonly hostname: string;
  readonly postmaster: string;
  /** Of the mail, with the recipients that it is still kept for. */
  readonly envelope: Envelope;
  readonly mail: string;
  readonly size: number;
  readonly largest: number;
  readonly arrived: Instant;
  readonly now: Instant;
  readonly token: string;
}

export interface Note {
  readonly content: Uint8Array;
  readonly envelope: Envelope;
}

export function buildNote(input: NoteInput): Note {
  const { hostname, envelope, now, token } = input;
  const utf8 = envelope.recipients.some((r) => !isAscii(r.address));
  const sender = envelope.sender === '' ? 'a mail system' : printable(envelope.sender, utf8, 320);
  const text = [
    `A mail for you is kept at ${hostname}. With ${input.size} octets it is larger than`,
    `the ${input.largest} octets up to which mail is handed over to your site when it calls.`,
    '',
    `  from      ${sender}`,
    `  arrived   ${mailDate(input.arrived)}`,
    `  for       ${envelope.recipients.map((r) => printable(r.address, utf8, 320)).join(', ')}`,
    `  number    ${input.mail}`,
    '',
    'It is kept until you decide. To have it with the next call, or to have it removed,',
    `write to ${input.postmaster} and name its number.`,
  ];
  const header = [
    field('From', `Mail delivery at ${hostname} <MAILER-DAEMON@${hostname}>`),
    // Not folded: a quoted local part keeps its spaces.
    ...envelope.recipients.slice(0, 1).map((r) => `To: <${r.address}>\r\n`),
    field('Date', mailDate(now)),
    field('Subject', `A large mail is kept for you (${input.size} octets)`),
    field('Message-ID', `<${token}@${hostname}>`),
    field('Auto-Submitted', 'auto-generated'),
    'MIME-Version: 1.0\r\n',
    `Content-Type: text/plain; charset=${utf8 ? 'utf-8' : 'us-ascii'}\r\n`,
    utf8 ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
  ];
  return {
    content: Buffer.from(`${header.join('')}\r\n${text.join('\r\n')}\r\n`),
    envelope: {
      sender: '',
      recipients: envelope.recipients.map(({ address }) => ({ address })),
      body: utf8 ? '8bitmime' : '7bit',
      smtputf8: utf8,
    },
  };
}
