/**
 * The connection of one session to a primary: opened when a sender's first recipient asks for it, used for its next
 * mails, closed when nothing is asked of it for a while: a slow sender must not keep the site's connections. What is
 * under way then is said again on a fresh one (`mail.ts`).
 *
 * Promises: no more connections than the site allows (`Primaries` counts them); the best host or none; none that was
 * opened for another client, where the primary may hear for whom (`pass_client: xclient`).
 */
import { type Clock, SECOND, type Timer } from '../../base/clock.ts';
import { type Client, clientKeyOf } from '../../mail/client.ts';
import type { Reached, Unreached } from '../../primary/reach.ts';
import { nameOf } from '../../primary/reach.ts';
import type { Deadlines } from '../../protocol/smtp/client/open.ts';
import { StepwiseClient } from '../../protocol/smtp/client/stepwise.ts';
import type { Site } from '../../site/site.ts';

/** `Primaries` satisfies it. */
export interface Connector {
  connect(site: Site, signal: AbortSignal, client?: Client | null): Promise<Reached | Unreached>;
}

/** A sender waits meanwhile, and others that could be held would time out. */
const CONNECT = 15 * SECOND;
/** Within a mail, and behind one. */
const IDLE = { mail: 30 * SECOND, over: 5 * SECOND };
/** The answer to the dot may take two minutes: RFC 5321 §4.5.3.2.6 makes the sender wait for ten. */
export const DEADLINES: Deadlines = {
  greeting: CONNECT,
  hello: CONNECT,
  handshake: CONNECT,
  mail: 60 * SECOND,
  rcpt: 60 * SECOND,
  data: 60 * SECOND,
  block: 60 * SECOND,
  end: 120 * SECOND,
  quit: 5 * SECOND,
};

export interface Line {
  readonly site: Site;
  readonly client: StepwiseClient;
  /** For people: name and address. */
  readonly host: string;
  /** It takes us for the client. */
  readonly named: boolean;
  /** As we find it, and as it calls itself. */
  readonly names: readonly string[];
}

export interface NoLine {
  readonly kind: 'none';
  readonly why: string;
}

export class Lines {
  readonly #connector: Connector;
  readonly #clock: Clock;
  #line: Line | null = null;
  /** By its key, for whom the line was opened. */
  #client = '';
  #connecting: AbortController | null = null;
  #idle: Timer | null = null;
  #closed = false;

  constructor(connector: Connector, clock: Clock) {
    this.#connector = connector;
    this.#clock = clock;
  }

  /** The living one, or a new one, for a mail of this client. */
  async to(site: Site, client: Client | null): Promise<Line | NoLine> {
    const key = client ? clientKeyOf(client) : '';
    const another = site.passClient === 'xclient' && key !== this.#client;
    if (this.#line?.site === site && !this.#line.client.lost && !another) return this.#line;
    this.#leave();
    this.#client = key;
    const abort = new AbortController();
    this.#connecting = abort;
    const timer = this.#clock.after(CONNECT, () => abort.abort());
    const reached = await this.#connector.connect(site, abort.signal, client);
    timer.cancel();
    this.#connecting = null;
    if (reached.kind === 'trouble') return { kind: 'none', why: reached.text };
    const stepwise = new StepwiseClient(reached.opened, DEADLINES);
    if (this.#closed || !reached.exchanger.best) {
      void stepwise.quit();
      return { kind: 'none', why: this.#closed ? 'the sender is gone' : `only ${nameOf(reached)} answers` };
    }
    const names = [reached.exchanger.host, reached.opened.offer.name].map((n) => n.toLowerCase());
    const named = reached.named !== undefined;
    this.#line = { site, client: stepwise, host: nameOf(reached), named, names };
    return this.#line;
  }

  /** Nothing is asked of it now. */
  rest(where: keyof typeof IDLE): void {
    this.#idle?.cancel();
    this.#idle = this.#line && this.#clock.after(IDLE[where], () => this.#leave());
  }

  /** Something is. */
  wake(): void {
    this.#idle?.cancel();
    this.#idle = null;
  }

  close(): void {
    this.#closed = true;
    this.#connecting?.abort();
    this.#leave();
  }

  #leave(): void {
    this.wake();
    void this.#line?.client.quit();
    this.#line = null;
  }
}
