/**
 * Writes batches: the client's half of an SMTP session as a file. Every extension that a mail needs is
 * used, since nobody can be asked what he takes; a mail that needs none has none but SIZE.
 *
 * RFC 2442; 5321 §4.1.1, §4.5.2; 1870; 6152; 6531 §3.4; 3461 §4.
 */
import type { Envelope } from '../../mail/envelope.ts';
import type { Reply } from '../../mail/reply.ts';
import { isLine, mailLine, rcptLine } from '../smtp/client/commands.ts';
import { DotStuffer, Inspector } from '../smtp/client/content.ts';
import type { Offer } from '../smtp/client/open.ts';
import { bad as badLine } from '../smtp/server/grammar.ts';
import { parseMail, parseRcpt } from '../smtp/server/parameters.ts';
import type { MailCommand, RcptCommand } from '../smtp/session.ts';

const ALL: Offer = {
  name: '',
  esmtp: true,
  pipelining: false,
  chunking: false,
  eightBitMime: true,
  smtpUtf8: true,
  dsn: true,
  starttls: false,
  auth: [],
  keywords: new Map([['SIZE', '']]),
};

const NO_LINE = badLine(501, '5.5.2', 'A control character in an address');

export const batchBegin = (hostname: string): Buffer => Buffer.from(`EHLO ${hostname}\r\n`);
export const BATCH_END = Buffer.from('QUIT\r\n');

/** MAIL, RCPT and DATA of one mail. Null: an address holds what would break a line. */
export function batchCommands(envelope: Envelope, size: number): Buffer | null {
  const lines = [mailLine(envelope, size, ALL), ...envelope.recipients.map((r) => rcptLine(r, ALL))];
  return lines.every(isLine) ? Buffer.from(`${lines.join('\r\n')}\r\nDATA\r\n`) : null;
}

/** The content of one mail: dots doubled, ended by a dot. */
export class BatchContent {
  readonly #stuffer = new DotStuffer();
  readonly #inspector = new Inspector();

  /** Null: a bare CR, LF or NUL is in it. */
  convert(chunk: Uint8Array): Buffer | null {
    if (!this.#inspector.clean(chunk)) return null;
    const parts: Uint8Array[] = [];
    this.#stuffer.stuff(chunk, (octets) => void parts.push(octets));
    return Buffer.concat(parts);
  }

  end(): Buffer | null {
    return this.#inspector.cleanEnd ? this.#stuffer.end() : null;
  }
}

export type EnvelopeRead =
  | { readonly kind: 'bad'; readonly reply: Reply }
  | {
      readonly kind: 'read';
      readonly mail: MailCommand;
      readonly recipients: readonly RcptCommand[];
      /** Those that are no addresses. */
      readonly bad: readonly { readonly recipient: string; readonly reply: Reply }[];
    };

/** An envelope from outside, by the grammar of the commands that it would be. */
export function readEnvelope(envelope: Envelope): EnvelopeRead {
  const line = mailLine(envelope, 0, { ...ALL, keywords: new Map() });
  const mail = isLine(line) ? parseMail(line.slice('MAIL '.length)) : NO_LINE;
  if (mail.kind === 'bad') return mail;
  const recipients: RcptCommand[] = [];
  const bad: { recipient: string; reply: Reply }[] = [];
  for (const recipient of envelope.recipients) {
    const line = rcptLine(recipient, ALL);
    const rcpt = isLine(line) ? parseRcpt(line.slice('RCPT '.length), envelope.smtputf8) : NO_LINE;
    if (rcpt.kind === 'bad') bad.push({ recipient: recipient.address, reply: rcpt.reply });
    else recipients.push(rcpt.command);
  }
  return { kind: 'read', mail: mail.command, recipients, bad };
}
