/**
 * Shows a whole mail to a filter, step by step, as long as it wants to see more.
 */
import { fieldsOf } from '../../mail/header-edit.ts';
import type { BodyRoom, MilterClient, Said, Verdict } from '../../protocol/milter/client.ts';
import { CHUNK } from '../../protocol/milter/codes.ts';
import { type Facts, macrosFor } from './macros.ts';

/** A mail as the filters before it have left it. */
export interface Shown {
  readonly header: Buffer;
  body(): AsyncIterable<Uint8Array>;
}

/** Its answer to the first step at which it decided something, at last the end of the body. */
export async function show(
  client: MilterClient,
  mail: Shown,
  facts: Facts,
  room: BodyRoom,
): Promise<Verdict> {
  const { options } = client;
  const macros = macrosFor('endOfHeader', options, facts);
  const early =
    (await decided(client.data(macrosFor('data', options, facts)))) ?? (await showHeader(client, mail));
  if (early) return { said: early, changes: [] };
  const begun = (await decided(client.endOfHeader(macros))) ?? (await showBody(client, mail));
  if (begun) return { said: begun, changes: [] };
  return client.endOfBody(macrosFor('endOfBody', options, facts), room);
}

/** Undefined: it wants to see more. */
async function decided(answer: Promise<Said>): Promise<Said | undefined> {
  const said = await answer;
  return said.kind === 'continue' || said.kind === 'skip' ? undefined : said;
}

async function showHeader(client: MilterClient, { header }: Shown): Promise<Said | undefined> {
  for (const { name, octets } of fieldsOf(header)) {
    // A line that is no field is nothing that a filter could change.
    if (name === '') continue;
    const colon = octets.indexOf(0x3a);
    const written = octets.toString('latin1', 0, colon).trimEnd();
    const said = await decided(client.header(written, linesByLf(octets.subarray(colon + 1)), []));
    if (said) return said;
  }
  return undefined;
}

/** Without the CRLF at the end; sendmail ends the lines of a folded field with LF alone. */
function linesByLf(value: Buffer): Buffer {
  const text = value.toString('latin1').replace(/\r\n$/, '');
  return text.includes('\r\n')
    ? Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1')
    : value.subarray(0, text.length);
}

/** In pieces of CHUNK octets, whatever pieces it comes in. */
async function showBody(client: MilterClient, mail: Shown): Promise<Said | undefined> {
  if (!client.options.wants('body')) return undefined;
  let gathered: Uint8Array[] = [];
  let room = CHUNK;
  for await (let piece of mail.body()) {
    while (piece.byteLength >= room) {
      const said = await decided(client.body(Buffer.concat([...gathered, piece.subarray(0, room)])));
      if (said) return said;
      piece = piece.subarray(room);
      gathered = [];
      room = CHUNK;
    }
    if (piece.byteLength === 0) continue;
    gathered.push(piece);
    room -= piece.byteLength;
  }
  return gathered.length === 0 ? undefined : decided(client.body(Buffer.concat(gathered)));
}
