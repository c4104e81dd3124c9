/**
 * Builds a delivery status notification: what happened, for a person and for a program, and the
 * message it is about or its header. Sends nothing; a pure function of its argument.
 * RFC 3464, 6522 (multipart/report), 3461 (RET, ENVID, ORCPT), 6533 (SMTPUTF8), 3834 (Auto-Submitted).
 *
 * Only `failed` and `delayed` exist: success and relay reports are not made (RFC 3461 §5.2.2 asks for
 * `relayed` when the next hop has no DSN; our next hop is the site's own primary, which is told by DSN
 * parameters where it takes them).
 */
import { DAY, HOUR, type Instant } from '../base/clock.ts';
import type { Envelope, Origin, Recipient } from '../mail/envelope.ts';
import { describe, type Reply } from '../mail/reply.ts';
import {
  decodeXtext,
  field,
  finalRecipient,
  mailDate,
  originalRecipient,
  printable,
  statusOf,
} from './fields.ts';

export interface ToldRecipient {
  readonly recipient: Recipient;
  readonly reply: Reply;
  /** Who said so; '' if we did. */
  readonly host: string;
}

export interface NoticeInput {
  readonly action: 'failed' | 'delayed';
  readonly hostname: string;
  /** Whom to ask. */
  readonly postmaster: string;
  /** Of the mail that the notice is about. */
  readonly envelope: Envelope;
  readonly origin: Origin;
  readonly mail: string;
  readonly arrived: Instant;
  readonly now: Instant;
  readonly recipients: readonly ToldRecipient[];
  /** Until when it will be tried; for `delayed`. */
  readonly until?: Instant;
  /** The message, or its header; null when it can't be read. */
  readonly returned: { readonly full: boolean; readonly bytes: Uint8Array } | null;
  /** Unguessable: makes the boundary and the Message-ID. */
  readonly token: string;
}

export interface Notice {
  readonly content: Uint8Array;
  readonly body: '7bit' | '8bitmime';
  readonly smtputf8: boolean;
}

export function buildNotice(input: NoticeInput): Notice {
  // Mail that needed SMTPUTF8 came by a way that has it, and so does its answer.
  const utf8 = input.envelope.smtputf8;
  const returned = returnedPart(input, utf8);
  const eight = utf8 || (input.returned !== null && hasEightBit(input.returned.bytes));
  const boundary = `=_${input.token}`;
  const parts: Uint8Array[] = [Buffer.from(textPart(input, utf8)), Buffer.from(statusPart(input, utf8))];
  if (returned) parts.push(returned);
  const chunks: Uint8Array[] = [Buffer.from(topHeader(input, boundary, eight))];
  for (const part of parts) chunks.push(Buffer.from(`\r\n--${boundary}\r\n`), part);
  chunks.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return { content: Buffer.concat(chunks), body: eight ? '8bitmime' : '7bit', smtputf8: utf8 };
}

function topHeader(input: NoticeInput, boundary: string, eight: boolean): string {
  const subject = input.action === 'failed' ? 'Undelivered mail' : 'Mail delayed (still being tried)';
  return [
    field('From', `Mail delivery at ${input.hostname} <MAILER-DAEMON@${input.hostname}>`),
    // Not folded: a quoted local part keeps its spaces.
    `To: <${input.envelope.sender}>\r\n`,
    field('Date', mailDate(input.now)),
    field('Subject', subject),
    field('Message-ID', `<${input.token}@${input.hostname}>`),
    // RFC 3834 §5
    field('Auto-Submitted', 'auto-replied'),
    'MIME-Version: 1.0\r\n',
    // RFC 6522 §3
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
    eight ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
    '\r\nThis is a MIME-encoded report about a mail.\r\n',
  ].join('');
}

function textPart(input: NoticeInput, utf8: boolean): string {
  const lines = [
    `This is the mail server at ${input.hostname}. It keeps mail for sites whose own`,
    'mail server cannot be reached, and hands it over as soon as that is possible.',
    '',
    ...(input.action === 'failed' ? failedText() : delayedText(input)),
    '',
  ];
  for (const told of input.recipients) {
    lines.push(`  <${told.recipient.address}>`);
    const said = printable(describe(told.reply), utf8, 600);
    lines.push(told.host === '' ? `    ${said}` : `    ${printable(told.host, utf8, 200)} said: ${said}`, '');
  }
  lines.push(
    `If you have questions, please write to ${input.postmaster}`,
    `and name this mail: ${input.mail}, received on ${mailDate(input.arrived)}.`,
  );
  const type = `Content-Type: text/plain; charset=${utf8 ? 'utf-8' : 'us-ascii'}\r\n`;
  return `${type}${utf8 ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n${lines.join('\r\n')}\r\n`;
}

const failedText = (): string[] => [
  'Your message could not be delivered to the recipients below, and will not be',
  'tried again. The reason stands beside each of them.',
];

const count = (many: number, what: string): string =>
  many < 2 ? `1 ${what}` : `${Math.floor(many)} ${what}s`;

function delayedText(input: NoticeInput): string[] {
  const age = Math.max(0, input.now - input.arrived);
  const span =
    age >= 2 * DAY ? count(age / DAY, 'day') : age >= HOUR ? count(age / HOUR, 'hour') : 'less than an hour';
  return [
    `Your message has been waiting for ${span} and could not be delivered yet to the`,
    'recipients below. You need not do anything, and need not send it again.',
    ...(input.until === undefined ? [] : [`It will be tried until ${mailDate(input.until)}.`]),
  ];
}

function statusPart(input: NoticeInput, utf8: boolean): string {
  const { envelope, origin } = input;
  let out = '';
  // RFC 3464 §2.2
  if (envelope.envid !== undefined) {
    out += field('Original-Envelope-Id', printable(decodeXtext(envelope.envid), utf8));
  }
  out += field('Reporting-MTA', `dns; ${input.hostname}`);
  if (origin.kind === 'received' && origin.helo !== '') {
    out += field('Received-From-MTA', `dns; ${printable(origin.helo, utf8, 255)}`);
  }
  out += field('Arrival-Date', mailDate(input.arrived));
  for (const told of input.recipients) out += `\r\n${recipientFields(input, told, utf8)}`;
  // RFC 6533 §4
  const type = utf8 ? 'message/global-delivery-status' : 'message/delivery-status';
  return `Content-Type: ${type}\r\n${utf8 ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n${out}`;
}

/** RFC 3464 §2.3. */
function recipientFields(input: NoticeInput, told: ToldRecipient, utf8: boolean): string {
  let out = '';
  const original = originalRecipient(told.recipient, utf8);
  if (original !== null) out += field('Original-Recipient', original);
  out += field('Final-Recipient', finalRecipient(told.recipient));
  out += field('Action', input.action);
  out += field('Status', statusOf(told.reply, input.action));
  if (told.host !== '') {
    const name = told.host.split(/[\s[(]/)[0] || told.host;
    out += field('Remote-MTA', `dns; ${printable(name, utf8, 255)}`);
    out += field('Diagnostic-Code', `smtp; ${printable(describe(told.reply), utf8)}`);
  }
  out += field('Last-Attempt-Date', mailDate(input.now));
  if (input.action === 'delayed' && input.until !== undefined) {
    out += field('Will-Retry-Until', mailDate(input.until));
  }
  return out;
}

/** RFC 6522 §3: the third part; RFC 6533 §5 names its types for SMTPUTF8. */
function returnedPart(input: NoticeInput, utf8: boolean): Uint8Array | null {
  if (!input.returned) return null;
  const { full, bytes } = input.returned;
  const plain = full ? 'message/rfc822' : 'text/rfc822-headers';
  const global = full ? 'message/global' : 'message/global-headers';
  const encoding = hasEightBit(bytes) ? 'Content-Transfer-Encoding: 8bit\r\n' : '';
  return Buffer.concat([Buffer.from(`Content-Type: ${utf8 ? global : plain}\r\n${encoding}\r\n`), bytes]);
}

function hasEightBit(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) > 0x7f) return true;
  return false;
}
