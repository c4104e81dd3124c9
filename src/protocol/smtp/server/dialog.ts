/**
 * One SMTP server dialog: reads commands, asks the session, says replies, in order. It knows the
 * wire only as a port, so it plays in memory as well as over a socket.
 *
 * States: greeting → commands ⇄ content (`transfer.ts`) → closed. A command is read only
 * when the one before it is answered; pipelined ones wait in the input, which is bounded by
 * pausing the wire. Replies gather while further input waits and leave in one write
 * (RFC 2920 §3.2). Every wait for the peer has a deadline (RFC 5321 §4.5.3.2).
 *
 * Never: executes after a TLS handshake what was sent before it (RFC 3207 §4.2); takes a line that
 * does not end in CRLF, but for a call (BARE_LF); goes on with a peer that does not read its replies.
 */
import { type Clock, MINUTE } from '../../../base/clock.ts';
import type { Soon } from '../../../base/soon.ts';
import { type Reply, reply } from '../../../mail/reply.ts';
import type { Peer } from '../../engine.ts';
import type { Channel } from '../../sasl.ts';
import type { Manner, Session, Turn } from '../session.ts';
import { Deadline } from './deadline.ts';
import { parseCommandLine } from './grammar.ts';
import { Input, LINE_LIMIT, type Line } from './input.ts';
import { render, replies } from './replies.ts';
import type { ServerOptions } from './server.ts';
import type { Bdat } from './transfer.ts';
import { FORBIDDEN, IDLE, MAIL, type Service } from './verbs/index.ts';
import type { Wire, WireEvents } from './wire.ts';

/** RFC 5321 §4.5.3.2.7: for a whole command line, and for the peer to take our replies. */
export const COMMAND_DEADLINE = 5 * MINUTE;
/** Errors of syntax and sequence in one connection. */
const ERROR_LIMIT = 20;
/** Commands that lead to no mail, between two mails. */
const IDLE_LIMIT = 100;
/** Input that may wait while a command is answered; what the wire reads at once may come on top. */
const INPUT_LIMIT = 64 * 1024;
/** Replies that may wait for the peer to take them. */
const OUTPUT_LIMIT = 64 * 1024;
/** Replies that gather before they are written. */
const BATCH_LIMIT = 8 * 1024;

/** A call by sendmail's own etrn (8.17), whose lines end so. They lead to no mail, so nothing can be smuggled by them. */
const BARE_LF = new Set(['EHLO', 'HELO', 'ETRN', 'QUIT']);

const GREETINGS = { smtp: 'ESMTP Restante', odmr: 'ESMTP Restante, on-demand mail relay' };

/** From an accepted MAIL to the end of its data. */
export interface Transaction {
  readonly smtputf8: boolean;
  /** Accepted ones. */
  recipients: number;
  /** From the first BDAT on. */
  bdat?: Bdat;
}

export class Dialog implements WireEvents {
  readonly options: ServerOptions;
  readonly service: Service;
  session: Session;
  readonly input = new Input();
  readonly clock: Clock;
  manner: Manner = { helo: '', esmtp: false };
  transaction: Transaction | null = null;
  /** Close when everything is said. */
  closing = false;
  /** STARTTLS was answered with 220. */
  upgrading = false;
  /** ATRN was answered with 250: who gets the connection. */
  turned: Turn['take'] | null = null;

  /** May tell us who its client is. What XCLIENT says does not change it. */
  readonly front: boolean;
  /** What XCLIENT said of the client's HELO. */
  #toldHelo: string | undefined;

  #peer: Peer;
  #greeted = false;
  readonly #wire: Wire;
  readonly #deadline: Deadline;
  #out = '';
  #errors = 0;
  #idleCommands = 0;
  #firstInput = true;
  #ended = false;
  #stopping = false;
  #paused = false;
  #waiting: { readonly for: 'command' | 'content' | 'drain'; readonly wake: (go: boolean) => void } | null =
    null;

  constructor(options: ServerOptions, peer: Peer, wire: (events: WireEvents) => Wire) {
    this.options = options;
    this.service = options.service ?? MAIL;
    this.clock = options.clock;
    this.#peer = peer;
    this.front = options.isFront?.(peer.address) ?? false;
    this.session = options.openSession(peer);
    this.#deadline = new Deadline(options.clock, () => this.#timeout());
    this.#wire = wire(this);
  }

  /** Plays the whole dialog. Resolves when it is over; never rejects. */
  async run(): Promise<void> {
    try {
      await this.#greet();
      await this.#commands();
    } catch (fault) {
      this.#broke(fault);
      this.say(replies.fault);
    }
    this.flush();
    this.#deadline.close();
    this.#wire.end();
    try {
      this.dropTransaction();
      this.session.closed();
    } catch (fault) {
      this.#broke(fault);
    }
  }

  #broke(fault: unknown): void {
    const why = fault instanceof Error ? fault.stack : String(fault);
    this.options.log.error('smtp dialog broke', { peer: this.#peer.address, why });
  }

  /** Ends in order: at once if no mail is under way, else after that mail. */
  stop(): void {
    this.#stopping = true;
    if (this.#waiting?.for === 'command' && !this.transaction) this.#closeWith(replies.stopping);
  }

  /** Cuts it off. `run` ends as soon as the session lets it. */
  destroy(): void {
    this.#wire.destroy();
  }

  /** What the answer of an authenticator may depend on. */
  get channel(): Channel {
    return { address: this.#peer.address, tls: this.manner.tls !== undefined };
  }

  get peer(): Peer {
    return this.#peer;
  }

  /** The name that counts as the client's, where EHLO says `name`. */
  helloOf(name: string): string {
    return this.#toldHelo ?? name;
  }

  /** XCLIENT: the dialog begins again, with another peer in the same connection. Its greeting, or a refusal. */
  async become(peer: Peer, helo?: string): Promise<Reply> {
    const next = this.options.openSession(peer);
    this.dropTransaction();
    this.session.closed();
    this.session = next;
    this.#peer = peer;
    this.#toldHelo = helo;
    const { tls } = this.manner;
    this.manner = { helo: '', esmtp: false, ...(tls && { tls }) };
    const refusal = await next.connect();
    this.closing = refusal !== null;
    return refusal ?? this.#greeting();
  }

  #greeting(): Reply {
    return reply(220, undefined, `${this.options.hostname} ${GREETINGS[this.service.name]}`);
  }

  say(r: Reply): void {
    this.#out += render(r);
  }

  /** RFC 4954 §4: asks within AUTH, in base64, and waits for the line that answers. Undefined: the dialog is over. */
  challenge(data: Uint8Array, limit: number): Soon<Line | undefined> {
    this.#out += `334 ${Buffer.from(data).toString('base64')}\r\n`;
    return this.#nextLine(limit);
  }

  /** For what the peer did wrong by the protocol; too many of these end the connection. */
  error(r: Reply): Reply {
    this.#errors++;
    return r;
  }

  flush(): void {
    if (this.#out === '') return;
    this.#wire.write(this.#out);
    this.#out = '';
  }

  /** Waits for content until `due` (monotonic). False: the dialog is over. */
  moreContent(due: number): Promise<boolean> {
    return this.#wait('content', due);
  }

  /** A mail came to its end of data. */
  finishTransaction(): void {
    this.transaction = null;
    if (this.manner.forwarded) this.forget();
    this.#idleCommands = 0;
  }

  /** XFORWARD speaks of one mail. */
  forget(): void {
    const { forwarded: _, ...manner } = this.manner;
    this.manner = manner;
  }

  /** The transaction, if any, ends without a mail. */
  dropTransaction(): void {
    if (this.manner.forwarded) this.forget();
    if (!this.transaction) return;
    this.transaction.bdat?.abort();
    this.transaction = null;
    this.session.reset();
  }

  onInput(chunk: Buffer): void {
    this.input.push(chunk);
    // RFC 5321 §4.3.1: the client waits for the greeting.
    if (!this.#greeted) this.session.early?.();
    if (this.#waiting && this.#waiting.for !== 'drain') this.#wake(true);
    else if (!this.#paused && this.input.size > INPUT_LIMIT) {
      this.#paused = true;
      this.#wire.pause();
    }
  }

  onDrained(): void {
    if (this.#waiting?.for === 'drain') this.#wake(true);
  }

  onEnded(): void {
    this.#ended = true;
    this.#wake(false);
  }

  async #greet(): Promise<void> {
    const answer = this.session.connect();
    const refusal = answer instanceof Promise ? await answer : answer;
    this.#greeted = true;
    this.say(refusal ?? (this.#stopping ? replies.stopping : this.#greeting()));
    this.closing = refusal !== null || this.#stopping;
  }

  /** Each command from its line to its reply, until the dialog is over. Waits only where there is something to wait for. */
  async #commands(): Promise<void> {
    for (let line = this.#nextLine(); ; line = this.#nextLine()) {
      const got = line instanceof Promise ? await line : line;
      if (!got) return;
      const answer = this.#answer(got);
      const goOn = this.#answered(answer instanceof Promise ? await answer : answer);
      if (!(goOn instanceof Promise ? await goOn : goOn)) return;
    }
  }

  /** False: the dialog is over. */
  #answered(answer: Reply | null): Soon<boolean> {
    if (answer) this.say(answer);
    // RFC 5321 §3.8: 421 is the last word, also when it is the session's.
    if (this.closing || answer?.code === 421) return false;
    if (this.upgrading) return this.#upgrade();
    if (this.turned) return this.#turn(this.turned);
    if (this.#errors >= ERROR_LIMIT) this.#closeWith(replies.tooManyErrors);
    else if (this.#idleCommands >= IDLE_LIMIT) this.#closeWith(replies.tooManyIdle);
    else if (this.#stopping && !this.transaction) this.#closeWith(replies.stopping);
    if (this.#out.length > BATCH_LIMIT) this.flush();
    if (this.#wire.backlog > OUTPUT_LIMIT) return this.#drained();
    return true;
  }

  /** Undefined: the dialog is over. */
  #nextLine(limit = LINE_LIMIT): Soon<Line | undefined> {
    return this.closing ? undefined : (this.#line(limit) ?? this.#awaitLine(limit));
  }

  async #awaitLine(limit: number): Promise<Line | undefined> {
    // For the whole line, so that dribbling octets gains nothing.
    const due = this.clock.monotonic() + COMMAND_DEADLINE;
    while (!this.closing && (await this.#wait('command', due))) {
      const line = this.#line(limit);
      if (line) return line;
    }
    return undefined;
  }

  #line(limit: number): Line | undefined {
    if (this.#firstInput && this.input.size > 0) {
      this.#firstInput = false;
      // A TLS handshake or other noise is not answered with a lesson in SMTP.
      const letter = this.input.peek() | 0x20;
      if (letter < 0x61 || letter > 0x7a) {
        this.#closeWith(replies.notSmtp);
        return undefined;
      }
    }
    return this.input.line(limit);
  }

  #answer(line: Line): Soon<Reply | null> {
    if (line.kind === 'bad line' && line.why === 'too long') return this.error(replies.tooLong);
    const command = parseCommandLine(line.bytes);
    if (line.kind === 'bad line' && !(command.kind === 'command' && BARE_LF.has(command.verb)))
      return this.error(replies.bareLf);
    if (command.kind === 'bad') return this.error(command.reply);
    // HTTP, or a header: somebody's browser or relay was made to speak to us.
    if (FORBIDDEN.has(command.verb) || command.verb.endsWith(':')) {
      this.closing = true;
      return replies.notSmtp;
    }
    const verb = this.service.verbs.get(command.verb);
    if (!verb) return this.error(replies.unknown);
    if (IDLE.has(command.verb)) this.#idleCommands++;
    return verb(this, command.args);
  }

  async #upgrade(): Promise<boolean> {
    this.upgrading = false;
    this.flush();
    this.input.clear();
    const tls = await this.#wire.startTls();
    if (!tls) return false;
    // RFC 3207 §4.2: all that was learnt before is forgotten.
    this.manner = { helo: '', esmtp: false, tls };
    return true;
  }

  /** RFC 2645 §5.3: the connection is another's from here on; false, since this dialog is over with it. */
  async #turn(take: Turn['take']): Promise<false> {
    this.flush();
    this.#deadline.close();
    const stream = this.#ended ? null : await this.#wire.release(this.input.takeAll());
    await take(stream);
    return false;
  }

  #drained(): Promise<boolean> {
    return this.#wait('drain', this.clock.monotonic() + COMMAND_DEADLINE);
  }

  #wait(what: 'command' | 'content' | 'drain', due: number): Promise<boolean> {
    this.flush();
    if (this.#ended) return Promise.resolve(false);
    if (this.#paused && what !== 'drain') {
      this.#paused = false;
      this.#wire.resume();
    }
    this.#deadline.set(due);
    return new Promise((wake) => {
      this.#waiting = { for: what, wake };
    });
  }

  #wake(go: boolean): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = null;
    this.#deadline.clear();
    waiting.wake(go);
  }

  #timeout(): void {
    // A peer that takes no replies would not take this one.
    if (this.#waiting?.for === 'drain') this.#wire.destroy();
    else this.#closeWith(replies.timeout);
  }

  #closeWith(r: Reply): void {
    this.say(r);
    this.closing = true;
    this.#wake(false);
  }
}
