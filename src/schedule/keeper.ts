/**
 * The keeper of one queue: its state, its probes, its drain (DESIGN.md §5). It alone settles outcomes
 * and moves the state (`state.ts` has the table).
 *
 * Promises: while `down`, one connection per interval and nothing else, however long the queue is. The
 * site's trouble fails no mail and moves no mail's own clock. An idle keeper has no timer, any other
 * has one.
 */
import type { Instant } from '../base/clock.ts';
import type { Answered, Handover, Line, Trouble } from '../handover/port.ts';
import type { Lease, QueueName } from '../spool/port.ts';
import type { KeeperContext, KeeperOptions } from './context.ts';
import { Desk } from './desk.ts';
import { Flow, type FlowEvents } from './flow.ts';
import { LONGEST_INTERVAL } from './intervals.ts';
import { Leaving } from './leaving.ts';
import type { QueuePolicy } from './policy.ts';
import type { ProbeResult } from './probe.ts';
import { Prober } from './prober.ts';
import type { QueueKeeper } from './queue-keeper.ts';
import type { Flight, Run } from './run.ts';
import { QueueState } from './state.ts';
import type { KeeperView } from './view.ts';

export class Keeper implements QueueKeeper, FlowEvents {
  readonly queue: QueueName;
  readonly way = 'push';
  readonly #desk: Desk;
  readonly #idle: () => void;
  readonly #state: QueueState;
  readonly #flow: Flow;
  readonly #prober: Prober;
  #over = false;
  #leaving: Leaving | null = null;

  constructor(ctx: KeeperContext, options: KeeperOptions) {
    const { queue, probeIn, idle } = options;
    this.queue = queue;
    this.#idle = idle;
    const desk = new Desk(ctx, options, {
      changed: () => this.#pump(),
      leased: (lease) => this.#leased(lease),
      ring: () => this.#ring(),
    });
    this.#desk = desk;
    this.#flow = new Flow({ ...desk.flowParts, events: this });
    this.#prober = new Prober({
      ...desk.flowParts,
      log: desk.log,
      cap: () => desk.policy.probe,
      fellow: () => this.#flow.connections > 0,
      probed: (result, begun, lease) => {
        this.#probed(result, begun, lease);
        this.#pump();
      },
    });
    if (probeIn !== null) this.#prober.first(probeIn);
    const held = desk.heldFor;
    const first = held !== null ? 'held' : probeIn === null ? 'up' : 'down';
    const reason = held ?? (first === 'down' ? 'not tried since the start' : null);
    this.#state = new QueueState(ctx.clock, desk.log, first, reason);
    if (first === 'down') desk.outcomes.down();
  }

  start(): void {
    this.#desk.tenure.soon();
    this.#pump();
  }

  view(): KeeperView {
    return {
      ...this.#desk.view(this.#state, this.#state.is === 'draining'),
      nextProbe: this.#state.is === 'down' ? this.#prober.next : null,
      connections: this.#flow.connections + (this.#prober.busy ? 1 : 0),
    };
  }

  /** Nothing to look after: up, empty, no line. */
  get vacant(): boolean {
    return (
      this.#state.is === 'up' &&
      this.#flow.connections === 0 &&
      this.#flow.starved &&
      this.#desk.outcomes.unsettled === 0 &&
      this.#desk.ctx.spool.summary(this.queue).count === 0
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
    if (this.#prober.soon('sign')) this.#desk.log.info('sign of life', { why });
    this.#pump();
  }

  /** An operator's word: everything, now. False when it is held. */
  flush(): boolean {
    const state = this.#state.is;
    if (state === 'held') return false;
    this.#desk.lease?.hasten(this.#desk.ctx.clock.now());
    this.#flow.giveBack(this.#desk.aside.all());
    if (state === 'down') this.#prober.soon('word');
    if (state === 'up' && this.#hasMail) this.#state.to('draining', 'flushed');
    this.arrived();
    return true;
  }

  trouble(why: string): void {
    this.#desk.log.warn('trouble of the site', { why });
    if (this.#state.is === 'held') return;
    if (this.#flowing) this.#goDown(why);
    else this.#state.because(why);
    this.#pump();
  }

  hold(reason: string, until: Instant | null): void {
    this.#desk.hold(reason, until);
    if (this.#state.is === 'held') return void this.#state.because(reason);
    this.#state.to('held', reason);
    this.#prober.end();
    this.#flow.giveBack(this.#desk.aside.all());
    this.#flow.shut();
    this.#pump();
  }

  release(): void {
    this.#desk.release();
    if (this.#state.is !== 'held') return;
    this.#drain('released');
    this.#pump();
  }

  /** A reload: other routes, other limits. */
  change(handover: Handover, policy: QueuePolicy): void {
    this.#desk.handover = handover;
    this.#desk.policy = policy;
    this.#flow.renew();
    if (this.#state.is === 'down') this.#prober.soon('word');
    this.#pump();
  }

  /** The wall clock jumped: what was computed from it is computed anew. */
  clockJumped(): void {
    this.#desk.alarm.cancel();
    this.#ring();
  }

  stop(): Leaving {
    this.#over = true;
    this.#prober.end();
    this.#flow.shut();
    this.#desk.alarm.cancel();
    this.#leaving = new Leaving(this.#desk.ctx.clock, {
      quiet: () => this.#isQuiet,
      free: () =>
        this.#flow.free &&
        (!this.#prober.busy || this.#prober.inDoubt.length > 0) &&
        this.#desk.outcomes.unsettled === 0,
      hangUp: () => {
        this.#prober.hangUp();
        this.#flow.hangUp();
      },
      release: () => this.#desk.leave([...this.#flow.inDoubt, ...this.#prober.inDoubt]),
    });
    this.#desk.ebb(this.#leaving);
    return this.#leaving;
  }

  /** At once: what is out comes back broken. */
  cut(): void {
    this.#flow.destroy();
    this.#leaving?.cut();
  }

  get #isQuiet(): boolean {
    return !this.#prober.busy && this.#flow.connections === 0 && this.#desk.outcomes.unsettled === 0;
  }

  // What the flow tells.

  answered(run: Run, flight: Flight, given: Answered): void {
    const { learned } = this.#desk.outcomes.answered(flight, given, run.line.best);
    this.#desk.meter.count();
    if (!run.line.best) return;
    this.#prober.answered();
    const delivered = given.outcomes.some((o) => o.kind === 'delivered');
    this.#desk.window.answered(delivered ? given.latency : null, this.#desk.policy.connections);
    if (learned) this.#hasten();
    if (this.#desk.outcomes.puttingOff && this.#flowing) {
      const said = given.outcomes.find((o) => o.kind === 'deferred');
      this.#goDown(`puts off every mail: ${said ? said.reply.text.join(' ') : ''}`);
    }
  }

  opened(run: Run): void {
    this.#desk.host = run.line.host;
    const worse = !run.line.best && !this.#flow.hasBest;
    if (worse && this.#flowing) this.#goDown(onlyFellow(run.line), run);
  }

  dead(trouble: Trouble): void {
    this.#desk.host = trouble.host ?? this.#desk.host;
    if (this.#flowing) this.#goDown(trouble.text);
  }

  changed(): void {
    this.#pump();
  }

  // The state.

  get #hasMail(): boolean {
    return this.#desk.queued > 0;
  }

  get #flowing(): boolean {
    return this.#state.is === 'up' || this.#state.is === 'draining';
  }

  #goDown(reason: string, fellow?: Run): void {
    this.#state.to('down', reason);
    this.#desk.outcomes.down();
    if (fellow) this.#flow.feed(fellow);
    else this.#flow.shut();
    this.#prober.down();
  }

  #drain(reason: string): void {
    this.#state.to('draining', reason);
    this.#prober.end();
    this.#desk.window.restart();
    this.#desk.outcomes.lives();
    this.#flow.giveBack(this.#desk.aside.pardon());
    this.#flow.open();
    this.#hasten();
  }

  /** Trouble has changed into life: all that was put off is tried now. */
  #hasten(): void {
    this.#desk.lease?.hasten(this.#desk.ctx.clock.now());
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
          this.#desk.meter.count();
          this.#desk.host = result.line.host;
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
        this.#desk.host = result.trouble.host ?? this.#desk.host;
        if (result.alive) return void this.#drain('it answers');
        // It is dead now, whatever it did before.
        this.#desk.outcomes.lives();
        return void this.#inVain(result.trouble.text, begun, lease);
      case 'unmoved':
        if (stale) return;
        this.#desk.host = result.host ?? this.#desk.host;
        return void this.#inVain(result.reason, begun, lease);
    }
  }

  /** One of them is enough. */
  #fellow(run: Run, stale: boolean): void {
    if (stale || this.#flow.connections > 1) return void run.retire();
    this.#desk.host = run.line.host;
    this.#flow.feed(run);
  }

  #inVain(reason: string, begun: Instant, lease: Lease): void {
    if (reason === this.#state.reason) this.#desk.log.debug('probe in vain', { why: reason });
    else this.#desk.log.info('probe in vain', { why: reason });
    this.#state.because(reason);
    this.#prober.again();
    const still = () => this.#state.is === 'down' && !this.#over;
    void this.#desk.late.look({ lease, policy: this.#desk.policy, tried: begun, why: reason, still });
  }

  // The turn of the wheel.

  #pump(): void {
    if (this.#over) return void this.#desk.ebb(this.#leaving);
    this.#desk.tenure.turn();
    if (!this.#desk.lease) return void this.#arm();
    this.#desk.outcomes.settler.retry();
    if (this.#state.is === 'held' && this.#desk.holdIsOver) return void this.release();
    if (this.#state.is === 'down') {
      if (!this.#desk.outcomes.settler.stuck) this.#prober.turn(this.#desk.lease);
    } else if (this.#flowing) this.#flow.giveBack(this.#desk.aside.due());
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
      this.#desk.aside.all();
      this.#flow.shut();
    }
    this.#pump();
  }

  #ring(): void {
    const { clock } = this.#desk.ctx;
    const at = this.#desk.lease?.nextReady() ?? null;
    if (at !== null) {
      // Further away than any interval: it was set by a clock that was wrong.
      if (this.#flowing && at > clock.now() + LONGEST_INTERVAL) this.#hasten();
      else if (at <= clock.now()) this.#wake();
    }
    this.#pump();
  }

  #arm(): void {
    const { clock } = this.#desk.ctx;
    const { settler } = this.#desk.outcomes;
    const ready = (): number | null => {
      const at = this.#desk.lease?.nextReady() ?? null;
      return at === null ? null : Math.min(this.#desk.monotonic(at), clock.monotonic() + LONGEST_INTERVAL);
    };
    const times: (number | null)[] = [this.#flow.next, settler.retryAt];
    if (!this.#desk.lease) times.push(this.#desk.tenure.at);
    else if (this.#state.is === 'held') times.push(this.#desk.holdEnds);
    else if (this.#state.is === 'down') {
      if (!settler.stuck && !this.#prober.busy) times.push(this.#prober.at ?? ready());
    } else if (this.#flow.starved) times.push(this.#desk.aside.next, ready());
    this.#desk.alarm.by(times);
  }
}

const onlyFellow = (line: Line): string => `the best host does not answer; ${line.host} takes mail meanwhile`;
