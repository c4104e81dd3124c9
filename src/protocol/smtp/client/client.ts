/**
 * The client engine: mails over one open conversation, as fast as the server's offer allows.
 *
 *   PIPELINING + CHUNKING  a small mail is one write (MAIL RCPT.. BDAT n LAST, content), and the next
 *                          one follows without waiting, RSET before it in case the last one failed;
 *   PIPELINING             MAIL RCPT.. DATA in one write; behind the 354 the content, its dot, and the
 *                          next mail's MAIL RCPT.. DATA (RFC 2920 §3.1: content may begin a group);
 *   neither                one command, one reply.
 *
 * Promises: every mail given comes back once, with each reply that was heard and how the conversation
 * was lost, if it was. It judges nothing. Content is sent octet for octet (dots apart) and streamed in
 * bounded memory; what is bare or unreadable is not sent, or the connection is cut before its end.
 *
 * RFC 5321 §3.3, §4.5.3.2; 2920; 3030.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Envelope } from '../../../mail/envelope.ts';
import { isPositive } from '../../../mail/reply.ts';
import { isLine, mailLine, rcptLine } from './commands.ts';
import { DotStuffer, Inspector } from './content.ts';
import type { Deadlines, Offer, Opened } from './open.ts';
import { type Caution, type ClientContent, type ClientMail, type Transaction, taken } from './transaction.ts';
import { type Heard, isLost, type Lost, type Wire } from './wire.ts';

interface Job {
  readonly mail: ClientMail;
  readonly heard: Transaction;
  readonly content: Promise<ClientContent | null>;
  readonly finish: (t: Transaction) => void;
  /** Monotonic; 0 while its content is not sent to the end. */
  sentAt: number;
}

export interface ClientOptions {
  readonly opened: Opened;
  readonly caution?: Caution;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** Given beyond the one that is being answered, so that there is always a next one to send. */
const PIPELINE = 4;
/** Content up to this goes out without waiting for the replies to RCPT: little is wasted when they are bad. */
const BLIND = 256 * 1024;

export class SmtpClient {
  readonly offer: Offer;
  /** Mails that may be given before the first is answered. */
  readonly depth: number;
  readonly #wire: Wire;
  readonly #caution: Caution;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #queue: Job[] = [];
  #running = false;
  #unanswered = 0;
  #whenIdle: (() => void) | null = null;
  #quitting: Promise<void> | null = null;
  /** Mails sent by BDAT whose reply is still to come. */
  #blind = 0;
  /** Mails that were sent to their end, whose reply is still to come. */
  #ends = 0;
  #hungUp = false;
  /** A transaction may be open on the server: RSET before the next MAIL. */
  #dirty = false;
  #fresh = true;

  constructor({ opened, caution = { careful: false }, clock, deadlines }: ClientOptions) {
    this.offer = opened.offer;
    this.depth = opened.offer.pipelining ? PIPELINE : 1;
    this.#wire = opened.wire;
    this.#caution = caution;
    this.#clock = clock;
    this.#deadlines = deadlines;
  }

  get lost(): Lost | null {
    return this.#wire.lost;
  }

  give(mail: ClientMail): Promise<Transaction> {
    return new Promise((resolve) => {
      this.#unanswered++;
      this.#queue.push({
        mail,
        content: this.#wire.lost ? Promise.resolve(null) : mail.open().catch(() => null),
        heard: {
          before: null,
          mail: null,
          rcpt: mail.envelope.recipients.map(() => null),
          data: null,
          end: null,
          lost: null,
          unsent: null,
          begun: false,
          latency: 0,
        },
        finish: resolve,
        sentAt: 0,
      });
      if (!this.#running) void this.#run();
    });
  }

  /** When all that was given is answered: no transaction is open over there. Postfix keeps some that it refused. */
  async rest(): Promise<void> {
    if (this.#fresh) return;
    this.#dirty = false;
    await this.#ask('RSET', this.#deadlines.mail);
  }

  /** QUIT, when all that was given is answered. */
  quit(): Promise<void> {
    this.#quitting ??= this.#quit();
    return this.#quitting;
  }

  async #quit(): Promise<void> {
    if (this.#unanswered > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    if (this.#wire.lost) return;
    await this.#ask('QUIT', this.#deadlines.quit);
    this.#wire.end();
  }

  /**
   * Begins nothing more, and cuts the connection as soon as no mail that was sent to its end waits for its reply:
   * before that end the server must not deliver it (RFC 5321 §4.1.1.4), behind it nobody knows. True: one waits.
   */
  hangUp(): boolean {
    this.#hungUp = true;
    if (this.#ends === 0) this.destroy();
    return this.#ends > 0;
  }

  destroy(): void {
    this.#wire.lose({ lost: 'destroyed', text: this.#hungUp ? 'hung up by us' : 'given up' });
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) await this.#send(job);
    this.#running = false;
  }

  async #send(job: Job): Promise<void> {
    const { heard, mail } = job;
    const content = await job.content;
    heard.lost = this.#wire.lost ?? (this.#hungUp ? { lost: 'destroyed', text: 'hung up by us' } : null);
    if (heard.lost) return this.#finish(job);
    heard.unsent = this.#whyNot(mail.envelope, content);
    if (heard.unsent || !content) return this.#finish(job);
    // What is announced is what will be written.
    const size = content.pieces?.reduce((sum, piece) => sum + piece.byteLength, 0) ?? content.size;
    const lines = this.#lines(mail.envelope, size);
    if (!lines) {
      heard.unsent = 'unclean';
      return this.#finish(job);
    }
    heard.begun = true;
    this.#fresh = false;
    // Without recipients only MAIL is asked.
    if (mail.envelope.recipients.length === 0) await this.#envelope(job, lines, false);
    else if (this.offer.chunking) await this.#byBdat(job, content, size, lines);
    else await this.#byData(job, content, lines);
  }

  #whyNot(envelope: Envelope, content: ClientContent | null): Transaction['unsent'] {
    if (!content) return 'unreadable';
    // RFC 6531 §3.2: not without the server's consent.
    if (envelope.smtputf8 && !this.offer.smtpUtf8) return 'smtputf8';
    if (content.pieces) {
      const inspector = new Inspector();
      if (!content.pieces.every((piece) => inspector.clean(piece)) || !inspector.cleanEnd) return 'unclean';
    }
    return null;
  }

  /** MAIL and each RCPT; null if one would not be a line. */
  #lines(envelope: Envelope, size: number): string[] | null {
    const lines = [mailLine(envelope, size, this.offer)];
    for (const recipient of envelope.recipients) lines.push(rcptLine(recipient, this.offer));
    return lines.every(isLine) ? lines : null;
  }

  // ---- MAIL and RCPT ----

  /** True: at least one recipient was accepted, and (with DATA) the server waits for content. */
  async #envelope(job: Job, lines: readonly string[], data: boolean): Promise<boolean> {
    const { heard } = job;
    if (!this.offer.pipelining) await this.#step(job, lines, data);
    else if (data && this.#caution.careful) {
      await this.#group(job, lines, false);
      if (taken(heard)) this.#note(job, 'data', await this.#ask('DATA', this.#deadlines.data));
    } else await this.#group(job, lines, data);
    this.#caution.careful = !taken(heard);
    if (heard.lost) {
      this.#finish(job);
      return false;
    }
    const accepted = taken(heard);
    if (data && heard.data?.code === 354) {
      if (accepted) return true;
      // RFC 2920 §3.1: 354 without a recipient; an empty content ends it, whatever the reply.
      this.#wire.write(new DotStuffer().end());
      this.#expectEnd(job, this.#deadlines.end);
      return false;
    }
    if (!data && accepted) return true;
    this.#dirty = heard.mail !== null && isPositive(heard.mail);
    this.#finish(job);
    return false;
  }

  /** All in one write; resolves with the last reply. */
  #group(job: Job, lines: readonly string[], data: boolean): Promise<void> {
    const { before = [] } = job.mail;
    const all = [...(this.#rset() ? ['RSET'] : []), ...before, ...lines];
    if (data) all.push('DATA');
    this.#wire.write(Buffer.from(`${all.join('\r\n')}\r\n`));
    for (const _ of before) this.#wire.expect(this.#deadlines.mail, (h) => this.#noteBefore(job, h));
    return new Promise((resolve) => {
      const last = lines.length - 1;
      for (let i = 0; i <= last; i++) {
        this.#wire.expect(i === 0 ? this.#deadlines.mail : this.#deadlines.rcpt, (h) => {
          this.#note(job, i, h);
          if (i === last && !data) resolve();
        });
      }
      if (!data) return;
      this.#wire.expect(this.#deadlines.data, (h) => {
        this.#note(job, 'data', h);
        resolve();
      });
    });
  }

  /** One command, one reply; and no command that is bound to fail. */
  async #step(job: Job, lines: readonly string[], data: boolean): Promise<void> {
    if (this.#dirty) await this.#ask('RSET', this.#deadlines.mail);
    this.#dirty = false;
    for (const line of job.mail.before ?? []) {
      this.#noteBefore(job, await this.#ask(line, this.#deadlines.mail));
    }
    let i = 0;
    for (const line of lines) {
      this.#note(job, i, await this.#ask(line, i === 0 ? this.#deadlines.mail : this.#deadlines.rcpt));
      if (job.heard.lost || !job.heard.mail || !isPositive(job.heard.mail)) return;
      i++;
    }
    if (!data || !taken(job.heard)) return;
    this.#note(job, 'data', await this.#ask('DATA', this.#deadlines.data));
  }

  /** If it was lost, MAIL will be told so. */
  #noteBefore(job: Job, heard: Heard): void {
    if (!isLost(heard) && !isPositive(heard)) job.heard.before ??= heard;
  }

  #note(job: Job, what: number | 'data', heard: Heard): void {
    if (isLost(heard)) job.heard.lost = heard;
    else if (what === 'data') job.heard.data = heard;
    else if (what === 0) job.heard.mail = heard;
    else job.heard.rcpt[what - 1] = heard;
  }

  /** Writes nothing: says whether RSET has to lead the group, and takes note of its reply. */
  #rset(): boolean {
    // RFC 3030 §2: after a failed BDAT only RSET makes the state certain; of those in flight we don't know.
    if (!this.#dirty && this.#blind === 0) return false;
    this.#dirty = false;
    this.#wire.expect(this.#deadlines.mail, () => {});
    return true;
  }

  #ask(line: string, ms: number): Promise<Heard> {
    this.#wire.command(line);
    return new Promise((resolve) => this.#wire.expect(ms, resolve));
  }

  // ---- content ----

  async #byBdat(job: Job, content: ClientContent, size: number, lines: readonly string[]): Promise<void> {
    const command = Buffer.from(`BDAT ${size} LAST\r\n`);
    if (content.pieces && size <= BLIND && this.offer.pipelining && !this.#caution.careful) {
      void this.#group(job, lines, false);
      this.#wire.write(command);
      for (const piece of content.pieces) this.#wire.write(piece);
      this.#blind++;
      this.#expectEnd(job, this.#deadlines.end, () => {
        this.#blind--;
        this.#caution.careful = !taken(job.heard);
      });
      await this.#wire.drained(this.#deadlines.block);
      return;
    }
    if (!(await this.#envelope(job, lines, false))) return;
    this.#wire.write(command);
    // No more than was announced may leave: the rest would be read as commands.
    let left = size;
    await this.#stream(
      job,
      content,
      (chunk) => {
        left -= chunk.length;
        if (left < 0) return false;
        this.#wire.write(chunk);
        return true;
      },
      () => left === 0,
    );
  }

  async #byData(job: Job, content: ClientContent, lines: readonly string[]): Promise<void> {
    if (!(await this.#envelope(job, lines, true))) return;
    const stuffer = new DotStuffer();
    const write = (octets: Uint8Array) => this.#wire.write(octets);
    await this.#stream(
      job,
      content,
      (chunk) => {
        stuffer.stuff(chunk, write);
        return true;
      },
      () => {
        write(stuffer.end());
        return true;
      },
    );
  }

  /** Sends it all, or cuts the connection: half a mail must not look whole. */
  async #stream(
    job: Job,
    content: ClientContent,
    put: (chunk: Uint8Array) => boolean,
    end: () => boolean,
  ): Promise<void> {
    this.#expectEnd(job, null);
    let whole: boolean;
    if (content.pieces) whole = content.pieces.every((piece) => put(piece));
    else whole = await this.#chunks(job, content, put);
    if (this.#wire.lost) return;
    if (whole && end()) {
      this.#sent(job);
      this.#wire.due(this.#deadlines.end);
      await this.#wire.drained(this.#deadlines.block);
      return;
    }
    job.heard.unsent ??= 'unreadable';
    this.#wire.lose({ lost: 'destroyed', text: 'cut before the end of a content that cannot be sent' });
  }

  async #chunks(job: Job, content: ClientContent, put: (chunk: Uint8Array) => boolean): Promise<boolean> {
    const inspector = new Inspector();
    try {
      for await (const chunk of content.chunks()) {
        if (this.#wire.lost) return true;
        if (!inspector.clean(chunk)) break;
        if (!put(chunk)) return false;
        await this.#wire.drained(this.#deadlines.block);
      }
    } catch {
      return false;
    }
    if (!inspector.cleanEnd) job.heard.unsent = 'unclean';
    return inspector.cleanEnd;
  }

  /** `ms` null: the content is still to be sent. A reply before its end is the last thing we hear. */
  #expectEnd(job: Job, ms: number | null, then?: () => void): void {
    if (ms !== null) this.#sent(job);
    this.#wire.expect(ms, (heard) => {
      then?.();
      if (job.sentAt !== 0) this.#ends--;
      if (isLost(heard)) job.heard.lost = heard;
      else {
        const early = job.sentAt === 0;
        // A yes to half a mail is no yes.
        if (!early || !isPositive(heard)) job.heard.end = heard;
        job.heard.latency = early ? 0 : this.#clock.monotonic() - job.sentAt;
        if (this.offer.chunking && !isPositive(heard)) this.#dirty = true;
        if (early) {
          const lost: Lost = { lost: 'garbage', text: 'the server answered before the end of data' };
          if (!job.heard.end) job.heard.lost = lost;
          this.#wire.lose(lost);
        }
      }
      this.#finish(job);
      if (this.#hungUp) this.hangUp();
    });
  }

  #sent(job: Job): void {
    job.sentAt = this.#clock.monotonic();
    this.#ends++;
  }

  #finish(job: Job): void {
    void job.content.then((content) => content?.close()).catch(() => {});
    job.finish(job.heard);
    if (--this.#unanswered > 0) return;
    this.#whenIdle?.();
    this.#whenIdle = null;
  }
}
