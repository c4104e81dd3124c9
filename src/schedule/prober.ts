/**
 * When a site that is down is probed (`probe.ts` is one probe): once per interval, growing; at once
 * when somebody has seen it alive; not at all while there is no mail to try it with.
 */
import { type Instant, MINUTE, SECOND } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Handover } from '../handover/port.ts';
import type { EntryId, Lease } from '../spool/port.ts';
import type { Aside } from './aside.ts';
import type { KeeperContext } from './context.ts';
import { probeInterval } from './intervals.ts';
import type { Outcomes } from './outcomes.ts';
import { type ProbeResult, probe, type UnderWay } from './probe.ts';

export interface ProberParts {
  readonly ctx: KeeperContext;
  readonly log: Log;
  readonly outcomes: Outcomes;
  readonly aside: Aside;
  handover(): Handover;
  /** Longest interval. */
  cap(): number;
  /** A fellow secondary takes mail meanwhile. */
  fellow(): boolean;
  /** `begun`: when, by the wall clock. */
  probed(result: ProbeResult, begun: Instant, lease: Lease): void;
}

/** Between two probes, even when the first took longer than the interval. */
const LEAST_PAUSE = 2 * SECOND;
/** Signs of life may come often, and from many. */
const SIGN_PAUSE = 5 * SECOND;
/** Refusals that are held back are not to be offered at each probe, only because nothing else is there. */
const REFUSED_PAUSE = 10 * MINUTE;

interface Probe extends UnderWay {
  readonly abort: AbortController;
}

export class Prober {
  readonly #p: ProberParts;
  #at: number | null = null;
  #last = Number.NEGATIVE_INFINITY;
  #hastenFrom = 0;
  /** In vain, since the last answer. */
  #failed = 0;
  #under: Probe | null = null;
  #inDoubt = false;
  /** What came while a probe was on its way: a sign of life, or a word that is to be trusted. */
  #asked: 'sign' | 'word' | null = null;

  constructor(parts: ProberParts) {
    this.#p = parts;
  }

  /** When the next one is due, by the monotonic clock; null: none is. */
  get at(): number | null {
    return this.#at;
  }

  /** The same by the wall clock, for people. */
  get next(): Instant | null {
    const { clock } = this.#p.ctx;
    return this.#at === null ? null : clock.now() + Math.max(0, this.#at - clock.monotonic());
  }

  get busy(): boolean {
    return this.#under !== null;
  }

  /** The first of a start. */
  first(ms: number): void {
    this.#at = this.#p.ctx.clock.monotonic() + ms;
  }

  /** The site has just been met dead, which is as good as a probe. */
  down(): void {
    this.#last = this.#p.ctx.clock.monotonic();
    this.#at = this.#last + this.#interval();
  }

  /** A probe was in vain. */
  again(): void {
    this.#failed++;
    const now = this.#p.ctx.clock.monotonic();
    const pause = this.#asked
      ? this.#signPause(this.#asked)
      : Math.max(this.#interval(), now + LEAST_PAUSE - this.#last);
    this.#at = Math.max(now, this.#last + pause);
    this.#asked = null;
  }

  /** A mail had its answer: the next interval begins small. */
  answered(): void {
    this.#failed = 0;
  }

  /** There is mail to probe with. */
  arrived(): void {
    if (this.#at !== null || this.busy) return;
    this.#at = Math.max(this.#p.ctx.clock.monotonic(), this.#last + this.#interval());
  }

  /**
   * Somebody has seen it alive (a sign), or is to be trusted with a connection of his own (a word). False:
   * that changes nothing, since a probe is on its way or as near.
   */
  soon(what: 'sign' | 'word'): boolean {
    this.#failed = 0;
    if (what === 'word') this.#hastenFrom = 0;
    if (this.busy) {
      this.#asked = this.#asked === 'word' ? 'word' : what;
      return false;
    }
    const at = Math.max(this.#p.ctx.clock.monotonic(), this.#last + this.#signPause(what));
    if (this.#at !== null && this.#at <= at) return false;
    this.#at = at;
    return true;
  }

  /** No more: it is up, held or over. */
  end(): void {
    this.#at = null;
    this.#under?.abort.abort();
  }

  /** As `end`, and what is on its way ends as soon as may be (`Line.hangUp`). */
  hangUp(): void {
    this.end();
    this.#inDoubt = this.#under?.line?.hangUp() ?? false;
  }

  /** What is on its way and may have been taken, once it was hung up. */
  get inDoubt(): EntryId[] {
    const entry = this.#inDoubt ? this.#under?.entry : null;
    return entry ? [entry] : [];
  }

  /** Probes if it is time. */
  turn(lease: Lease): void {
    if (this.#at === null || this.busy || this.#p.ctx.clock.monotonic() < this.#at) return;
    void this.#probe(lease, new AbortController());
  }

  async #probe(lease: Lease, abort: AbortController): Promise<void> {
    const { ctx, log, outcomes, aside } = this.#p;
    const begun = ctx.clock.now();
    this.#last = ctx.clock.monotonic();
    this.#at = null;
    const under: Probe = { abort, line: null, entry: null };
    this.#under = under;
    let result: ProbeResult;
    try {
      result = await probe({
        ctx,
        lease,
        handover: this.#p.handover(),
        outcomes,
        aside,
        signal: abort.signal,
        under,
        puttingOff: outcomes.puttingOff,
        // A fellow secondary would be offered all of it at each probe.
        mayHasten: !this.#p.fellow() && this.#last >= this.#hastenFrom,
      });
    } catch (error) {
      log.error('queue could not be read', { why: String(error) });
      result = { kind: 'unmoved', reason: 'our own spool fails', refused: false, host: null };
    }
    this.#under = null;
    if (result.kind === 'unmoved' && result.refused) this.#hastenFrom = this.#last + REFUSED_PAUSE;
    // Given up by ourselves: that says nothing of the site.
    if (abort.signal.aborted && result.kind !== 'life' && result.kind !== 'fellow')
      result = { kind: 'nothing' };
    this.#p.probed(result, begun, lease);
  }

  #signPause(what: 'sign' | 'word'): number {
    return what === 'word' ? 0 : SIGN_PAUSE;
  }

  #interval(): number {
    return probeInterval(this.#failed, this.#p.cap(), this.#p.ctx.random);
  }
}
