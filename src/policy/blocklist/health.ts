/**
 * Whether a list can be believed, as a state machine.
 *
 *   new       not tested yet: its answers do not count
 *   good      its last test was good
 *   doubtful  its last test failed, or the one before, too: still believed
 *   aside     out of use, with an alarm: three tests failed running, or it lists everything, or it does not answer
 *
 *   new ──▶ good ──▶ doubtful ──▶ aside ──▶ good       new, good ──▶ aside       doubtful ──▶ good
 *
 * What lists everything costs mail each minute, so one look is enough. What lists nothing costs none. A good test
 * makes any state good. A new list whose tests fail stays new until the third.
 */
import type { Clock, Instant } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';

export type ListState = 'new' | 'good' | 'doubtful' | 'aside';

export interface Trouble {
  /** `foreign`: addresses outside 127.0.0.0/8. `silent`: no answer in time, or a failure of DNS. */
  readonly kind: 'lists everything' | 'lists nothing' | 'refused' | 'foreign' | 'silent';
  /** For people. */
  readonly why: string;
}

export type Event =
  /** `remark`: something that a person should know all the same. */
  | { readonly kind: 'test good'; readonly remark?: string }
  | { readonly kind: 'test failed'; readonly trouble: Trouble }
  /** Seen on the way of mail: it lists everything, or does not answer any more. */
  | { readonly kind: 'lost'; readonly trouble: Trouble };

const FAILURES = 3;

/** `failures`: tests that failed running, this one included. */
export function nextState(state: ListState, event: Event, failures: number): ListState {
  switch (event.kind) {
    case 'test good':
      return 'good';
    case 'lost':
      return 'aside';
    case 'test failed':
      if (event.trouble.kind === 'lists everything' || failures >= FAILURES) return 'aside';
      return state === 'good' ? 'doubtful' : state;
    default:
      return event satisfies never;
  }
}

export class Health {
  readonly #clock: Clock;
  readonly #log: Log;
  #failures = 0;
  state: ListState = 'new';
  since: Instant;
  /** What is wrong with it, or should be known. */
  reason: string | null = null;

  /** `log`: adds which list it is. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.since = clock.now();
  }

  get believed(): boolean {
    return this.state === 'good' || this.state === 'doubtful';
  }

  happened(event: Event): void {
    this.#failures = event.kind === 'test failed' ? this.#failures + 1 : 0;
    const next = nextState(this.state, event, this.#failures);
    const reason = event.kind === 'test good' ? (event.remark ?? null) : event.trouble.why;
    this.#tell(next, reason);
    if (next !== this.state) this.since = this.#clock.now();
    this.state = next;
    this.reason = reason;
  }

  /** What has changed, and nothing else: an alarm that repeats itself is not read. */
  #tell(next: ListState, why: string | null): void {
    const changed = next !== this.state;
    if (!changed && (why === this.reason || this.state === 'aside')) return;
    if (next === 'aside') this.#log.error('blocklist set aside', { why });
    else if (next === 'good' && this.state === 'aside')
      this.#log.warn('blocklist is back', why === null ? {} : { why });
    else if (why !== null)
      this.#log.warn(next === 'good' ? 'blocklist is peculiar' : 'blocklist test failed', { why });
  }
}
