/**
 * A conversation with a server, below commands: replies are matched to what they answer, in order;
 * each wait has its deadline; octets written in one turn of the loop leave in one write.
 *
 * Promises: every `expect` is called back exactly once, with a reply or with how the conversation was
 * lost; one timer a connection. It never throws and never waits without a deadline.
 * A 421 ends the conversation wherever it comes (RFC 5321 §3.8, §4.2.3).
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../../base/clock.ts';
import { describe, type Reply } from '../../../mail/reply.ts';
import { ReplyParser } from './reply.ts';

/** The conversation is over, and this is how it ended. */
export interface Lost {
  readonly lost: 'closed' | 'timeout' | 'garbage' | 'bye' | 'destroyed';
  /** For people. */
  readonly text: string;
  /** The 421. */
  readonly reply?: Reply;
  /** No reply was awaited: it ended between two mails. */
  readonly idle?: true;
}

export type Heard = Reply | Lost;
export const isLost = (heard: Heard): heard is Lost => 'lost' in heard;

interface Expectation {
  /** Null: no deadline yet; see `due`. */
  ms: number | null;
  readonly heard: (heard: Heard) => void;
}

/** What may wait in the socket before `drained` makes the writer wait. */
const HIGH_WATER = 256 * 1024;

export class Wire {
  #socket: Duplex;
  readonly #clock: Clock;
  #parser = new ReplyParser();
  readonly #expected: Expectation[] = [];
  #timer: Timer | null = null;
  #firesAt = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #out: Uint8Array[] = [];
  #outSize = 0;
  #flushing = false;
  #lost: Lost | null = null;

  constructor(socket: Duplex, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listen();
  }

  get lost(): Lost | null {
    return this.#lost;
  }

  get socket(): Duplex {
    return this.#socket;
  }

  /** Replies that are still to come. */
  get expecting(): number {
    return this.#expected.length;
  }

  /** The next reply that nothing else waits for is for `heard`. `ms` counts from when its turn comes. */
  expect(ms: number | null, heard: (heard: Heard) => void): void {
    if (this.#lost) {
      heard(this.#lost);
      return;
    }
    this.#expected.push({ ms, heard });
    if (this.#expected.length === 1) this.#restart();
  }

  /** The deadline of the last expectation begins now (after a content of unknown duration). */
  due(ms: number): void {
    const last = this.#expected.at(-1);
    if (last) last.ms = ms;
    if (this.#expected.length === 1) this.#restart();
  }

  /** A command, without its CRLF. */
  command(line: string): void {
    this.write(Buffer.from(`${line}\r\n`));
  }

  /** Leaves with all that is written in this turn of the loop. `octets` may not be changed afterwards. */
  write(octets: Uint8Array): void {
    if (this.#lost) return;
    this.#out.push(octets);
    this.#outSize += octets.length;
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => this.#flush());
  }

  /** Back-pressure: undefined, or a promise that waits (at most `ms`) until the peer has read. */
  drained(ms: number): Promise<void> | undefined {
    if (this.#lost) return undefined;
    if (this.#outSize + this.#socket.writableLength < HIGH_WATER) return undefined;
    this.#flush();
    if (!this.#socket.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      const timer = this.#clock.after(ms, () => {
        this.lose({ lost: 'timeout', text: 'timed out while sending' });
        done();
      });
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  /** Goes on over another socket (TLS over this one). What was not yet answered in clear is a fault of the peer. */
  replace(socket: Duplex): void {
    this.#unlisten();
    this.#parser = new ReplyParser();
    this.#socket = socket;
    this.#listen();
  }

  /** Stops reading, so that another may read the socket. False: the peer said more than it was asked. */
  handOver(): boolean {
    const clean = !this.#parser.inside && this.#expected.length === 0 && !this.#lost;
    this.#unlisten();
    return clean;
  }

  lose(how: Lost): void {
    if (this.#lost) return;
    this.#lost = this.#expected.length === 0 ? { ...how, idle: true } : how;
    this.#timer?.cancel();
    this.#timer = null;
    this.#out = [];
    this.#socket.destroy();
    for (const { heard } of this.#expected.splice(0)) heard(this.#lost);
  }

  /** Ends in order; the peer has said its last. */
  end(): void {
    this.lose({ lost: 'closed', text: 'closed' });
  }

  readonly #onData = (chunk: Buffer): void => {
    const wrong = this.#parser.push(chunk, (reply) => this.#reply(reply));
    if (wrong) this.lose({ lost: 'garbage', text: wrong });
  };
  readonly #onError = (e: Error): void => this.lose({ lost: 'closed', text: e.message });
  readonly #onEnd = (): void => this.lose({ lost: 'closed', text: 'connection closed by the peer' });

  #listen(): void {
    this.#socket.on('data', this.#onData);
    this.#socket.on('error', this.#onError);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onEnd);
  }

  #unlisten(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    // The error handler stays: an unheard 'error' would end the process.
  }

  #reply(reply: Reply): void {
    if (this.#lost) return;
    const head = reply.code === 421 ? undefined : this.#expected.shift();
    if (head) {
      this.#restart();
      head.heard(reply);
    } else if (reply.code === 421) {
      this.lose({ lost: 'bye', text: describe(reply), reply });
    } else {
      this.lose({ lost: 'garbage', text: `a reply to nothing: ${describe(reply)}` });
    }
  }

  /** The deadline is that of the reply whose turn it is. The timer is moved only when it would fire too late. */
  #restart(): void {
    const ms = this.#expected[0]?.ms ?? null;
    this.#deadline = ms === null ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + ms;
    if (ms !== null && (this.#timer === null || this.#deadline < this.#firesAt)) this.#arm(ms);
  }

  #arm(ms: number): void {
    this.#timer?.cancel();
    this.#firesAt = this.#clock.monotonic() + ms;
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = null;
      const left = this.#deadline - this.#clock.monotonic();
      if (left <= 0) this.lose({ lost: 'timeout', text: 'timed out waiting for a reply' });
      else if (left !== Number.POSITIVE_INFINITY) this.#arm(left);
    });
  }

  #flush(): void {
    this.#flushing = false;
    const out = this.#out;
    if (this.#lost || out.length === 0) return;
    this.#out = [];
    this.#outSize = 0;
    // One system call for all of them; putting them together first costs more.
    this.#socket.cork();
    for (const octets of out) this.#socket.write(octets);
    this.#socket.uncork();
  }
}
