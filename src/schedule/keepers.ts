/**
 * The supervisor: a keeper for each queue that the spool has or gets, the bound of connections over all
 * of them, the heartbeat, and what is done for all queues once in a while.
 */
import { type Clock, HOUR, type Instant, MINUTE, SECOND, type Timer } from '../base/clock.ts';
import type { Keyed } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { Handover } from '../handover/port.ts';
import type { Notices } from '../notify/notices.ts';
import type { CallAnswer } from '../site/call.ts';
import { OPERATOR_QUEUE, type QueueName, type Spool } from '../spool/port.ts';
import { CalledKeeper, type Turned } from './called.ts';
import type { Heard, HeldQueue, KeeperContext } from './context.ts';
import type { Random } from './intervals.ts';
import { Keeper } from './keeper.ts';
import type { Leaving } from './leaving.ts';
import type { Lent, NotLent } from './lending.ts';
import { type Heartbeat, Patience } from './patience.ts';
import type { QueuePolicy } from './policy.ts';
import type { QueueKeeper } from './queue-keeper.ts';
import { sweep } from './sweep.ts';
import { Turns } from './turns.ts';
import type { CallSummary, KeepersView, KeeperView } from './view.ts';

export interface KeepersOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly notices: Notices;
  /** Keeps the heartbeat and the queues that an operator holds. */
  readonly keyed: Keyed;
  /** Our name as a holder of leases. */
  readonly holder?: string;
  /** Null: the queue is handed over by nobody (OPERATOR_QUEUE, a site that is gone). */
  readonly handoverFor: (queue: QueueName) => Handover | null;
  readonly policyFor: (queue: QueueName) => QueuePolicy | null;
  /** Who wants to know which recipients a site takes. */
  readonly heard?: Heard;
  /** Configuration `notices.undeliverable`, as it is now: milliseconds, or undefined for ever. */
  readonly undeliverable?: () => number | undefined;
  /** Most connections over all queues, and most probes beside them. */
  readonly connections?: number;
  readonly probes?: number;
}

const CONNECTIONS = 200;
const PROBES = 500;
/** That lines have to finish what is on its way, when the program ends. */
const GRACE = 4 * SECOND;
const HEARTBEAT = MINUTE;
const SWEEP = HOUR;
/** The first probes of a start are spread over this much for each queue, within these bounds. */
const SPREAD_EACH = 20;
const SPREAD_LEAST = SECOND;
const SPREAD_MOST = 30 * SECOND;

export class Keepers implements KeepersView {
  readonly #options: KeepersOptions;
  readonly #ctx: KeeperContext;
  readonly #keepers = new Map<QueueName, QueueKeeper>();
  /** Keepers that end, while their lines do. */
  readonly #leaving = new Map<QueueKeeper, Leaving>();
  #jumps = 0;
  #beat: Timer | null = null;
  #sweptAt = 0;
  #sweeping = false;
  #unsubscribe: (() => void) | null = null;
  #over = false;

  constructor(options: KeepersOptions) {
    this.#options = options;
    const { spool, clock, log, random, notices, keyed, handoverFor, policyFor } = options;
    this.#ctx = {
      spool,
      clock,
      log,
      random,
      notices,
      holder: options.holder ?? 'restante',
      patience: new Patience(clock, keyed.table<Heartbeat>('keepers'), log),
      held: keyed.table<HeldQueue>('held queues'),
      calls: keyed.table<readonly CallSummary[]>('calls'),
      lines: new Turns(options.connections ?? CONNECTIONS),
      probes: new Turns(options.probes ?? PROBES),
      handoverFor,
      policyFor,
      ...(options.heard && { heard: options.heard }),
    };
  }

  /** A keeper for each queue that is there, and for each that mail comes into. */
  start(): void {
    const { spool, random, clock } = this.#ctx;
    this.#unsubscribe = spool.onArrival((queue) => this.#arrived(queue));
    const queues = [...spool.queues()].map((q) => q.queue);
    const spread = Math.min(SPREAD_MOST, Math.max(SPREAD_LEAST, queues.length * SPREAD_EACH));
    for (const queue of queues) this.#keep(queue, random() * spread);
    // Shown as held, though there is no mail for them yet.
    for (const [queue] of this.#ctx.held.entries()) this.#keep(queue, null);
    this.#sweptAt = clock.monotonic();
    this.#tick();
  }

  /** Gives lines `ms` to finish what is on its way, then cuts them. */
  async stop(ms: number = GRACE): Promise<void> {
    this.#over = true;
    this.#unsubscribe?.();
    this.#beat?.cancel();
    for (const keeper of [...this.#keepers.values()]) this.#drop(keeper);
    const deadline = this.#ctx.clock.after(ms, () => {
      for (const keeper of this.#leaving.keys()) keeper.cut();
    });
    await Promise.all([...this.#leaving.values()].map((leaving) => leaving.ended));
    deadline.cancel();
    this.#ctx.patience.beat();
  }

  /** Routes or policies may have changed. */
  reload(): void {
    for (const [queue, keeper] of this.#keepers) {
      const way = this.#way(queue);
      // Another way to collect is another keeper; it gets the lease when the old one has let go.
      if (way && keeper.way === way.policy.way) keeper.change(way.handover, way.policy);
      else this.#drop(keeper);
    }
    for (const { queue } of this.#ctx.spool.queues()) this.#keep(queue, 0);
  }

  /** An ETRN, a connection from the primary's address, a call with the site's token. */
  signOfLife(queue: QueueName, why: string): void {
    const keeper = this.#keepers.get(queue);
    if (keeper instanceof Keeper) keeper.signOfLife(why);
  }

  /** The site calls for its mail. `turned`: over the connection on which it did. */
  call(queue: QueueName, by: string, turned?: Turned): CallAnswer {
    const keeper = this.#keep(queue, null);
    if (keeper instanceof CalledKeeper) return keeper.call(by, turned);
    if (!keeper || turned) return { kind: 'another way' };
    if (keeper.view().state === 'held') return { kind: 'held' };
    if (keeper instanceof Keeper) keeper.signOfLife(by);
    return { kind: 'alive', queued: this.#ctx.spool.summary(queue).count };
  }

  /** Somebody who speaks with the site takes the queue's lease for a time (`lending.ts`). */
  async lend(queue: QueueName, by: string): Promise<Lent | NotLent> {
    const keeper = this.#keep(queue, null);
    if (keeper instanceof CalledKeeper) return keeper.lend(by);
    return { kind: 'not lent', why: 'another way', text: `${queue} is not collected so` };
  }

  /** The site does something that only its operator can mend: no mail is given to it but by probes. */
  trouble(queue: QueueName, why: string): void {
    this.#keepers.get(queue)?.trouble(why);
  }

  view(queue: QueueName): KeeperView | null {
    return this.#keepers.get(queue)?.view() ?? null;
  }

  *views(): Iterable<KeeperView> {
    for (const keeper of this.#keepers.values()) yield keeper.view();
  }

  flush(queue: QueueName): boolean {
    return this.#keepers.get(queue)?.flush() ?? false;
  }

  async hold(queue: QueueName, reason: string, until: Instant | null): Promise<void> {
    this.#ctx.log.info('queue held', { queue, why: reason, until });
    this.#keep(queue, null)?.hold(reason, until);
  }

  async release(queue: QueueName): Promise<void> {
    this.#ctx.log.info('queue released', { queue });
    this.#ctx.held.delete(queue);
    this.#keepers.get(queue)?.release();
  }

  #arrived(queue: QueueName): void {
    const keeper = this.#keepers.get(queue);
    if (keeper) keeper.arrived();
    else this.#keep(queue, null);
  }

  #way(queue: QueueName): { handover: Handover; policy: QueuePolicy } | null {
    if (queue === OPERATOR_QUEUE) return null;
    const handover = this.#ctx.handoverFor(queue);
    const policy = this.#ctx.policyFor(queue);
    return handover && policy ? { handover, policy } : null;
  }

  #keep(queue: QueueName, probeIn: number | null): QueueKeeper | null {
    const there = this.#keepers.get(queue);
    if (there || this.#over) return there ?? null;
    const way = this.#way(queue);
    if (!way) return null;
    // Foreign domains are many and seldom met twice.
    const idle = (): void => void (queue.startsWith('>') && this.#drop(keeper));
    const options = { queue, ...way, probeIn, idle };
    const pushed = way.policy.way === 'push';
    const keeper: QueueKeeper = pushed
      ? new Keeper(this.#ctx, options)
      : new CalledKeeper(this.#ctx, options);
    this.#keepers.set(queue, keeper);
    // After a change of the way those before it may still have the lease, until their lines have ended.
    const before = [...this.#leaving].filter(([leaving]) => leaving.queue === queue);
    if (before.length === 0) keeper.start();
    else void Promise.all(before.map(([, leaving]) => leaving.freed)).then(() => keeper.start());
    return keeper;
  }

  #drop(keeper: QueueKeeper): void {
    if (this.#keepers.get(keeper.queue) !== keeper) return;
    this.#keepers.delete(keeper.queue);
    const leaving = keeper.stop();
    this.#leaving.set(keeper, leaving);
    void leaving.ended.finally(() => this.#leaving.delete(keeper));
  }

  #tick(): void {
    const { clock, patience, log } = this.#ctx;
    patience.beat();
    if (patience.jumps !== this.#jumps) {
      this.#jumps = patience.jumps;
      for (const keeper of this.#keepers.values()) keeper.clockJumped();
    }
    if (!this.#sweeping && clock.monotonic() - this.#sweptAt >= SWEEP) {
      this.#sweeping = true;
      this.#sweptAt = clock.monotonic();
      void sweep(this.#ctx, this.#options.undeliverable?.())
        .catch((error: unknown) => log.error('held mail could not be looked through', { why: String(error) }))
        .finally(() => (this.#sweeping = false));
    }
    this.#beat = clock.after(HEARTBEAT, () => this.#tick());
  }
}
