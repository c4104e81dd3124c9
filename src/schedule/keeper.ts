/**
 * The keeper of one queue: its state, its probes, its drain (DESIGN.md §5). It alone settles outcomes
 * and moves the state (`state.ts` has the table).
 *
 * Promises: while `down`, one connection per interval and nothing else, however long the queue is. The
 * site's trouble fails no mail and moves no mail's own clock. An idle keeper has no timer, any other
 * has one.
 */
import { DAY, type Instant, SECOND, type Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Answered, Handover, Trouble } from '../handover/port.ts';
import type { Lease, QueueName } from '../spool/port.ts';
import { Aside } from './aside.ts';
import type { KeeperContext } from './context.ts';
import { Flow, type FlowEvents } from './flow.ts';
import { LONGEST_INTERVAL, probeInterval } from './intervals.ts';
import { late } from './late.ts';
import { Meter } from './meter.ts';
import { Outcomes } from './outcomes.ts';
import type { QueuePolicy } from './policy.ts';
import { type ProbeResult, probe } from './probe.ts';
import type { Flight, Run } from './run.ts';
import { QueueState } from './state.ts';
import type { KeeperView } from './view.ts';
import { Window } from './window.ts';

const LEASE_PAUSE = 5 * SECOND;
/** Between two probes, even when the first took longer than the interval. */
const LEAST_PAUSE = 2 * SECOND;
/** Signs of life that anybody can make may come often. */
const SIGN_PAUSE = 5 * SECOND;
const LONGEST_SLEEP = DAY;

export interface KeeperOptions {
  readonly queue: QueueName;
  readonly handover: Handover;
  readonly policy: QueuePolicy;
  /** Milliseconds until the first probe; null: begin `up`, mail has just come in. */
  readonly probeIn: number | null;
  /** Nothing is left to do: a supervisor may let it go. */
  readonly idle: () => void;
}

export class Keeper implements FlowEvents {
  readonly queue: QueueName;
  readonly #ctx: KeeperContext;
  readonly #log: Log;
  #handover: Handover;
  #policy: QueuePolicy;
  readonly #idle: () => void;
  readonly #state: QueueState;
  readonly #window = new Window();
  readonly #aside: Aside;
  readonly #meter: Meter;
  readonly #outcomes: Outcomes;
  readonly #flow: Flow;
  #lease: Lease | null = null;
  #leasing = false;
  #leaseAt = 0;
  #host: string | null = null;
  #until: Instant | null = null;
  /** By the monotonic clock; null: not before mail comes. */
  #probeAt: number | null;
  #probing: AbortController | null = null;
  #lastProbe = Number.NEGATIVE_INFINITY;
  /** Probes in vain, since the last answer. */
  #failed = 0;
  /** A sign of life came while a probe was on its way. */
  #asked = false;
  #late = false;
  #timer: { at: number; handle: Timer } | null = null;
  #over = false;
  #quiet: (() => void) | null = null;

  constructor(ctx: KeeperContext, options: KeeperOptions) {
    const { queue, handover, policy, probeIn, idle } = options;
    this.queue = queue;
    this.#ctx = ctx;
    this.#log = ctx.log.child({ queue });
    this.#handover = handover;
    this.#policy = policy;
    this.#idle = idle;
    this.#aside = new Aside(ctx.clock);
    this.#meter = new Meter(ctx.clock);
    this.#outcomes = new Outcomes(
      ctx,
      queue,
      () => this.#policy,
      () => this.#pump(),
    );
    this.#flow = new Flow({
      ctx,
      window: this.#window,
      outcomes: this.#outcomes,
      aside: this.#aside,
      events: this,
      handover: () => this.#handover,
      connections: () => this.#policy.connections,
    });
    const held = ctx.held.get(queue);
    this.#until = held?.until ?? null;
    this.#probeAt = probeIn === null ? null : ctx.clock.monotonic() + probeIn;
    const first = held ? 'held' : probeIn === null ? 'up' : 'down';
    const reason = held ? held.reason : first === 'down' ? 'not tried since the start' : null;
    this.#state = new QueueState(ctx.clock, first, reason, (to, from, why) => {
      const fields = { from, to, ...(why === null ? {} : { why }) };
      if (to === 'down') this.#log.warn('queue state', fields);
      else this.#log.info('queue state', fields);
    });
  }

  start(): void {
    this.#pump();
  }

  view(): KeeperView {
    const { clock, spool } = this.#ctx;
    const { rate } = this.#meter;
    const { count, held } = spool.summary(this.queue);
    const state = this.#state.is;
    const probeIn = state === 'down' && this.#probeAt !== null ? this.#probeAt - clock.monotonic() : null;
    return {
      queue: this.queue,
      state,
      reason: this.#state.reason,
      since: this.#state.since,
      until: state === 'held' ? this.#until : null,
      nextProbe: probeIn === null ? null : clock.now() + Math.max(0, probeIn),
      rate,
      estimate: state === 'draining' && rate > 0 ? ((count - held) / rate) * 1000 : null,
      connections: this.#flow.connections + (this.#probing ? 1 : 0),
      host: this.#host,
      wary: this.#outcomes.wary.on,
    };
  }

  /** Nothing to look after: up, empty, no line. */
  get vacant(): boolean {
    return (
      this.#state.is === 'up' &&
      this.#flow.connections === 0 &&
      this.#flow.starved &&
      this.#outcomes.unsettled === 0 &&
      this.#ctx.spool.summary(this.queue).count === 0
    );
  }

  /** Mail came, or may be tried again: a hint. */
  arrived(): void {
    this.#flow.wake();
    if (this.#state.is === 'down' && this.#probeAt === null && !this.#probing) {
      const interval = probeInterval(this.#failed, this.#policy.probe, this.#ctx.random);
      this.#probeAt = Math.max(this.#ctx.clock.monotonic(), this.#lastProbe + interval);
    }
    this.#pump();
  }

  /** Somebody has seen the site alive: probe now, unless that was just done. */
  signOfLife(why: string): void {
    if (this.#state.is !== 'down') return;
    this.#log.info('sign of life', { why });
    this.#probeSoon(this.#lastProbe + SIGN_PAUSE);
  }

  /** An operator's word: everything, now. False when it is held. */
  flush(): boolean {
    const state = this.#state.is;
    if (state === 'held') return false;
    this.#lease?.hasten(this.#ctx.clock.now());
    this.#flow.giveBack(this.#aside.all());
    if (state === 'down') this.#probeSoon(0);
    else {
      const { count, held } = this.#ctx.spool.summary(this.queue);
      if (state === 'up' && count > held) this.#state.to('draining', 'flushed');
      this.arrived();
    }
    return true;
  }

  hold(reason: string, until: Instant | null): void {
    this.#ctx.held.set(this.queue, { reason, until });
    this.#until = until;
    if (this.#state.is === 'held') return void this.#state.because(reason);
    this.#state.to('held', reason);
    this.#probing?.abort();
    this.#flow.giveBack(this.#aside.all());
    this.#flow.shut();
    this.#pump();
  }

  release(): void {
    this.#ctx.held.delete(this.queue);
    this.#until = null;
    if (this.#state.is !== 'held') return;
    this.#drain('released');
    this.#pump();
  }

  /** A reload: other routes, other limits. */
  change(handover: Handover, policy: QueuePolicy): void {
    this.#handover = handover;
    this.#policy = policy;
    this.#flow.renew();
    if (this.#state.is === 'down') this.#probeSoon(0);
  }

  /** The wall clock jumped: what was computed from it is computed anew. */
  clockJumped(): void {
    this.#disarm();
    this.#ring();
  }

  /** In order: nothing new; resolves when all that is out has come back and is durable. */
  async stop(): Promise<void> {
    this.#over = true;
    this.#probing?.abort();
    this.#flow.shut();
    this.#disarm();
    if (!this.#isQuiet) await new Promise<void>((resolve) => (this.#quiet = resolve));
    await this.#lease?.release();
    this.#disarm();
  }

  /** At once: what is out comes back broken. */
  cut(): void {
    this.#flow.destroy();
    this.#quiet?.();
  }

  get #isQuiet(): boolean {
    return !this.#probing && this.#flow.connections === 0 && this.#outcomes.unsettled === 0;
  }

  // What the flow tells.

  answered(run: Run, _flight: Flight, given: Answered): void {
    const { best } = run.line;
    const { learned } = this.#outcomes.answered(_flight, given, best);
    this.#meter.count();
    if (!best) return;
    this.#failed = 0;
    const delivered = given.outcomes.some((o) => o.kind === 'delivered');
    this.#window.answered(delivered ? given.latency : null, this.#policy.connections);
    if (learned) this.#hasten('a greylist lets mail pass');
    if (this.#outcomes.puttingOff && this.#flowing) {
      const said = given.outcomes.find((o) => o.kind === 'deferred');
      this.#goDown(`puts off every mail: ${said ? said.reply.text.join(' ') : ''}`);
    }
  }

  opened(run: Run): void {
    this.#host = run.line.host;
    if (!run.line.best && this.#flowing && !this.#flow.hasBest) {
      this.#goDown(`the best host does not answer; ${run.line.host} takes mail meanwhile`, run);
    }
  }

  dead(trouble: Trouble): void {
    if (trouble.host !== undefined) this.#host = trouble.host;
    if (this.#flowing) this.#goDown(trouble.text);
  }

  changed(): void {
    this.#pump();
  }

  unreadable(flight: Flight, why: string): void {
    const { mail, id: entry } = flight.entry;
    this.#log.error('content cannot be read', { mail, entry, why });
  }

  // The state.

  get #flowing(): boolean {
    return this.#state.is === 'up' || this.#state.is === 'draining';
  }

  #goDown(reason: string, fellow?: Run): void {
    this.#state.to('down', reason);
    this.#outcomes.down();
    if (fellow && this.#lease) this.#flow.feed(this.#lease, fellow);
    else this.#flow.shut();
    this.#lastProbe = this.#ctx.clock.monotonic();
    this.#nextProbe();
  }

  #drain(reason: string): void {
    this.#state.to('draining', reason);
    this.#probeAt = null;
    this.#window.restart();
    this.#outcomes.lives();
    this.#flow.giveBack(this.#aside.pardon());
    if (this.#lease) {
      this.#flow.open(this.#lease);
      this.#hasten(reason);
    }
  }

  /** Trouble has changed into life: all that was put off is tried now. */
  #hasten(why: string): void {
    this.#log.debug('deferred mail brought forward', { why });
    this.#lease?.hasten(this.#ctx.clock.now());
    this.#flow.wake();
  }

  // Probes.

  #nextProbe(): void {
    const interval = probeInterval(this.#failed, this.#policy.probe, this.#ctx.random);
    const now = this.#ctx.clock.monotonic();
    this.#probeAt = this.#asked ? now : Math.max(this.#lastProbe + interval, now + LEAST_PAUSE);
    this.#asked = false;
  }

  #probeSoon(notBefore: number): void {
    this.#failed = 0;
    if (this.#probing) {
      this.#asked = true;
      return;
    }
    const at = Math.max(this.#ctx.clock.monotonic(), notBefore);
    this.#probeAt = this.#probeAt === null ? at : Math.min(this.#probeAt, at);
    this.#pump();
  }

  async #probe(lease: Lease): Promise<void> {
    const { clock } = this.#ctx;
    const begun = clock.now();
    this.#lastProbe = clock.monotonic();
    this.#probeAt = null;
    const abort = new AbortController();
    this.#probing = abort;
    let result: ProbeResult;
    try {
      result = await probe({
        ctx: this.#ctx,
        lease,
        handover: this.#handover,
        outcomes: this.#outcomes,
        aside: this.#aside,
        signal: abort.signal,
        puttingOff: this.#outcomes.puttingOff,
        fellow: this.#flow.connections > 0,
        unreadable: (entry, why) =>
          this.#log.error('content cannot be read', { mail: entry.mail, entry: entry.id, why }),
      });
    } catch (error) {
      this.#log.error('queue could not be read', { why: String(error) });
      result = { kind: 'unmoved', reason: 'our own spool fails', host: '' };
    }
    this.#probing = null;
    this.#probed(result, begun, lease);
    this.#pump();
  }

  #probed(result: ProbeResult, begun: Instant, lease: Lease): void {
    const stale = this.#over || this.#state.is !== 'down' || lease.lost.aborted;
    switch (result.kind) {
      case 'nothing':
        return;
      case 'life': {
        if (!stale) {
          this.#failed = 0;
          this.#meter.count();
          this.#host = result.line.host;
          this.#drain('it answers');
        }
        const run = this.#flow.adopt(result.line, result.turn, result.answered);
        if (stale) run.retire();
        return;
      }
      case 'fellow':
        return void this.#fellow(result, begun, lease, stale);
      case 'trouble':
        if (stale) return;
        if (result.trouble.host !== undefined) this.#host = result.trouble.host;
        if (result.alive) return void this.#drain('it answers');
        // It is dead now, whatever it did before.
        this.#outcomes.lives();
        return void this.#inVain(result.trouble.text, begun, lease);
      case 'unmoved':
        if (stale) return;
        this.#host = result.host || this.#host;
        return void this.#inVain(result.reason, begun, lease);
    }
  }

  #fellow(
    result: Extract<ProbeResult, { kind: 'fellow' }>,
    begun: Instant,
    lease: Lease,
    stale: boolean,
  ): void {
    const run = this.#flow.adopt(result.line, result.turn, 0);
    if (stale || this.#flow.connections > 1) run.retire();
    else this.#flow.feed(lease, run);
    if (stale) return;
    this.#host = result.line.host;
    this.#inVain(`the best host does not answer; ${result.line.host} takes mail meanwhile`, begun, lease);
  }

  #inVain(reason: string, begun: Instant, lease: Lease): void {
    this.#failed++;
    if (reason === this.#state.reason) this.#log.debug('probe in vain', { why: reason });
    else this.#log.info('probe in vain', { why: reason });
    this.#state.because(reason);
    this.#nextProbe();
    if (this.#late) return;
    this.#late = true;
    const { patience } = this.#ctx;
    const still = () => this.#state.is === 'down' && !this.#over;
    void late({ lease, outcomes: this.#outcomes, patience, policy: this.#policy, still }, begun, reason)
      .catch((error: unknown) => this.#log.error('queue could not be read', { why: String(error) }))
      .finally(() => {
        this.#late = false;
        this.#pump();
      });
  }

  // The turn of the wheel.

  #pump(): void {
    if (this.#over) {
      if (this.#isQuiet) this.#quiet?.();
      return;
    }
    const { clock } = this.#ctx;
    if (!this.#lease) {
      if (!this.#leasing && clock.monotonic() >= this.#leaseAt) void this.#acquire();
      return void this.#arm();
    }
    this.#outcomes.settler.retry();
    if (this.#state.is === 'held' && this.#until !== null && clock.now() >= this.#until)
      return void this.release();
    if (this.#state.is === 'down') {
      const due = this.#probeAt !== null && clock.monotonic() >= this.#probeAt;
      if (due && !this.#probing && !this.#outcomes.settler.stuck) void this.#probe(this.#lease);
    } else if (this.#flowing) this.#flow.giveBack(this.#aside.due());
    this.#flow.pump();
    if (this.#state.is === 'draining' && this.#flow.done) this.#state.to('up');
    this.#arm();
    if (this.vacant) this.#idle();
  }

  async #acquire(): Promise<void> {
    this.#leasing = true;
    this.#leaseAt = this.#ctx.clock.monotonic() + LEASE_PAUSE;
    try {
      const lease = await this.#ctx.spool.lease(this.queue, this.#ctx.holder);
      if (lease.kind === 'busy') this.#log.info('another holder has the queue', { holder: lease.holder });
      else if (this.#over) await lease.release();
      else this.#got(lease);
    } catch (error) {
      this.#log.error('queue could not be leased', { why: String(error) });
    }
    this.#leasing = false;
    this.#pump();
  }

  #got(lease: Lease): void {
    this.#lease = lease;
    lease.lost.addEventListener('abort', () => {
      if (this.#lease !== lease || this.#over) return;
      this.#log.warn('lease lost');
      this.#lease = null;
      this.#probing?.abort();
      this.#aside.all();
      this.#flow.shut();
      this.#leaseAt = this.#ctx.clock.monotonic() + LEASE_PAUSE;
      this.#arm();
    });
    if (this.#flowing) this.#flow.open(lease);
  }

  // The one timer.

  #arm(): void {
    const at = this.#next();
    // One that rings too early does no harm, and costs less than setting it anew for each mail.
    if (at === null || (this.#timer && this.#timer.at <= at)) return;
    this.#disarm();
    const delay = Math.min(LONGEST_SLEEP, Math.max(0, at - this.#ctx.clock.monotonic()));
    const handle = this.#ctx.clock.after(delay, () => {
      this.#timer = null;
      this.#ring();
    });
    this.#timer = { at, handle };
  }

  #ring(): void {
    const { clock } = this.#ctx;
    const at = this.#lease && this.#flowing ? this.#lease.nextReady() : null;
    if (at !== null) {
      // Further away than any interval: it was set by a clock that was wrong.
      if (at > clock.now() + LONGEST_INTERVAL) this.#hasten('the clock jumped back');
      else if (at <= clock.now()) this.#flow.wake();
    }
    this.#pump();
  }

  #next(): number | null {
    const { clock } = this.#ctx;
    const mono = clock.monotonic();
    const wall = (at: Instant) => mono + Math.max(0, at - clock.now());
    const times: (number | null)[] = [this.#flow.next, this.#outcomes.settler.retryAt];
    if (!this.#lease) times.push(this.#leasing ? null : this.#leaseAt);
    else if (this.#state.is === 'held') times.push(this.#until === null ? null : wall(this.#until));
    else if (this.#state.is === 'down') times.push(this.#outcomes.settler.stuck ? null : this.#probeAt);
    else if (this.#flow.starved) {
      const ready = this.#lease.nextReady();
      times.push(this.#aside.next, ready === null ? null : Math.min(wall(ready), mono + LONGEST_INTERVAL));
    }
    let next: number | null = null;
    for (const time of times) if (time !== null && (next === null || time < next)) next = time;
    return next;
  }

  #disarm(): void {
    this.#timer?.handle.cancel();
    this.#timer = null;
  }
}
