/**
 * One configured filter: connections to it, their number, and whether it is asked at all for the moment.
 *
 * Promises: a filter that is down costs each mail nothing but the first few: after a connection that failed, or
 * three conversations in a row that did, nobody asks it for REST milliseconds. `open` always ends by its deadlines.
 */
import type { Duplex } from 'node:stream';
import { type Clock, SECOND, type Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { MilterRule } from '../../config/milter-schema.ts';
import { Limit } from '../../primary/limit.ts';
import { MilterClient } from '../../protocol/milter/client.ts';

/** The socket, or why there is none. */
export type Dial = (to: MilterRule['at'], ms: number) => Promise<Duplex | string>;

export interface FilterParts {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

const REST = 10 * SECOND;
/** One conversation that fails may be the mail's fault; so many in a row are not. */
const BEAR = 3;
/** Connections that wait for another session, and for how long. */
const MOST_IDLE = 8;
const IDLE = 30 * SECOND;

/** A connection to it, in use. */
export interface Line {
  readonly client: MilterClient;
  readonly free: () => void;
}

interface Idle extends Line {
  readonly timer: Timer;
}

export class Filter {
  readonly rule: MilterRule;
  readonly #parts: FilterParts;
  readonly #limit = new Limit();
  #idle: Idle[] = [];
  #failures = 0;
  #rests = Number.NEGATIVE_INFINITY;
  #trouble = '';
  #closed = false;

  constructor(rule: MilterRule, parts: FilterParts) {
    this.rule = rule;
    this.#parts = parts;
  }

  /** A sentence, if it cannot be asked now. */
  async open(): Promise<Line | string> {
    if (this.#parts.clock.monotonic() < this.#rests) return `not asked for a moment: ${this.#trouble}`;
    const idle = this.#takeIdle();
    if (idle) return idle;
    const free = await this.#place();
    if (!free) return 'all its connections are in use';
    const client = await this.#connect();
    if (typeof client !== 'string') return { client, free };
    free();
    this.#rest(client);
    return client;
  }

  /** The SMTP session is over; the connection may serve another one. */
  close({ client, free }: Line): void {
    const keep = this.rule.reuse && !this.#closed && this.#idle.length < MOST_IDLE;
    if (!keep || !client.quitAndGoOn()) {
      if (client.lost === null) client.quit();
      free();
      return;
    }
    const idle: Idle = {
      client,
      free,
      timer: this.#parts.clock.after(IDLE, () => {
        this.#idle = this.#idle.filter((one) => one !== idle);
        client.quit();
        free();
      }),
    };
    this.#idle.push(idle);
  }

  /** A conversation came to an answer. */
  worked(): void {
    if (this.#failures > 0) this.#parts.log.info('milter answers', { milter: this.rule.name });
    this.#failures = 0;
  }

  /** A conversation broke. */
  failed(why: string): void {
    this.#failures++;
    this.#parts.log.warn('milter failed', { milter: this.rule.name, why });
    if (this.#failures >= BEAR) this.#rest(why, false);
  }

  /** It is configured no more, or we end. Connections in use end with their sessions. */
  stop(): void {
    this.#closed = true;
    for (const { client, timer, free } of this.#idle.splice(0)) {
      timer.cancel();
      client.quit();
      free();
    }
  }

  #takeIdle(): Line | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (!idle) return undefined;
      idle.timer.cancel();
      if (idle.client.lost === null) return idle;
      idle.free();
    }
  }

  async #place(): Promise<(() => void) | null> {
    const { connections, timeouts } = this.rule;
    const patience = new AbortController();
    const timer = this.#parts.clock.after(timeouts.connect, () => patience.abort());
    const free = await this.#limit.acquire('', connections, patience.signal);
    timer.cancel();
    return free;
  }

  async #connect(): Promise<MilterClient | string> {
    const { at, timeouts } = this.rule;
    const socket = await this.#parts.dial(at, timeouts.connect);
    if (typeof socket === 'string') return `no connection: ${socket}`;
    return MilterClient.open(socket, timeouts, this.#parts.clock);
  }

  #rest(why: string, tell = true): void {
    if (tell) this.#parts.log.warn('milter failed', { milter: this.rule.name, why });
    this.#failures = Math.max(this.#failures, 1);
    this.#trouble = why;
    this.#rests = this.#parts.clock.monotonic() + REST;
  }
}
