/**
 * A dialog with a filter, as client: the steps of a mail in their order, each answered or not as was agreed on.
 * It keeps no order itself (whoever uses it follows SMTP's), decides nothing, and makes no change.
 *
 * Promises: each wait has its deadline, which progress moves, but not beyond LONGEST_WORK; what a filter asks for
 * at the end of the body is bounded; after anything odd it is lost, since nobody knows what the filter thinks.
 */
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, MINUTE, SECOND } from '../../base/clock.ts';
import { type Change, type Decision, decodeAnswer } from './answer.ts';
import { COMMAND, type Step } from './codes.ts';
import { agree, type Options, offer } from './options.ts';
import { cString, encodePacket, type Part } from './packet.ts';
import { MilterWire } from './wire.ts';

export interface Deadlines {
  /** Milliseconds for the answer to a step. */
  readonly command: number;
  /** For that to the end of the body, and for what is written to be read. */
  readonly content: number;
}

export interface Lost {
  readonly kind: 'lost';
  readonly why: string;
}
export type Said = Decision | Lost;

/** Names and values; a name of more than one letter stands in braces. */
export type Macros = readonly (readonly [name: string, value: string])[];

/** The answer to the end of the body, and what the filter asked for before it; null: there was no room to keep that. */
export interface Verdict {
  readonly said: Said;
  readonly changes: readonly Change[] | null;
}

/** How much of another body is kept. */
export interface BodyRoom {
  /** Octets of one mail: a filter that writes more is mad. */
  readonly most: number;
  /** Takes so many octets out of what all mails have together; false: there are not as many. */
  take(octets: number): boolean;
}

/** However often it says that it is at work: a sender gives up after 10 minutes (RFC 5321 §4.5.3.2.6), and would send it again. */
const LONGEST_WORK = 9 * MINUTE;
/** Changes of one mail, but for the pieces of its body. */
const MOST_CHANGES = 2000;
/** What a piece of a body counts for, if it is smaller. */
const LEAST_CHUNK = 64;
/** Octets of changes. */
const MOST_OCTETS = 2 * 1024 * 1024;
/** For a last word to leave. */
const GOODBYE = 5 * SECOND;
const CONTINUE: Decision = { kind: 'continue' };

export class MilterClient {
  readonly options: Options;
  readonly #wire: MilterWire;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  /** The filter wants no more of this kind. */
  #skipped: Step | null = null;

  private constructor(wire: MilterWire, options: Options, deadlines: Deadlines, clock: Clock) {
    this.#wire = wire;
    this.options = options;
    this.#deadlines = deadlines;
    this.#clock = clock;
  }

  /** Negotiates. A sentence, if it came to nothing; the socket is gone then. */
  static async open(socket: Duplex, deadlines: Deadlines, clock: Clock): Promise<MilterClient | string> {
    const wire = new MilterWire(socket, clock);
    wire.write([offer()]);
    const packet = await wire.next(deadlines.command);
    const options = packet ? agree(packet) : (wire.lost ?? 'lost');
    if (typeof options !== 'string') return new MilterClient(wire, options, deadlines, clock);
    wire.lose(options);
    return options;
  }

  get lost(): string | null {
    return this.#wire.lost;
  }

  /** `name`: verified; without one the address stands in brackets. */
  connect(client: { name?: string; address: string; port: number }, macros: Macros): Promise<Said> {
    const { name, address, port } = client;
    const family = Buffer.from([isIPv6(address) ? 0x36 : 0x34, port >> 8, port & 0xff]);
    return this.#tell('connect', macros, [name ?? `[${address}]`, family, address]);
  }

  helo(name: string, macros: Macros): Promise<Said> {
    return this.#tell('helo', macros, [name]);
  }

  /** `sender` without its brackets; `parameters` as ESMTP has them. */
  mail(sender: string, parameters: readonly string[], macros: Macros): Promise<Said> {
    return this.#tell('mail', macros, [`<${sender}>`, ...parameters]);
  }

  rcpt(recipient: string, parameters: readonly string[], macros: Macros): Promise<Said> {
    return this.#tell('rcpt', macros, [`<${recipient}>`, ...parameters]);
  }

  data(macros: Macros): Promise<Said> {
    return this.#tell('data', macros, []);
  }

  /** `value`: what is behind the colon, lines ended by LF alone, as sendmail has it. */
  header(name: string, value: Buffer, macros: Macros): Promise<Said> {
    const text = !this.options.leadingSpace && value[0] === 0x20 ? value.subarray(1) : value;
    return this.#tell('header', macros, [name, text, Buffer.from([0])]);
  }

  endOfHeader(macros: Macros): Promise<Said> {
    return this.#tell('endOfHeader', macros, []);
  }

  /** At most CHUNK octets. */
  body(chunk: Uint8Array): Promise<Said> {
    return this.#tell('body', [], [chunk]);
  }

  async endOfBody(macros: Macros, room: BodyRoom): Promise<Verdict> {
    if (this.#isSilent()) return { said: this.#loss(), changes: [] };
    this.#write('endOfBody', macros, []);
    const asked = new Asked(room);
    const said = await this.#answer('endOfBody', (change) => asked.add(change));
    return said.kind === 'lost' ? { said, changes: [] } : { said, changes: asked.changes() };
  }

  /** The mail came to nothing, or the filter is done with it. Has no answer. */
  abort(): void {
    // What it still says of this mail could not be told from what it says of the next.
    if (this.#wire.isWaiting) this.#wire.lose('given up');
    if (this.#isSilent()) return;
    this.#skipped = null;
    this.#wire.write([encodePacket(COMMAND.abort)]);
  }

  /** The SMTP connection is over, and so is this one. */
  quit(): void {
    this.#wire.end(encodePacket(COMMAND.quit), GOODBYE);
  }

  /** The SMTP connection is over; another may follow on this one. False: not with this filter. */
  quitAndGoOn(): boolean {
    if (this.#wire.isWaiting) this.#wire.lose('given up');
    if (this.options.version < 6 || this.#isSilent()) return false;
    this.#skipped = null;
    this.#wire.write([encodePacket(COMMAND.quitAndGoOn)]);
    return true;
  }

  /** Ends it without a word. */
  drop(why: string): void {
    this.#wire.lose(why);
  }

  async #tell(step: Step, macros: Macros, parts: readonly Part[]): Promise<Said> {
    if (this.#isSilent()) return this.#loss();
    if (this.#skipped === step) return CONTINUE;
    this.#skipped = null;
    const { wants, answers } = this.options;
    if (!wants(step)) {
      if (macros.length > 0) this.#wire.write([macroPacket(step, macros)]);
      return CONTINUE;
    }
    this.#write(step, macros, parts);
    if (!answers(step)) {
      await this.#wire.drained(this.#deadlines.content);
      return this.#wire.lost === null ? CONTINUE : this.#loss();
    }
    const said = await this.#answer(step);
    if (said.kind === 'skip') this.#skipped = step;
    return said;
  }

  #write(step: Step, macros: Macros, parts: readonly Part[]): void {
    const command = encodePacket(COMMAND[step], ...parts);
    this.#wire.write(macros.length > 0 ? [macroPacket(step, macros), command] : [command]);
  }

  /** Reads until something is decided. `change`: says what is wrong with a change. */
  async #answer(step: Step, change?: (change: Change) => string | undefined): Promise<Said> {
    const ms = step === 'endOfBody' ? this.#deadlines.content : this.#deadlines.command;
    const last = this.#clock.monotonic() + Math.max(ms, LONGEST_WORK);
    for (;;) {
      const left = last - this.#clock.monotonic();
      const packet = left > 0 ? await this.#wire.next(Math.min(ms, left)) : null;
      if (!packet) return this.#loss('it is at work for too long');
      const answer = decodeAnswer(packet);
      if (typeof answer === 'string') return this.#loss(`it answered ${answer}`);
      switch (answer.kind) {
        case 'progress':
          break;
        case 'continue':
        case 'accept':
        case 'reject':
        case 'tempfail':
        case 'discard':
        case 'skip':
        case 'shutdown':
        case 'reply':
          return answer;
        default: {
          const wrong = change ? change(answer) : `it asked to ${answer.kind} before the end of the body`;
          if (wrong !== undefined) return this.#loss(wrong);
        }
      }
    }
  }

  /** True: nothing can be told any more. What a filter says out of turn would be taken for an answer. */
  #isSilent(): boolean {
    if (this.#wire.hasUnread) this.#wire.lose('it spoke out of turn');
    return this.#wire.lost !== null;
  }

  #loss(why = 'lost'): Lost {
    this.#wire.lose(why);
    return { kind: 'lost', why: this.#wire.lost ?? why };
  }
}

const macroPacket = (step: Step, macros: Macros): Buffer =>
  encodePacket(COMMAND.macro, Buffer.from(COMMAND[step], 'latin1'), ...macros.flat().map(cString));

/** What a filter has asked for so far, within bounds. */
class Asked {
  #changes: Change[] | null = [];
  readonly #room: BodyRoom;
  #small = 0;
  #octets = 0;
  #body = 0;

  constructor(room: BodyRoom) {
    this.#room = room;
  }

  changes(): readonly Change[] | null {
    return this.#changes;
  }

  add(change: Change): string | undefined {
    if (change.kind === 'replace body') {
      const { most } = this.#room;
      const octets = Math.max(change.chunk.length, LEAST_CHUNK);
      this.#body += octets;
      if (this.#body > most) return `a new body of more than ${most} octets`;
      // That there is no room is not the filter's fault: it is heard to its end, and nothing of it is kept.
      if (this.#changes && !this.#room.take(octets)) this.#changes = null;
      this.#changes?.push(change);
      return undefined;
    }
    this.#changes?.push(change);
    this.#octets += 'value' in change ? change.name.length + change.value.length : 0;
    if (++this.#small > MOST_CHANGES || this.#octets > MOST_OCTETS) return 'more changes than can be';
    return undefined;
  }
}
