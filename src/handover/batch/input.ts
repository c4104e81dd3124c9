/**
 * The octets that a command gets: a mail as rmail wants it, or a batch of mails. As they are read from the
 * spool, never gathered.
 *
 * RFC 976 (rmail), 2442.
 */
import { ToLf } from '../../protocol/bsmtp/line-ends.ts';
import { BATCH_END, BatchContent, batchBegin } from '../../protocol/bsmtp/writer.ts';
import { Inspector } from '../../protocol/smtp/client/content.ts';
import type { ParcelContent } from '../port.ts';

/** The content of one mail cannot be given to anybody. */
export class SpoiltMail extends Error {
  readonly id: string;

  constructor(id: string, why: string) {
    super(why);
    this.id = id;
  }
}

/** A mail that is open. */
export interface Opened {
  readonly id: string;
  readonly content: ParcelContent;
  /** What stands before it: the From line, or the commands. */
  readonly before: Uint8Array;
}

const UNCLEAN = 'The mail holds a bare CR, LF or NUL';

export interface Counted {
  /** Octets of mail that went in. */
  octets: number;
}

/** UUCP's files have LF. */
export async function* rmailInput(
  { id, content, before }: Opened,
  count: Counted,
): AsyncGenerator<Uint8Array> {
  const inspector = new Inspector();
  const toLf = new ToLf();
  yield before;
  for await (const chunk of read(id, content)) {
    if (!inspector.clean(chunk)) throw new SpoiltMail(id, UNCLEAN);
    count.octets += chunk.length;
    yield toLf.convert(chunk);
  }
  if (!inspector.cleanEnd) throw new SpoiltMail(id, UNCLEAN);
}

/** `mails` opens one after the other. */
export async function* batchInput(
  hostname: string,
  mails: AsyncIterable<Opened>,
  count: Counted,
): AsyncGenerator<Uint8Array> {
  yield batchBegin(hostname);
  for await (const { id, content, before } of mails) {
    const stuffer = new BatchContent();
    yield before;
    for await (const chunk of read(id, content)) {
      const part = stuffer.convert(chunk);
      if (!part) throw new SpoiltMail(id, UNCLEAN);
      count.octets += chunk.length;
      yield part;
    }
    const end = stuffer.end();
    if (!end) throw new SpoiltMail(id, UNCLEAN);
    yield end;
  }
  yield BATCH_END;
}

async function* read(id: string, content: ParcelContent): AsyncGenerator<Uint8Array> {
  try {
    yield* content.chunks();
  } catch (fault) {
    throw new SpoiltMail(id, `The mail can not be read: ${String(fault)}`);
  } finally {
    await content.close();
  }
}
