/**
 * The client, step by step: for a mail whose sender waits for each answer. One command, one reply; the content goes by
 * DATA. `client.ts` is for mails that lie here already, and gives them as fast as it can.
 *
 * Promises: never rejects; each step ends by its deadline. Content is sent octet for octet (dots apart), in bounded
 * memory; if it can't be sent to its end, or is another length than was said, the conversation is cut before the dot,
 * so that half a mail never looks whole. Whether the dot may have been read is told apart.
 *
 * RFC 5321 §3.3, §4.1.1.4, §4.1.1.5 (RSET), §4.5.3.2.
 */
import type { Envelope, Recipient } from '../../../mail/envelope.ts';
import { isPositive, type Reply } from '../../../mail/reply.ts';
import { isLine, mailLine, rcptLine } from './commands.ts';
import { DotStuffer, Inspector } from './content.ts';
import type { Deadlines, Offer, Opened } from './open.ts';
import { type Heard, isLost, type Lost, type Wire } from './wire.ts';

export interface StepContent {
  /** Octets that `chunks` will give. */
  readonly size: number;
  /** May throw. */
  chunks(): AsyncIterable<Uint8Array>;
}

export type Ended =
  /** Its last word on this content: to DATA, in the midst, or to the dot; only that one can be a 2yz. */
  | { readonly kind: 'answered'; readonly reply: Reply }
  /** `whole`: it may have read the dot, and so have the mail. */
  | { readonly kind: 'lost'; readonly lost: Lost; readonly whole: boolean }
  /** It holds what may not leave, or can't be read; nothing of it is over there. */
  | { readonly kind: 'unsent'; readonly why: 'unclean' | 'unreadable' };

/** A line that would become two: it is not said. */
const UNSAID: Lost = { lost: 'garbage', text: 'an address that cannot be said' };

export class StepwiseClient {
  readonly offer: Offer;
  readonly #wire: Wire;
  readonly #deadlines: Deadlines;
  /** A transaction may be open over there: RSET before the next. */
  #open = false;

  constructor(opened: Opened, deadlines: Deadlines) {
    this.offer = opened.offer;
    this.#wire = opened.wire;
    this.#deadlines = deadlines;
  }

  get lost(): Lost | null {
    return this.#wire.lost;
  }

  /** `before`: commands (XFORWARD) to be said before MAIL; `refused` hears the first that is refused, and all goes on. */
  async mail(
    envelope: Omit<Envelope, 'recipients'>,
    size: number | undefined,
    before: readonly string[] = [],
    refused: (reply: Reply) => void = () => {},
  ): Promise<Heard> {
    const line = mailLine(envelope, size, this.offer);
    if (!isLine(line)) return UNSAID;
    if (this.#open) {
      const reset = await this.#ask('RSET', this.#deadlines.mail);
      if (isLost(reset)) return reset;
    }
    let well = true;
    for (const command of before) {
      const heard = await this.#ask(command, this.#deadlines.mail);
      if (isLost(heard)) return heard;
      if (well && !isPositive(heard)) refused(heard);
      well &&= isPositive(heard);
    }
    this.#open = true;
    return this.#ask(line, this.#deadlines.mail);
  }

  async rcpt(recipient: Recipient): Promise<Heard> {
    const line = rcptLine(recipient, this.offer);
    return isLine(line) ? this.#ask(line, this.#deadlines.rcpt) : UNSAID;
  }

  /** After an accepted recipient. The transaction is over with it. */
  async content(content: StepContent): Promise<Ended> {
    const go = await this.#ask('DATA', this.#deadlines.data);
    if (isLost(go)) return { kind: 'lost', lost: go, whole: false };
    if (go.code !== 354 && !isPositive(go)) return { kind: 'answered', reply: go };
    if (go.code !== 354) return this.#cut('a yes to DATA');
    let early: Heard | undefined;
    const end = new Promise<Heard>((resolve) => {
      this.#wire.expect(null, (heard) => {
        early ??= heard;
        resolve(heard);
      });
    });
    const stuffer = new DotStuffer();
    const state = await this.#stream(content, stuffer, () => early !== undefined);
    if (early !== undefined) return this.#early(early);
    if (state !== 'whole') {
      this.#cut('cut before the end of a content that cannot be sent');
      return { kind: 'unsent', why: state };
    }
    this.#wire.write(stuffer.end());
    this.#wire.due(this.#deadlines.end);
    const heard = await end;
    if (!isLost(heard)) {
      // Postfix keeps the transaction when a rule for the end of data refuses it.
      this.#open = !isPositive(heard);
      return { kind: 'answered', reply: heard };
    }
    // RFC 5321 §3.8: after a 421 it has it not.
    return { kind: 'lost', lost: heard, whole: heard.lost !== 'bye' };
  }

  /** In order, if it still lives. Never rejects. */
  async quit(): Promise<void> {
    if (this.#wire.lost) return;
    await this.#ask('QUIT', this.#deadlines.quit);
    this.#wire.end();
  }

  destroy(): void {
    this.#wire.lose({ lost: 'destroyed', text: 'given up' });
  }

  #ask(line: string, ms: number): Promise<Heard> {
    this.#wire.command(line);
    return new Promise((resolve) => this.#wire.expect(ms, resolve));
  }

  async #stream(
    content: StepContent,
    stuffer: DotStuffer,
    over: () => boolean,
  ): Promise<'whole' | 'unclean' | 'unreadable'> {
    const inspector = new Inspector();
    const write = (octets: Uint8Array) => this.#wire.write(octets);
    let left = content.size;
    try {
      for await (const chunk of content.chunks()) {
        if (over()) return 'unreadable';
        if (!inspector.clean(chunk)) return 'unclean';
        left -= chunk.byteLength;
        stuffer.stuff(chunk, write);
        await this.#wire.drained(this.#deadlines.block);
      }
    } catch {
      return 'unreadable';
    }
    if (!inspector.cleanEnd) return 'unclean';
    return left === 0 ? 'whole' : 'unreadable';
  }

  /** It answered before the dot. A refusal counts; a yes to half a mail is none. The rest of the content can't be taken back. */
  #early(heard: Heard): Ended {
    if (isLost(heard)) return { kind: 'lost', lost: heard, whole: false };
    if (isPositive(heard)) return this.#cut('a yes in the midst of content');
    this.#cut('refused in the midst of content');
    return { kind: 'answered', reply: heard };
  }

  #cut(text: string): Ended {
    this.#wire.lose({ lost: 'garbage', text });
    return { kind: 'lost', lost: { lost: 'garbage', text }, whole: false };
  }
}
