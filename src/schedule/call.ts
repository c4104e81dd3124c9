/**
 * The record of calls: of the one under way its counts, of the last ones their sums. The last ones are kept
 * over a start, since "last call on Tuesday" is what people ask first; a power cut may cost the latest.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { KeyedTable } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { QueueName } from '../spool/port.ts';
import type { Answer } from './judge.ts';
import type { CallSummary } from './view.ts';

/** Calls that are remembered for each site. */
const MOST = 10;

/** One call under way. */
export class Call {
  readonly by: string;
  readonly begun: Instant;
  mails = 0;
  octets = 0;
  deferred = 0;
  refused = 0;
  /** Octets that left for the mails, where these were compressed. */
  sent = 0;

  constructor(by: string, begun: Instant) {
    this.by = by;
    this.begun = begun;
  }

  count(answer: Answer, size: number, sent = 0): void {
    if (answer === 'deferred') this.deferred++;
    else if (answer === 'refused') this.refused++;
    else {
      this.mails++;
      this.octets += size;
      this.sent += sent;
    }
  }
}

/** How often what left goes into what it stands for, to a hundredth. */
const ratioOf = (octets: number, sent: number): number => Math.round((100 * octets) / sent) / 100;

export class CallBook {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #queue: QueueName;
  readonly #kept: KeyedTable<readonly CallSummary[]>;
  #last: readonly CallSummary[];

  constructor(clock: Clock, log: Log, queue: QueueName, kept: KeyedTable<readonly CallSummary[]>) {
    this.#clock = clock;
    this.#log = log;
    this.#queue = queue;
    this.#kept = kept;
    this.#last = kept.get(queue) ?? [];
  }

  /** The latest first. */
  get last(): readonly CallSummary[] {
    return this.#last;
  }

  /** For people: why nothing is handed over. */
  get waits(): string {
    const [last] = this.#last;
    if (!last) return 'waits for its call; it has not called yet';
    const took = last.mails === 1 ? '1 mail' : `${last.mails} mails`;
    const end = last.why === null ? `took ${took}` : `took ${took}, then: ${last.why}`;
    return `waits for its call; last call ${new Date(last.ended).toISOString()} ${end}`;
  }

  /** `why`: what ended it before the end of the queue. */
  ended(call: Call, left: number, why: string | null): void {
    const { by, begun, mails, octets, deferred, refused, sent } = call;
    const packed = sent > 0;
    const ended = Math.max(begun, this.#clock.now());
    const summary: CallSummary = {
      by,
      begun,
      ended,
      mails,
      octets,
      deferred,
      refused,
      left,
      why,
      ...(packed && { sent }),
    };
    this.#last = [summary, ...this.#last].slice(0, MOST);
    this.#kept.set(this.#queue, this.#last);
    const seconds = (ended - begun) / 1000;
    const rate = seconds > 0 ? Math.round(octets / seconds) : octets;
    this.#log.info('call over', {
      by,
      mails,
      octets,
      ...(packed && { sent, ratio: ratioOf(octets, sent) }),
      seconds,
      octetsPerSecond: rate,
      deferred,
      refused,
      left,
      ...(why === null ? {} : { why }),
    });
  }
}
