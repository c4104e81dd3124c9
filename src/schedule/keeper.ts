/**
 * The keeper of one queue: its state, its probes, its drain (DESIGN.md §5). It alone settles outcomes
 * and moves the state (`state.ts` has the table).
 *
 * Promises: while `down`, one connection per interval and nothing else, however long the queue is. The
 * site's trouble fails no mail and moves no mail's own clock. An idle keeper has no timer, any other
 * has one.
 */
import type { Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Answered, Handover, Line, Trouble } from '../handover/port.ts';
import type { Lease, QueueName } from '../spool/port.ts';
import { Alarm } from './alarm.ts';
import { Aside } from './aside.ts';
import type { KeeperContext, KeeperOptions } from './context.ts';
import { Flow, type FlowEvents } from './flow.ts';
import { LONGEST_INTERVAL } from './intervals.ts';
import { Late } from './late.ts';
import { Meter } from './meter.ts';
import { Outcomes } from './outcomes.ts';
import type { QueuePolicy } from './policy.ts';
import type { ProbeResult } from './probe.ts';
import { Prober } from './prober.ts';
import type { QueueKeeper } from './queue-keeper.ts';
import type { Flight, Run } from './run.ts';
import { QueueState } from './state.ts';
import { Tenure } from './tenure.ts';
import type { KeeperView } from './view.ts';
import { Window } from './window.ts';

export class Keeper implements QueueKeeper, FlowEvents {
  readonly queue: QueueName;
  readonly way = 'push';
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
  readonly #prober: Prober;
  readonly #tenure: Tenure;
  readonly #late: Late;
  readonly #alarm: Alarm;
  #host: string | null = null;
  #until: Instant | null = null;
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
    const changed = () => this.#pump();
    this.#outcomes = new Outcomes(ctx, queue, () => this.#policy, changed);
    const shared = {
      ctx,
      log: this.#log,
      outcomes: this.#outcomes,
      aside: this.#aside,
      lease: () => this.#lease,
      handover: () => this.#handover,
    };
    const connections = () => this.#policy.connections;
    const order = () => this.#policy.order;
    this.#flow = new Flow({ ...shared, window: this.#window, events: this, connections, order });
    this.#prober = new Prober({
      ...shared,
      cap: () => this.#policy.probe,
      fellow: () => this.#flow.connections > 0,
      probed: (result, begun, lease) => {
        this.#probed(result, begun, lease);
        this.#pump();
      },
    });
    this.#late = new Late(this.#log, ctx.patience, this.#outcomes);
    this.#tenure = new Tenure(ctx, queue, this.#log, (lease) => this.#leased(lease));
    this.#alarm = new Alarm(ctx.clock, () => this.#ring());
    const held = ctx.held.get(queue);
    this.#until = held?.until ?? null;
    if (probeIn !== null) this.#prober.first(probeIn);
    const first = held ? 'held' : probeIn === null ? 'up' : 'down';
    const reason = held ? held.reason : first === 'down' ? 'not tried since the start' : null;
    this.#state = new QueueState(ctx.clock, this.#log, first, reason);
    if (first === 'down') this.#outcomes.down();
  }

  start(): void {
    this.#pump();
  }

  view(): KeeperView {
    const { rate } = this.#meter;
    const { count, held } = this.#ctx.spool.summary(this.queue);
    const state = this.#state.is;
    return {
      queue: this.queue,
      state,
      reason: this.#state.reason,
      since: this.#state.since,
      until: state === 'held' ? this.#until : null,
      nextProbe: state === 'down' ? this.#prober.next : null,
      rate,
      estimate: state === 'draining' && rate > 0 ? ((count - held) / rate) * 1000 : null,
      connections: this.#flow.connections + (this.#prober.busy ? 1 : 0),
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
    this.#wake();
    this.#pump();
  }

  /** Somebody has seen the site alive: probe now, unless that was just done. */
  signOfLife(why: string): void {
    if (this.#state.is !== 'down') return;
    if (this.#prober.soon('sign')) this.#log.info('sign of life', { why });
    this.#pump();
  }

  /** An operator's word: everything, now. False when it is held. */
  flush(): boolean {
    const state = this.#state.is;
    if (state === 'held') return false;
    this.#lease?.hasten(this.#ctx.clock.now());
    this.#flow.giveBack(this.#aside.all());
    if (state === 'down') this.#prober.soon('word');
    if (state === 'up' && this.#hasMail) this.#state.to('draining', 'flushed');
    this.arrived();
    return true;
  }

  trouble(why: string): void {
    this.#log.warn('trouble of the site', { why });
    if (this.#state.is === 'held') return;
    if (this.#flowing) this.#goDown(why);
    else this.#state.because(why);
    this.#pump();
  }

  hold(reason: string, until: Instant | null): void {
    this.#ctx.held.set(this.queue, { reason, until });
    this.#until = until;
    if (this.#state.is === 'held') return void this.#state.because(reason);
    this.#state.to('held', reason);
    this.#prober.end();
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
    if (this.#state.is === 'down') this.#prober.soon('word');
    this.#pump();
  }

  /** The wall clock jumped: what was computed from it is computed anew. */
  clockJumped(): void {
    this.#alarm.cancel();
    this.#ring();
  }

  /** In order: nothing new; resolves when all that is out has come back and is durable. */
  async stop(): Promise<void> {
    this.#over = true;
    this.#prober.end();
    this.#flow.shut();
    this.#alarm.cancel();
    if (!this.#isQuiet) await new Promise<void>((resolve) => (this.#quiet = resolve));
    await this.#tenure.release();
    this.#alarm.cancel();
  }

  /** At once: what is out comes back broken. */
  cut(): void {
    this.#flow.destroy();
    this.#quiet?.();
  }

  get #isQuiet(): boolean {
    return !this.#prober.busy && this.#flow.connections === 0 && this.#outcomes.unsettled === 0;
  }

  // What the flow tells.

  answered(run: Run, flight: Flight, given: Answered): void {
    const { learned } = this.#outcomes.answered(flight, given, run.line.best);
    this.#meter.count();
    if (!run.line.best) return;
    this.#prober.answered();
    const delivered = given.outcomes.some((o) => o.kind === 'delivered');
    this.#window.answered(delivered ? given.latency : null, this.#policy.connections);
    if (learned) this.#hasten();
    if (this.#outcomes.puttingOff && this.#flowing) {
      const said = given.outcomes.find((o) => o.kind === 'deferred');
      this.#goDown(`puts off every mail: ${said ? said.reply.text.join(' ') : ''}`);
    }
  }

  opened(run: Run): void {
    this.#host = run.line.host;
    const worse = !run.line.best && !this.#flow.hasBest;
    if (worse && this.#flowing) this.#goDown(onlyFellow(run.line), run);
  }

  dead(trouble: Trouble): void {
    this.#host = trouble.host ?? this.#host;
    if (this.#flowing) this.#goDown(trouble.text);
  }

  changed(): void {
    this.#pump();
  }

  // The state.

  get #hasMail(): boolean {
    const { count, held } = this.#ctx.spool.summary(this.queue);
    return count > held;
  }

  get #flowing(): boolean {
    return this.#state.is === 'up' || this.#state.is === 'draining';
  }

  #goDown(reason: string, fellow?: Run): void {
    this.#state.to('down', reason);
    this.#outcomes.down();
    if (fellow) this.#flow.feed(fellow);
    else this.#flow.shut();
    this.#prober.down();
  }

  #drain(reason: string): void {
    this.#state.to('draining', reason);
    this.#prober.end();
    this.#window.restart();
    this.#outcomes.lives();
    this.#flow.giveBack(this.#aside.pardon());
    this.#flow.open();
    this.#hasten();
  }

  /** Trouble has changed into life: all that was put off is tried now. */
  #hasten(): void {
    this.#lease?.hasten(this.#ctx.clock.now());
    this.#flow.wake();
  }

  #probed(result: ProbeResult, begun: Instant, lease: Lease): void {
    const stale = this.#over || this.#state.is !== 'down' || lease.lost.aborted;
    switch (result.kind) {
      case 'nothing':
        // Mail that is handed out at the moment will be there the next time.
        if (!stale && this.#hasMail) this.#prober.again();
        return;
      case 'life': {
        if (!stale) {
          this.#prober.answered();
          this.#meter.count();
          this.#host = result.line.host;
          this.#drain('it answers');
        }
        const run = this.#flow.adopt(result.line, result.turn, result.answered);
        if (stale) run.retire();
        return;
      }
      case 'fellow':
        this.#fellow(this.#flow.adopt(result.line, result.turn, 0), stale);
        return void (stale || this.#inVain(onlyFellow(result.line), begun, lease));
      case 'trouble':
        if (stale) return;
        this.#host = result.trouble.host ?? this.#host;
        if (result.alive) return void this.#drain('it answers');
        // It is dead now, whatever it did before.
        this.#outcomes.lives();
        return void this.#inVain(result.trouble.text, begun, lease);
      case 'unmoved':
        if (stale) return;
        this.#host = result.host ?? this.#host;
        return void this.#inVain(result.reason, begun, lease);
    }
  }

  /** One of them is enough. */
  #fellow(run: Run, stale: boolean): void {
    if (stale || this.#flow.connections > 1) return void run.retire();
    this.#host = run.line.host;
    this.#flow.feed(run);
  }

  #inVain(reason: string, begun: Instant, lease: Lease): void {
    if (reason === this.#state.reason) this.#log.debug('probe in vain', { why: reason });
    else this.#log.info('probe in vain', { why: reason });
    this.#state.because(reason);
    this.#prober.again();
    const still = () => this.#state.is === 'down' && !this.#over;
    void this.#late.look({ lease, policy: this.#policy, tried: begun, why: reason, still });
  }

  // The turn of the wheel.

  get #lease(): Lease | null {
    return this.#tenure.lease;
  }

  #pump(): void {
    if (this.#over) {
      if (this.#isQuiet) this.#quiet?.();
      return;
    }
    const { clock } = this.#ctx;
    this.#tenure.turn();
    if (!this.#lease) return void this.#arm();
    this.#outcomes.settler.retry();
    if (this.#state.is === 'held' && this.#until !== null && clock.now() >= this.#until)
      return void this.release();
    if (this.#state.is === 'down') {
      if (!this.#outcomes.settler.stuck) this.#prober.turn(this.#lease);
    } else if (this.#flowing) this.#flow.giveBack(this.#aside.due());
    this.#flow.pump();
    if (this.#state.is === 'draining' && this.#flow.done) this.#state.to('up');
    this.#arm();
    if (this.vacant) this.#idle();
  }

  #wake(): void {
    this.#flow.wake();
    if (this.#state.is === 'down') this.#prober.arrived();
  }

  #leased(lease: Lease | null): void {
    if (lease && this.#flowing) this.#flow.open();
    if (!lease && !this.#over) {
      this.#prober.end();
      this.#aside.all();
      this.#flow.shut();
    }
    this.#pump();
  }

  #ring(): void {
    const { clock } = this.#ctx;
    const at = this.#lease?.nextReady() ?? null;
    if (at !== null) {
      // Further away than any interval: it was set by a clock that was wrong.
      if (this.#flowing && at > clock.now() + LONGEST_INTERVAL) this.#hasten();
      else if (at <= clock.now()) this.#wake();
    }
    this.#pump();
  }

  #arm(): void {
    const { clock } = this.#ctx;
    const mono = clock.monotonic();
    const wall = (at: Instant) => mono + Math.max(0, at - clock.now());
    const { settler } = this.#outcomes;
    const ready = (): number | null => {
      const at = this.#lease?.nextReady() ?? null;
      return at === null ? null : Math.min(wall(at), mono + LONGEST_INTERVAL);
    };
    const times: (number | null)[] = [this.#flow.next, settler.retryAt];
    if (!this.#lease) times.push(this.#tenure.at);
    else if (this.#state.is === 'held') times.push(this.#until === null ? null : wall(this.#until));
    else if (this.#state.is === 'down') {
      if (!settler.stuck && !this.#prober.busy) times.push(this.#prober.at ?? ready());
    } else if (this.#flow.starved) times.push(this.#aside.next, ready());
    this.#alarm.by(times);
  }
}

const onlyFellow = (line: Line): string => `the best host does not answer; ${line.host} takes mail meanwhile`;
