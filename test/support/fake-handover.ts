/**
 * A site that a test scripts: reachable or not, what it answers to whom, how slowly, over how many
 * connections. It speaks no SMTP; it is the handover port, on a simulated clock.
 */
import type { Clock } from '../../src/base/clock.ts';
import type { Given, Handover, Line, Parcel, Trouble } from '../../src/handover/port.ts';
import type { Outcome } from '../../src/mail/outcome.ts';
import { isPermanent, isPositive, type Reply, reply } from '../../src/mail/reply.ts';

export const OK = reply(250, '2.0.0', 'taken');
export const LATER = reply(451, '4.7.1', 'come back later');
export const NO = reply(550, '5.1.1', 'no such user');

export class FakeSite implements Handover {
  readonly host: string;
  readonly #clock: Clock;
  /** Why no connection comes about; null: it does. */
  trouble: Omit<Trouble, 'kind'> | null = null;
  /** What is said to one recipient. `lost`: the connection breaks in the middle of this mail. */
  answer: (address: string, parcel: Parcel) => Reply | 'lost' = () => OK;
  best = true;
  depth = 1;
  latency: number | ((open: number) => number) = 20;
  /** What is on its way may have been taken, and only its answer tells. */
  sentWhole = false;
  /** Milliseconds that QUIT takes. */
  goodbye = 0;
  callsOver = 0;
  /** More connections than this meet a 421. */
  most = Number.POSITIVE_INFINITY;
  /** When each attempt to connect was made (monotonic). */
  readonly connects: number[] = [];
  /** What was accepted: parcel, recipient, when (monotonic). */
  readonly taken: { id: string; address: string; at: number }[] = [];
  /** What was tried. */
  readonly tries: { id: string; at: number; code: number }[] = [];
  readonly lines = new Set<FakeLine>();
  /** Most connections that were open at once. */
  peak = 0;

  constructor(clock: Clock, host = 'primary.example') {
    this.#clock = clock;
    this.host = host;
  }

  async connect(signal: AbortSignal): Promise<Line | Trouble> {
    this.connects.push(this.#clock.monotonic());
    await new Promise<void>((resolve) => void this.#clock.after(10, resolve));
    if (signal.aborted) return { kind: 'trouble', cause: 'connect', text: 'given up' };
    if (this.trouble) return { kind: 'trouble', ...this.trouble };
    if (this.lines.size >= this.most) {
      return { kind: 'trouble', cause: 'busy', text: '421 too many connections', host: this.host };
    }
    const line = new FakeLine(this, this.#clock);
    this.lines.add(line);
    this.peak = Math.max(this.peak, this.lines.size);
    return line;
  }

  callOver(): void {
    this.callsOver++;
  }

  /** The cable is pulled. */
  cut(text = 'connection refused'): void {
    this.trouble = { cause: 'connect', text };
    for (const line of [...this.lines]) line.destroy();
  }

  /** It is back. */
  mend(): void {
    this.trouble = null;
  }

  /** Ids that were accepted, once each. */
  get arrived(): Set<string> {
    return new Set(this.taken.map((t) => t.id));
  }
}

class FakeLine implements Line {
  readonly kind = 'line';
  readonly #site: FakeSite;
  readonly #clock: Clock;
  readonly #waiting: ((given: Given | null) => void)[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #dead = false;

  constructor(site: FakeSite, clock: Clock) {
    this.#site = site;
    this.#clock = clock;
  }

  get host(): string {
    return this.#site.host;
  }

  get best(): boolean {
    return this.#site.best;
  }

  get depth(): number {
    return this.#site.depth;
  }

  give(parcel: Parcel): Promise<Given> {
    const given = this.#last.then(() => this.#answer(parcel));
    this.#last = given;
    return given;
  }

  async close(): Promise<void> {
    await this.#last;
    const { goodbye } = this.#site;
    if (goodbye > 0) await new Promise<void>((resolve) => void this.#clock.after(goodbye, resolve));
    this.#site.lines.delete(this);
  }

  hangUp(): boolean {
    if (this.#site.sentWhole && this.#waiting.length > 0) return true;
    this.destroy();
    return false;
  }

  destroy(): void {
    this.#dead = true;
    this.#site.lines.delete(this);
    for (const broken of this.#waiting.splice(0)) broken(null);
  }

  async #answer(parcel: Parcel): Promise<Given> {
    const site = this.#site;
    const { latency: setting } = site;
    const latency = typeof setting === 'number' ? setting : setting(site.lines.size);
    if (this.#dead) return this.#broken(parcel, false);
    const lived = await new Promise<unknown>((resolve) => {
      this.#waiting.push(resolve);
      this.#clock.after(latency, () => resolve(this));
    });
    this.#waiting.shift();
    if (!lived || this.#dead) return this.#broken(parcel, true);
    const outcomes: Outcome[] = [];
    for (const { address } of parcel.envelope.recipients) {
      const said = site.answer(address, parcel);
      if (said === 'lost') {
        this.destroy();
        return this.#broken(parcel, true, outcomes);
      }
      const at = this.#clock.monotonic();
      site.tries.push({ id: parcel.id, at, code: said.code });
      if (isPositive(said)) site.taken.push({ id: parcel.id, address, at });
      const kind = isPositive(said) ? 'delivered' : isPermanent(said) ? 'failed' : 'deferred';
      outcomes.push({ kind, reply: said, host: this.host });
    }
    return { kind: 'answered', outcomes, latency };
  }

  #broken(parcel: Parcel, alive: boolean, certain: readonly Outcome[] = []): Given {
    return {
      kind: 'broken',
      trouble: { kind: 'trouble', cause: 'lost', text: 'connection lost', host: this.host },
      outcomes: parcel.envelope.recipients.map((_, i) => certain[i] ?? null),
      alive,
    };
  }
}
