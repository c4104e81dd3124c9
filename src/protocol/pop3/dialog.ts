/**
 * One POP3 server dialog: reads commands, answers them in order, holds the state. It knows the wire
 * only as a port, so it plays in memory as well as over a socket.
 *
 *   authorization ──login──▶ transaction ──QUIT──▶ update ──▶ closed
 *
 * A command is read only when the one before it is answered; pipelined ones wait in the input, which is
 * bounded by pausing the wire. Replies gather while further input waits and leave in one write
 * (RFC 2449 §6.6). Whatever ends the dialog otherwise than by QUIT deletes nothing (RFC 1939 §3, §6).
 *
 * Never: executes after a TLS handshake what was sent before it (RFC 2595 §4); goes on with a peer that
 * does not take its replies; logs what was said in the authorization state.
 */
import { type Clock, MINUTE, SECOND } from '../../base/clock.ts';
import type { Peer } from '../engine.ts';
import type { Channel } from '../sasl.ts';
import { Deadline } from '../smtp/server/deadline.ts';
import { Input, type Line } from '../smtp/server/input.ts';
import type { Wire, WireEvents } from '../smtp/server/wire.ts';
import type { Messages } from './messages.ts';
import { ok, replies } from './replies.ts';
import type { ServerOptions } from './server.ts';
import { verbs } from './verbs.ts';

/** RFC 1939 §3: at least ten minutes, and nothing is said when they are over. */
export const IDLE_DEADLINE = 10 * MINUTE;
/** Once the mail was taken back others wait for it: how long a peer may be silent then, and all may last. */
export const TAKEN_DEADLINE = 10 * SECOND;
const TAKEN_LAST = MINUTE;
/** Errors of syntax and sequence in one connection. */
const ERROR_LIMIT = 20;
/** Commands of a peer that has not said who it is. */
const UNKNOWN_PEER_LIMIT = 50;
/** Input that may wait while a command is answered; what the wire reads at once may come on top. */
const INPUT_LIMIT = 64 * 1024;
/** What may wait for the peer to take it, before we make more. */
const OUTPUT_LIMIT = 64 * 1024;
/** What gathers before it is written. */
const BATCH_LIMIT = 16 * 1024;

export type State =
  | { readonly kind: 'authorization' }
  | { readonly kind: 'transaction'; readonly messages: Messages }
  | { readonly kind: 'update'; readonly messages: Messages };

const NEXT: Readonly<Record<State['kind'], State['kind'] | null>> = {
  authorization: 'transaction',
  transaction: 'update',
  update: null,
};

export class Dialog implements WireEvents {
  readonly options: ServerOptions;
  /** The name that USER gave. */
  user: string | null = null;
  /** Failed logins. */
  failures = 0;
  /** Close when everything is said. */
  closing = false;
  /** STLS was answered. */
  upgrading = false;

  readonly #clock: Clock;
  readonly #peer: Peer;
  readonly #wire: Wire;
  readonly #input = new Input();
  readonly #deadline: Deadline;
  #state: State = { kind: 'authorization' };
  #tls = false;
  #out: (string | Uint8Array)[] = [];
  #gathered = 0;
  #errors = 0;
  #commands = 0;
  #ended = false;
  #stopping = false;
  /** When it has to be over at last, by the monotonic clock: the mail was taken back. */
  #last = Number.POSITIVE_INFINITY;
  #paused = false;
  #waiting: { readonly for: 'line' | 'drain'; readonly wake: (go: boolean) => void } | null = null;

  constructor(options: ServerOptions, peer: Peer, wire: (events: WireEvents) => Wire) {
    this.options = options;
    this.#clock = options.clock;
    this.#peer = peer;
    this.#deadline = new Deadline(options.clock, () => this.#timeout());
    this.#wire = wire(this);
  }

  get state(): State {
    return this.#state;
  }

  get channel(): Channel {
    return { address: this.#peer.address, tls: this.#tls };
  }

  get offersTls(): boolean {
    return this.options.tls !== undefined && !this.#tls;
  }

  /** USER and PASS show the password to the line exactly as PLAIN does. */
  get takesPasswords(): boolean {
    return this.options.authenticator.mechanisms(this.channel).includes('PLAIN');
  }

  get reachesPeer(): boolean {
    return this.#wire.open;
  }

  /** The only place where the state changes. */
  enter(state: State): void {
    if (NEXT[this.#state.kind] !== state.kind) throw new Error(`${state.kind} after ${this.#state.kind}`);
    this.#state = state;
    if (state.kind !== 'transaction') return;
    const { taken } = state.messages.drop;
    taken.addEventListener('abort', () => this.#takenBack(), { once: true });
    if (taken.aborted) this.#takenBack();
  }

  /** Plays the whole dialog. Resolves when it is over and the mailbox free; never rejects. */
  async run(tls: boolean): Promise<void> {
    try {
      if (!tls || (await this.#upgrade())) {
        this.say(ok(`${this.options.hostname} POP3 Restante`));
        while (!this.closing && (await this.#command()));
      }
    } catch (fault) {
      this.#broke(fault);
      this.say(replies.fault);
    }
    this.flush();
    this.#deadline.close();
    this.#wire.end();
    if (this.#state.kind !== 'authorization') {
      await this.#state.messages.drop.release().catch((fault: unknown) => this.#broke(fault));
    }
  }

  /** Ends in order: at once if nothing is being answered, else after that. */
  stop(): void {
    this.#stopping = true;
    if (this.#waiting?.for === 'line') this.#closeWith(replies.stopping);
  }

  /** Cuts it off. */
  destroy(): void {
    this.#wire.destroy();
  }

  say(octets: string | Uint8Array): void {
    this.#out.push(octets);
    this.#gathered += octets.length;
  }

  /** A command that is wrong by the protocol; too many of these end the connection. */
  wrong(reply: string = replies.arguments): string {
    this.#errors++;
    return reply;
  }

  flush(): void {
    const parts = this.#out;
    if (parts.length === 0) return;
    this.#out = [];
    const together = this.#gathered <= OUTPUT_LIMIT;
    this.#gathered = 0;
    if (!together) for (const part of parts) this.#wire.write(part);
    else {
      this.#wire.write(
        Buffer.concat(parts.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') : p))),
      );
    }
  }

  /** Back-pressure: resolves when more may be said. False: the peer is gone, or takes nothing. */
  written(): Promise<boolean> | boolean {
    if (this.#gathered > BATCH_LIMIT) this.flush();
    if (!this.#wire.open) return false;
    return this.#wire.backlog <= OUTPUT_LIMIT || this.#wait('drain', this.#due());
  }

  /** The next line; undefined: the dialog is over. */
  async line(): Promise<Line | undefined> {
    const here = this.#input.line();
    if (here) return here;
    // For the whole line, so that dribbling octets gains nothing.
    const due = this.#due();
    while (!this.closing && (await this.#wait('line', due))) {
      const line = this.#input.line();
      if (line) return line;
    }
    return undefined;
  }

  onInput(chunk: Buffer): void {
    this.#input.push(chunk);
    if (this.#waiting?.for === 'line') this.#wake(true);
    else if (!this.#paused && this.#input.size > INPUT_LIMIT) {
      this.#paused = true;
      this.#wire.pause();
    }
  }

  onDrained(): void {
    if (this.#waiting?.for === 'drain') this.#wake(true);
  }

  onEnded(): void {
    this.#ended = true;
    // A peer that sends no more may still read what it asked for.
    if (this.#waiting?.for === 'line' || !this.#wire.open) this.#wake(false);
  }

  /** One command from its line to its reply. False: the dialog is over. */
  async #command(): Promise<boolean> {
    const line = await this.line();
    if (!line) return false;
    const answer = await this.#answer(line);
    if (answer !== null) this.say(answer);
    if (this.closing) return false;
    if (this.upgrading) return this.#upgrade();
    if (this.#hasLostPatience()) this.#closeWith(replies.tooManyErrors);
    else if (this.#stopping) this.#closeWith(replies.stopping);
    return !this.closing && (await this.written());
  }

  #hasLostPatience(): boolean {
    const unknown = this.#state.kind === 'authorization' && ++this.#commands >= UNKNOWN_PEER_LIMIT;
    return unknown || this.#errors >= ERROR_LIMIT;
  }

  #answer(line: Line): string | null | Promise<string | null> {
    if (line.kind === 'bad line')
      return this.wrong(line.why === 'bare LF' ? replies.bareLf : replies.tooLong);
    const text = line.bytes.toString('utf8');
    const space = text.indexOf(' ');
    const name = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const args = space < 0 ? '' : text.slice(space + 1);
    const entry = verbs.get(name);
    if (!entry) return this.wrong(replies.unknown);
    if (!entry.states.includes(this.#state.kind)) return this.wrong(replies.notNow);
    // RFC 1939 §7, PASS: spaces may be part of the password.
    return entry.verb(this, name === 'PASS' ? args : args.trimEnd());
  }

  async #upgrade(): Promise<boolean> {
    this.upgrading = false;
    this.flush();
    this.#input.clear();
    const facts = await this.#wire.startTls();
    // RFC 2595 §4: what was learnt before is forgotten.
    this.user = null;
    this.#tls = facts !== null;
    return this.#tls;
  }

  /** Who is about to say QUIT may say it; who is silent is not waited for. */
  #takenBack(): void {
    this.#last = this.#clock.monotonic() + TAKEN_LAST;
    if (this.#waiting) this.#deadline.set(this.#due());
  }

  get #isTaken(): boolean {
    return this.#last !== Number.POSITIVE_INFINITY;
  }

  #due(): number {
    const silence = this.#isTaken ? TAKEN_DEADLINE : IDLE_DEADLINE;
    return Math.min(this.#clock.monotonic() + silence, this.#last);
  }

  #wait(what: 'line' | 'drain', due: number): Promise<boolean> {
    this.flush();
    if (what === 'line' && this.#ended) return Promise.resolve(false);
    if (this.#paused && what === 'line') {
      this.#paused = false;
      this.#wire.resume();
    }
    this.#deadline.set(Math.min(due, this.#last));
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
    this.closing = true;
    // A peer that takes nothing would not take a word either.
    if (this.#waiting?.for === 'drain') this.#wire.destroy();
    // RFC 1939 §3: a silent one is left without a word; but this is not its silence alone.
    else if (this.#isTaken) this.say(replies.taken);
    this.#wake(false);
  }

  #closeWith(reply: string): void {
    this.say(reply);
    this.closing = true;
    this.#wake(false);
  }

  #broke(fault: unknown): void {
    const why = fault instanceof Error ? fault.stack : String(fault);
    this.options.log.error('pop3 dialog broke', { peer: this.#peer.address, why });
  }
}
