/**
 * The forms in which `queue export` writes mails. `eml`: a file each, as it is, its envelope beside it as
 * .json. `mbox`: one file, lines that would pass for its separators quoted reversibly (mboxrd). `maildir`:
 * a file each, written in tmp/ and then moved to new/, under the mail's id. In mbox and Maildir lines end in
 * LF, and the envelope stands on top, in the fields that a mailbox has, with a sender's own renamed.
 * RFC 4155 App. A (mbox).
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { envelopeFields, renameFields } from '../../mail/envelope-fields.ts';
import type { EntryRow, EntryView } from '../../operate/api/contract.ts';

export const FORMATS = ['eml', 'mbox', 'maildir'] as const;
export type Format = (typeof FORMATS)[number];

/** One mail to be written. */
export interface Exported {
  readonly row: EntryRow;
  view(): Promise<EntryView>;
  content(): Promise<AsyncIterable<Uint8Array>>;
}

/** Writes all of them below `output`; gives the paths of the files. */
export const writers: Readonly<
  Record<
    Format,
    (mails: AsyncIterable<Exported>, output: string) => Promise<{ files: string[]; mails: number }>
  >
> = {
  async eml(mails, output) {
    await mkdir(output, { recursive: true, mode: 0o700 });
    const files: string[] = [];
    for await (const { row, view, content } of mails) {
      const name = join(output, row.id);
      await writeFile(`${name}.json`, `${JSON.stringify(await view(), null, 2)}\n`, { mode: 0o600 });
      await put(`${name}.part`, `${name}.eml`, await content());
      files.push(`${name}.eml`);
    }
    return { files, mails: files.length };
  },

  async mbox(mails, output) {
    let count = 0;
    async function* all(): AsyncIterable<Uint8Array> {
      for await (const { row, content } of mails) {
        const date = new Date(row.arrived)
          .toUTCString()
          .replace(/^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/, asctime);
        yield Buffer.from(`From ${row.sender || 'MAILER-DAEMON'} ${date}\n`);
        yield* unixLines(withEnvelope(row, await content()), true);
        yield Buffer.from('\n');
        count++;
      }
    }
    await put(`${output}.part`, output, all());
    return { files: [output], mails: count };
  },

  async maildir(mails, output) {
    for (const part of ['', 'tmp', 'new', 'cur']) {
      await mkdir(join(output, part), { recursive: true, mode: 0o700 });
    }
    const files: string[] = [];
    for await (const { row, content } of mails) {
      const name = `${Math.floor(Date.parse(row.arrived) / 1000)}.${row.id}.restante`;
      const file = join(output, 'new', name);
      await put(join(output, 'tmp', name), file, unixLines(withEnvelope(row, await content()), false));
      files.push(file);
    }
    return { files, mails: files.length };
  },
};

async function put(part: string, file: string, octets: AsyncIterable<Uint8Array>): Promise<void> {
  await pipeline(octets, createWriteStream(part, { mode: 0o600 }));
  await rename(part, file);
}

/** "Mon Jan  5 12:00:00 2026", UTC. */
const asctime = (_: string, day: string, date: string, month: string, year: string, time: string): string =>
  `${day} ${month} ${String(Number(date)).padStart(2)} ${time} ${year}`;

async function* withEnvelope(row: EntryRow, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const to = row.recipients.map((address) => ({ address }));
  yield Buffer.from(envelopeFields(row.sender, to, 'X-Envelope-To'));
  yield* renameFields(content, 'X-Envelope-To');
}

/** A longer line is passed on in pieces. */
const LONG = 64 * 1024;

/** CRLF becomes LF, the last line gets its end; with `quote`, a line "From …", quoted or not, gets one `>` more. */
export async function* unixLines(
  chunks: AsyncIterable<Uint8Array>,
  quote: boolean,
): AsyncIterable<Uint8Array> {
  let kept = '';
  let inLine = false;
  const convert = (text: string): Buffer => {
    const lines = text.replaceAll('\r\n', '\n');
    const begin = inLine ? /(\n)(?=>*From )/g : /(^|\n)(?=>*From )/g;
    inLine = !lines.endsWith('\n');
    return Buffer.from(quote ? lines.replace(begin, '$1>') : lines, 'latin1');
  };
  for await (const chunk of chunks) {
    const text = kept + Buffer.from(chunk).toString('latin1');
    // One octet stays: it may be the CR of an end.
    const end = text.lastIndexOf('\n') + 1 || (text.length > LONG ? text.length - 1 : 0);
    if (end > 0) yield convert(text.slice(0, end));
    kept = text.slice(end);
  }
  if (kept !== '') yield convert(kept);
  if (inLine) yield Buffer.from('\n');
}
