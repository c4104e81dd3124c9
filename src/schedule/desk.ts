/**
 * What a keeper works with, whichever way its queue is collected: the lease, what becomes of answers, the one timer, an
 * operator's hold. Joins its parts and decides nothing: that do `keeper.ts` and `called.ts`.
 */
import type { Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Handover } from '../handover/port.ts';
import type { EntryId, Lease, QueueName } from '../spool/port.ts';
import { Alarm } from './alarm.ts';
import { Aside } from './aside.ts';
import type { KeeperContext, KeeperOptions } from './context.ts';
import type { FlowParts } from './flow.ts';
import { Late } from './late.ts';
import type { Leaving } from './leaving.ts';
import { Meter } from './meter.ts';
import { Outcomes } from './outcomes.ts';
import type { QueuePolicy } from './policy.ts';
import type { QueueState } from './state.ts';
import { Tenure } from './tenure.ts';
import type { KeeperView } from './view.ts';
import { Window } from './window.ts';

export interface DeskEvents {
  /** Something changed. */
  changed(): void;
  /** The lease came, or, with null, was lost. */
  leased(lease: Lease | null): void;
  /** A time has come. */
  ring(): void;
}

export class Desk {
  readonly ctx: KeeperContext;
  readonly queue: QueueName;
  readonly log: Log;
  readonly window = new Window();
  readonly aside: Aside;
  readonly meter: Meter;
  readonly outcomes: Outcomes;
  readonly late: Late;
  readonly tenure: Tenure;
  readonly alarm: Alarm;
  handover: Handover;
  policy: QueuePolicy;
  /** The one spoken to last. */
  host: string | null = null;
  #until: Instant | null;

  constructor(ctx: KeeperContext, { queue, handover, policy }: KeeperOptions, events: DeskEvents) {
    this.ctx = ctx;
    this.queue = queue;
    this.log = ctx.log.child({ queue });
    this.handover = handover;
    this.policy = policy;
    this.aside = new Aside(ctx.clock);
    this.meter = new Meter(ctx.clock);
    const changed = () => events.changed();
    this.outcomes = new Outcomes(ctx, queue, () => this.policy, changed);
    this.late = new Late(this.log, ctx.patience, this.outcomes);
    this.tenure = new Tenure(ctx, queue, this.log, (lease) => events.leased(lease));
    this.alarm = new Alarm(ctx.clock, () => events.ring());
    this.#until = ctx.held.get(queue)?.until ?? null;
  }

  get lease(): Lease | null {
    return this.tenure.lease;
  }

  /** Mails that may be handed over, now or later. */
  get queued(): number {
    const { count, held } = this.ctx.spool.summary(this.queue);
    return count - held;
  }

  /** For a flow of this queue. */
  get flowParts(): Omit<FlowParts, 'events'> {
    return {
      ctx: this.ctx,
      window: this.window,
      outcomes: this.outcomes,
      aside: this.aside,
      lease: () => this.lease,
      handover: () => this.handover,
      connections: () => this.policy.connections,
      order: () => this.policy.order,
    };
  }

  /** While all that is out comes back: what could not be stored is stored yet. */
  ebb(leaving: Leaving | null): void {
    const { settler } = this.outcomes;
    settler.retry();
    leaving?.turn();
    this.alarm.by([settler.retryAt]);
  }

  /** For good: another may have the queue, but for `inDoubt` (`Lease.release`). */
  async leave(inDoubt: readonly EntryId[]): Promise<void> {
    if (inDoubt.length > 0)
      this.log.warn('given up with mail in doubt', { entries: inDoubt, host: this.host });
    await this.tenure.release(inDoubt);
    this.alarm.cancel();
  }

  // An operator's hold, kept over a start.

  /** Why it is held; null: it is not. */
  get heldFor(): string | null {
    return this.ctx.held.get(this.queue)?.reason ?? null;
  }

  /** Its end, by the monotonic clock; null: it has none. */
  get holdEnds(): number | null {
    return this.#until === null ? null : this.monotonic(this.#until);
  }

  get holdIsOver(): boolean {
    return this.#until !== null && this.ctx.clock.now() >= this.#until;
  }

  hold(reason: string, until: Instant | null): void {
    this.ctx.held.set(this.queue, { reason, until });
    this.#until = until;
  }

  release(): void {
    this.ctx.held.delete(this.queue);
    this.#until = null;
  }

  /** What all keepers tell alike; `working`: they hand over, and know how long that takes. */
  view(state: QueueState, working: boolean): Omit<KeeperView, 'nextProbe' | 'connections'> {
    const { rate } = this.meter;
    return {
      queue: this.queue,
      state: state.is,
      reason: state.reason,
      since: state.since,
      until: state.is === 'held' ? this.#until : null,
      rate,
      estimate: working && rate > 0 ? (this.queued / rate) * 1000 : null,
      host: this.host,
      wary: this.outcomes.wary.on,
    };
  }

  /** A moment of the wall clock by the monotonic one; never before now. */
  monotonic(at: Instant): number {
    const { clock } = this.ctx;
    return clock.monotonic() + Math.max(0, at - clock.now());
  }
}
