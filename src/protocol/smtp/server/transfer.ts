/**
 * Content from the input into the session's sink: after DATA, and chunk by chunk with BDAT.
 *
 * Promises: the sink gets the content byte for byte, part by part as it comes, and the next part
 * only when it took the one before. Content that is refused half-way is swallowed up to its real
 * end and answered there; nothing of it stays. A peer that sends on and on after the limit is cut.
 * RFC 5321 §4.1.1.4, §4.5.3.2.5; RFC 3030 §2; RFC 1870 §6.1.
 */
import { MINUTE } from '../../../base/clock.ts';
import type { Soon } from '../../../base/soon.ts';
import type { Reply } from '../../../mail/reply.ts';
import type { ContentSink } from '../session.ts';
import { DataDecoder, LineCheck } from './content.ts';
import type { Dialog } from './dialog.ts';
import { replies } from './replies.ts';

/** RFC 5321 §4.5.3.2.5, for each PROGRESS octets: one octet every few minutes is no transfer. */
export const CONTENT_DEADLINE = 3 * MINUTE;
const PROGRESS = 1024;
/** One part of content at most; what a socket gives at once. */
const PART = 64 * 1024;
const CRLF = Buffer.from('\r\n');

/** The way of one content into its sink, or into nothing once it is refused. */
class Intake {
  refusal: Reply | null = null;
  readonly #sink: ContentSink;
  readonly #limit: number;
  #kept = 0;

  constructor(sink: ContentSink, limit: number) {
    this.#sink = sink;
    this.#limit = limit;
  }

  refuse(r: Reply): void {
    if (this.refusal) return;
    this.refusal = r;
    this.#sink.abort();
  }

  fits(octets: number): boolean {
    return this.#kept + octets <= this.#limit;
  }

  write(part: Buffer): Promise<void> | void {
    if (!this.fits(part.length)) this.refuse(replies.tooBig);
    if (this.refusal) return;
    this.#kept += part.length;
    return this.#sink.write(part);
  }

  end(): Soon<Reply> {
    return this.refusal ?? this.#sink.end();
  }

  abort(): void {
    this.#sink.abort();
  }
}

/** Reads parts of at most `limit()` octets. Null: the peer is gone, too slow, or sends without end. */
class Parts {
  readonly #talk: Dialog;
  #due: number;
  #sinceDue = 0;
  #total = 0;

  constructor(talk: Dialog) {
    this.#talk = talk;
    this.#due = talk.clock.monotonic() + CONTENT_DEADLINE;
  }

  next(limit: number): Soon<Buffer | null> {
    const part = this.#talk.input.take(limit);
    return part.length > 0 ? this.#count(part) : this.#more(limit);
  }

  async #more(limit: number): Promise<Buffer | null> {
    return (await this.#talk.moreContent(this.#due)) ? this.next(limit) : null;
  }

  #count(part: Buffer): Buffer | null {
    this.#total += part.length;
    this.#sinceDue += part.length;
    if (this.#sinceDue >= PROGRESS) {
      this.#sinceDue = 0;
      this.#due = this.#talk.clock.monotonic() + CONTENT_DEADLINE;
    }
    if (this.#total <= 2 * this.#talk.options.sizeLimit + PART) return part;
    this.#talk.say(replies.flood);
    this.#talk.closing = true;
    return null;
  }
}

/** After 354. Null: the dialog is over, nothing is kept. */
export async function receiveData(talk: Dialog, sink: ContentSink): Promise<Reply | null> {
  const intake = new Intake(sink, talk.options.sizeLimit);
  const decoder = new DataDecoder();
  const source = new Parts(talk);
  const parts: Buffer[] = [];
  const give = (part: Buffer) => parts.push(part);
  try {
    for (;;) {
      const next = source.next(PART);
      const chunk = next instanceof Promise ? await next : next;
      if (!chunk) {
        intake.abort();
        return null;
      }
      parts.length = 0;
      const used = decoder.decode(chunk, give);
      if (decoder.foul) intake.refuse(replies.foul);
      for (const part of parts) {
        const taken = intake.write(part);
        if (taken) await taken;
      }
      if (used < 0) continue;
      talk.input.untake(chunk.subarray(used));
      return await conclude(talk, intake);
    }
  } catch (fault) {
    intake.abort();
    throw fault;
  }
}

/** The content of a mail that comes in BDAT chunks. */
export class Bdat {
  readonly #talk: Dialog;
  readonly #intake: Intake | null;
  readonly #check = new LineCheck();
  #refusal: Reply | null;

  /** `refusal`: why there is no sink. */
  constructor(talk: Dialog, sink: ContentSink | null, refusal: Reply | null) {
    this.#talk = talk;
    this.#intake = sink && new Intake(sink, talk.options.sizeLimit);
    this.#refusal = refusal;
  }

  /** One chunk. A refused chunk is read all the same: its octets are no commands. */
  async chunk(octets: number, last: boolean): Promise<Reply | null> {
    if (this.#intake && !this.#intake.fits(octets)) this.#intake.refuse(replies.tooBig);
    const whole = await eachPart(this.#talk, octets, (part) => {
      this.#check.look(part);
      if (this.#check.foul) this.#intake?.refuse(replies.foul);
      return this.#intake?.write(part);
    });
    if (!whole) return null;
    if (last) return this.#end();
    this.#refusal ??= this.#intake?.refusal ?? null;
    return this.#refusal ?? { code: 250, enhanced: '2.0.0', text: [`${octets} octets taken`] };
  }

  async #end(): Promise<Reply> {
    if (!this.#intake) {
      this.#talk.dropTransaction();
      return this.#refusal ?? replies.noRecipients;
    }
    const lacks = this.#check.finish();
    if (this.#check.foul) this.#intake.refuse(replies.foul);
    // RFC 5321 §4.1.1.4: a last line without its end gets one, as any DATA client would give it.
    if (lacks === 'crlf') await this.#intake.write(CRLF);
    return conclude(this.#talk, this.#intake);
  }

  abort(): void {
    this.#intake?.abort();
  }
}

/** The octets of a BDAT that is out of order. False: the dialog is over. */
export function swallow(talk: Dialog, octets: number): Promise<boolean> {
  return eachPart(talk, octets, () => undefined);
}

async function eachPart(
  talk: Dialog,
  octets: number,
  take: (part: Buffer) => Promise<void> | void,
): Promise<boolean> {
  const source = new Parts(talk);
  for (let left = octets; left > 0; ) {
    const next = source.next(Math.min(left, PART));
    const part = next instanceof Promise ? await next : next;
    if (!part) return false;
    left -= part.length;
    const taken = take(part);
    if (taken) await taken;
  }
  return true;
}

function conclude(talk: Dialog, intake: Intake): Soon<Reply> {
  if (!intake.refusal) {
    talk.finishTransaction();
    return intake.end();
  }
  talk.dropTransaction();
  return talk.error(intake.refusal);
}
