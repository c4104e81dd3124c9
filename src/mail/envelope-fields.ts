/**
 * The envelope as header fields, for ways that carry no envelope of their own (a mailbox, files):
 * `Return-Path: <sender>`, and one field with the recipients. The field's length can be told from the
 * envelope's extent alone, so that a mailbox knows its sizes without reading.
 *
 * Promises: nobody can forge an envelope: our fields stand on top, and fields of these names that came
 * with the mail are renamed, to a name of the same length, so that sizes stay what they were. Nothing
 * else of the content is touched.
 *
 * RFC 5321 §4.4 (Return-Path at final delivery); RFC 5322 §2.2.3 (folding).
 */
import { type Extent, extentOf, type Recipient } from './envelope.ts';

export const RECIPIENT_FIELDS = ['X-Envelope-To', 'Delivered-To', 'X-Original-To'] as const;
export type RecipientField = (typeof RECIPIENT_FIELDS)[number];

/** What a sender's own fields become. Both names have the same length. */
const RENAMED = {
  'Return-Path': 'X-Orig-Path',
  'X-Envelope-To': 'X-Orig-Env-To',
  'Delivered-To': 'X-Orig-Dl-To',
  'X-Original-To': 'X-Orig-Org-To',
} as const;
const LONGEST = 'X-Envelope-To'.length;

/** Octets of addresses that stand in one line; more are folded, an address a line. RFC 5322 §2.1.1: 78 at best. */
const ONE_LINE = 60;
const separatorOf = ({ recipients, octets }: Extent): string =>
  octets + 2 * recipients <= ONE_LINE ? ', ' : ',\r\n ';

export function envelopeFields(
  sender: string,
  recipients: readonly Recipient[],
  field: RecipientField,
): string {
  const list = recipients.map((r) => r.address).join(separatorOf(extentOf(sender, recipients)));
  return `Return-Path: <${sender}>\r\n${field}: ${list}\r\n`;
}

/** The octets of `envelopeFields` for an envelope of this extent. */
export function envelopeFieldsLength(extent: Extent, field: RecipientField): number {
  const separators = Math.max(0, extent.recipients - 1) * separatorOf(extent).length;
  return `Return-Path: <>\r\n${field}: \r\n`.length + extent.octets + separators;
}

const CR = 0x0d;
const LF = 0x0a;
const NONE = Buffer.alloc(0);

/** Renames what would pass for our fields in the header of one content, chunk by chunk. */
export class FieldRenamer {
  readonly #names: ReadonlyMap<string, string>;
  /** A line whose beginning is too short to be judged; or the rest of a line goes by. */
  #kept: Buffer = NONE;
  #inLine = false;
  #inBody = false;

  constructor(field: RecipientField) {
    const names = ['Return-Path', field] as const;
    this.#names = new Map(names.map((name) => [name.toLowerCase(), RENAMED[name]]));
  }

  /** As many octets as went in, but for some that are kept for the next call. `chunk` stays as it is. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#inBody) return chunk;
    const octets = Buffer.concat([this.#kept, chunk]);
    this.#kept = NONE;
    for (let at = this.#inLine ? this.#behindLine(octets, 0) : 0; at >= 0; ) {
      const rest = octets.length - at;
      if (rest <= LONGEST && octets.indexOf(LF, at) < 0) {
        this.#kept = octets.subarray(at);
        return octets.subarray(0, at);
      }
      if (octets[at] === CR && octets[at + 1] === LF) {
        this.#inBody = true;
        return octets;
      }
      this.#rename(octets, at);
      at = this.#behindLine(octets, at);
    }
    return octets;
  }

  /** What was kept last. */
  end(): Uint8Array {
    return this.#kept;
  }

  /** Where the next line begins; -1: the line goes on behind these octets. */
  #behindLine(octets: Buffer, at: number): number {
    const lf = octets.indexOf(LF, at);
    this.#inLine = lf < 0;
    return lf < 0 ? -1 : lf + 1;
  }

  #rename(octets: Buffer, at: number): void {
    for (const [name, other] of this.#names) {
      const end = at + name.length;
      // RFC 5322 §4.5: old mail may have white space before the colon.
      if (!': \t'.includes(octets.toString('latin1', end, end + 1) || '\n')) continue;
      if (octets.toString('latin1', at, end).toLowerCase() === name) octets.write(other, at, 'latin1');
    }
  }
}

/** The whole content, chunk by chunk, with such fields renamed. */
export async function* renameFields(
  chunks: AsyncIterable<Uint8Array>,
  field: RecipientField,
): AsyncIterable<Uint8Array> {
  const renamer = new FieldRenamer(field);
  for await (const chunk of chunks) {
    const octets = renamer.push(chunk);
    if (octets.length > 0) yield octets;
  }
  const rest = renamer.end();
  if (rest.length > 0) yield rest;
}
