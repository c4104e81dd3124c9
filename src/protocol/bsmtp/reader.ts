/**
 * Reads batches: a stream of octets becomes mails, one after the other, each with its content to be read
 * before the next. Whatever the octets are, it ends, holds no more than a line, a chunk and one mail's
 * recipients, and gives out nothing that was not well formed.
 *
 * Line ends are those of the first line. LF: every LF is a line end, and content comes out with CRLF. CRLF: the
 * rules of SMTP; content with a bare CR or LF is foul and given to nobody. Only a line with a dot alone ends
 * content, also when nobody may have it, so content is never taken for commands (SMTP smuggling).
 *
 * A command that is not understood costs its own mail, not the batch. After MOST_FAULTS of them it is no batch.
 *
 * RFC 2442; 5321 §4.1.1, §4.5.2.
 */
import { createHash, type Hash } from 'node:crypto';
import { describe } from '../../mail/reply.ts';
import { DataDecoder } from '../smtp/server/content.ts';
import { parseCommandLine } from '../smtp/server/grammar.ts';
import { parseMail, parseRcpt } from '../smtp/server/parameters.ts';
import type { MailCommand, RcptCommand } from '../smtp/session.ts';
import { ToCrlf } from './line-ends.ts';
import { Octets } from './octets.ts';

export interface BatchMail {
  readonly kind: 'mail';
  readonly command: MailCommand;
  readonly recipients: readonly RcptCommand[];
  /**
   * Once; throws BatchFoul where content ends that nobody may have. What is not read is passed over.
   */
  content(): AsyncIterable<Uint8Array>;
  /** After the content: stands for the batch up to here, all of it. */
  key(): string;
}

/** Something was passed over. */
export interface BatchFault {
  readonly kind: 'fault';
  /** Of which line, from 1. */
  readonly line: number;
  readonly why: string;
  /** Nothing more comes. */
  readonly end: boolean;
}

export class BatchFoul extends Error {}

const MOST_LINE = 4096;
const MOST_RECIPIENTS = 10_000;
const MOST_FAULTS = 100;
const TRUNCATED = 'the batch ends in the middle of a mail';

export function readBatch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BatchMail | BatchFault> {
  return new BatchReader(chunks).read();
}

/** Said by some, of no meaning here. */
const IDLE_WORDS = ['NOOP', 'VRFY', 'EXPN', 'HELP', 'VERB', 'ONEX', 'TICK', 'XUSR'];

class BatchReader {
  readonly #octets: Octets;
  readonly #hash: Hash = createHash('sha256');
  #lines = 0;
  #faults = 0;
  #mail: MailCommand | null = null;
  #recipients: RcptCommand[] = [];
  /** Why the mail that is being said cannot be taken. */
  #spoilt: string | null = null;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#octets = new Octets(uniform(chunks));
  }

  async *read(): AsyncGenerator<BatchMail | BatchFault> {
    for (;;) {
      const line = await this.#line();
      if (line === null) {
        if (this.#mail) yield this.#fault(TRUNCATED, true);
        return;
      }
      if (line === 'long') {
        this.#spoil('a line is too long');
        yield this.#fault('a line is too long', false);
      } else {
        const step = this.#command(line);
        if (step === 'quit') return;
        if (step === 'data') yield* this.#data();
        else if (step !== null) yield this.#fault(step, false);
      }
      if (this.#faults >= MOST_FAULTS) return void (yield this.#fault('this is no batch', true));
    }
  }

  /** What is wrong with it; null for nothing. */
  #command(line: Buffer): 'data' | 'quit' | (string & {}) | null {
    const parsed = parseCommandLine(line);
    if (parsed.kind === 'bad') return this.#spoil(describe(parsed.reply));
    const { verb, args } = parsed;
    switch (verb) {
      case 'DATA':
      case 'QUIT':
        return verb === 'DATA' ? 'data' : 'quit';
      case 'EHLO':
      case 'HELO':
      case 'RSET':
        this.#reset();
        return null;
      case 'MAIL':
        return this.#mailFrom(args);
      case 'RCPT':
        return this.#rcptTo(args);
      default:
        if (IDLE_WORDS.includes(verb) || verb === '') return null;
        return this.#spoil(`a command that is not known: ${verb.slice(0, 40)}`);
    }
  }

  #mailFrom(args: string): string | null {
    this.#reset();
    const mail = parseMail(args);
    if (mail.kind === 'bad') return this.#spoil(`MAIL ${args.slice(0, 200)}: ${describe(mail.reply)}`);
    this.#mail = mail.command;
    return null;
  }

  /** A recipient that is not well formed costs only itself. */
  #rcptTo(args: string): string | null {
    if (!this.#mail) return this.#spoilt === null ? this.#spoil('RCPT without MAIL') : null;
    const rcpt = parseRcpt(args, this.#mail.smtputf8);
    if (rcpt.kind === 'bad') return `RCPT ${args.slice(0, 200)}: ${describe(rcpt.reply)}`;
    if (this.#recipients.length >= MOST_RECIPIENTS) return this.#spoil('too many recipients');
    this.#recipients.push(rcpt.command);
    return null;
  }

  /** In a batch content follows DATA, whatever came before it. */
  async *#data(): AsyncGenerator<BatchMail | BatchFault> {
    const mail = this.#mail;
    const recipients = this.#recipients;
    const spoilt = this.#spoilt;
    this.#reset();
    const content = new Content(this.#octets, this.#hash);
    if (mail && recipients.length > 0 && spoilt === null) {
      yield {
        kind: 'mail',
        command: mail,
        recipients,
        content: () => content.read(),
        key: () => this.#hash.copy().digest('base64url'),
      };
    } else if (spoilt === null) {
      yield this.#fault(mail ? 'DATA without a recipient' : 'DATA without MAIL', false);
    }
    await content.pass();
    if (content.truncated) yield this.#fault(TRUNCATED, true);
    else if (content.foul) yield this.#fault('a bare CR, a bare LF or a NUL in the content of a mail', false);
  }

  async #line(): Promise<Buffer | 'long' | null> {
    const line = await this.#octets.line(MOST_LINE);
    if (line === null) return null;
    this.#lines++;
    this.#hash.update(line);
    if (line.at(-1) === 0x0a) return line.subarray(0, line.at(-2) === 0x0d ? -2 : -1);
    if (line.length < MOST_LINE) return line;
    for (let more: Buffer | null = line; more !== null && more.at(-1) !== 0x0a; ) {
      more = await this.#octets.line(MOST_LINE);
      if (more) this.#hash.update(more);
    }
    return 'long';
  }

  #reset(): void {
    this.#mail = null;
    this.#recipients = [];
    this.#spoilt = null;
  }

  #spoil(why: string): string {
    this.#spoilt ??= why;
    return why;
  }

  #fault(why: string, end: boolean): BatchFault {
    this.#faults++;
    return { kind: 'fault', line: this.#lines, why, end };
  }
}

class Content {
  readonly #octets: Octets;
  readonly #hash: Hash;
  readonly #decoder = new DataDecoder();
  #ended = false;
  truncated = false;

  constructor(octets: Octets, hash: Hash) {
    this.#octets = octets;
    this.#hash = hash;
  }

  get foul(): boolean {
    return this.#decoder.foul;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    while (!this.#ended) for (const part of await this.#next()) yield part;
    if (this.truncated) throw new BatchFoul(TRUNCATED);
    if (this.foul) throw new BatchFoul('a bare CR, a bare LF or a NUL in the content');
  }

  async pass(): Promise<void> {
    while (!this.#ended) await this.#next();
  }

  async #next(): Promise<Buffer[]> {
    const chunk = await this.#octets.take();
    const parts: Buffer[] = [];
    if (chunk.length === 0) {
      this.#ended = true;
      this.truncated = true;
      return parts;
    }
    const used = this.#decoder.decode(chunk, (part) => void parts.push(part));
    this.#hash.update(used < 0 ? chunk : chunk.subarray(0, used));
    if (used < 0) return parts;
    this.#ended = true;
    if (used < chunk.length) this.#octets.putBack(chunk.subarray(used));
    return parts;
  }
}

/** All lines end in CRLF if the first one does in LF. */
async function* uniform(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const octets = new Octets(chunks);
  const first = await octets.line(MOST_LINE);
  if (first === null) return;
  const convert = first.at(-1) === 0x0a && first.at(-2) !== 0x0d ? new ToCrlf() : null;
  for (let chunk = first; chunk.length > 0; chunk = await octets.take()) {
    yield convert ? convert.convert(chunk) : chunk;
  }
  if (convert) yield convert.end();
}
