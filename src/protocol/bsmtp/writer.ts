/**
 * Writes batches: the client's half of an SMTP session as a file. Every extension that a mail needs is
 * used, since nobody can be asked what he takes; a mail that needs none has none but SIZE.
 *
 * RFC 2442; 5321 §4.1.1, §4.5.2; 1870; 6152; 6531 §3.4; 3461 §4.
 */
import type { Envelope } from '../../mail/envelope.ts';
import { isLine, mailLine, rcptLine } from '../smtp/client/commands.ts';
import { DotStuffer, Inspector } from '../smtp/client/content.ts';
import type { Offer } from '../smtp/client/open.ts';

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
