/**
 * The keeper of a queue whose site is not pushed to: it calls, and from its call to the end of the queue mail
 * is handed over (DESIGN.md §5; `state.ts` has the table). Over connections that we open (ETRN, a call over
 * HTTPS, an operator's word), over the caller's own (ODMR), or by another who borrows the lease (a mailbox).
 *
 * Promises: between calls nothing is probed and no timer runs but that of expiry. The site's trouble ends a
 * call, with its reason, and fails no mail; the site calls again. A mail whose time (`hold`) is over fails
 * at the end of the next call that cannot take it; `uncalled.ts` tells what happens if no call comes.
 */
import type { Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Answered, Handover, Line, Trouble } from '../handover/port.ts';
import type { CallAnswer } from '../site/call.ts';
import type { Entry, Lease, QueueName } from '../spool/port.ts';
import { Alarm } from './alarm.ts';
import { Aside } from './aside.ts';
import { Call, CallBook } from './call.ts';
import type { KeeperContext, KeeperOptions } from './context.ts';
import { Flow, type FlowEvents } from './flow.ts';
import { Late } from './late.ts';
import { type Lent, type LoanCounts, Loans, type NotLent, notLent } from './lending.ts';
import { Meter } from './meter.ts';
import { Outcomes } from './outcomes.ts';
import type { QueuePolicy, Way } from './policy.ts';
import type { QueueKeeper } from './queue-keeper.ts';
import type { Flight, Run } from './run.ts';
import { QueueState } from './state.ts';
import { Tenure } from './tenure.ts';
import type { Turn } from './turns.ts';
import { Uncalled } from './uncalled.ts';
import type { KeeperView } from './view.ts';
import { Window } from './window.ts';

/** Mails below this go in any case: a note about one is as large. */
const LEAST = 4096;
/** The caller's own connection takes no place of ours. */
const ITS_OWN: Turn = { end() {}, lend() {}, use() {} };

/** Opens the caller's own connection from our side, once it is turned round. */
export type Turned = (signal: AbortSignal) => Promise<Line | Trouble>;

export class CalledKeeper implements QueueKeeper, FlowEvents {
  readonly queue: QueueName;
  readonly way: Way;
  readonly #ctx: KeeperContext;
  readonly #log: Log;
  #handover: Handover;
  #policy: QueuePolicy;
  readonly #state: QueueState;
  readonly #window = new Window();
  readonly #aside: Aside;
  readonly #meter: Meter;
  readonly #outcomes: Outcomes;
  readonly #flow: Flow;
  readonly #tenure: Tenure;
  readonly #late: Late;
  readonly #uncalled: Uncalled;
  readonly #alarm: Alarm;
  readonly #book: CallBook;
  #host: string | null = null;
  #until: Instant | null = null;
  /** Under way, its last answers included. */
  #call: Call | null = null;
  /** It ends when all that is out has come back; `why`: before the end of the queue. */
  #ending: { readonly why: string | null } | null = null;
  /** Another call came while one ended. */
  #next: string | null = null;
  /** Entries that broke a line have had their turn in this call. */
  #asideToo = false;
  /** Of the caller's own connection, until it speaks. */
  #opening: AbortController | null = null;
  readonly #loans: Loans;
  #over = false;
  #quiet: (() => void) | null = null;

  constructor(ctx: KeeperContext, { queue, handover, policy }: KeeperOptions) {
    this.queue = queue;
    this.way = policy.way;
    this.#ctx = ctx;
    this.#log = ctx.log.child({ queue });
    this.#handover = handover;
    this.#policy = policy;
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
      lease: () => this.#lease,
      handover: () => this.#handover,
      connections: () => this.#policy.connections,
      order: () => this.#policy.order,
      admit: (entry, lease) => this.#admit(entry, lease),
    });
    this.#late = new Late(this.#log, ctx.patience, this.#outcomes);
    this.#uncalled = new Uncalled(ctx, queue, this.#late);
    this.#tenure = new Tenure(ctx, queue, this.#log, (lease) => this.#leased(lease));
    this.#loans = new Loans(ctx, queue, this.#log, this.#tenure);
    this.#alarm = new Alarm(ctx.clock, () => this.#pump());
    this.#book = new CallBook(ctx.clock, this.#log, queue, ctx.calls);
    const held = ctx.held.get(queue);
    this.#until = held?.until ?? null;
    this.#state = new QueueState(ctx.clock, this.#log, held ? 'held' : 'waiting', held?.reason ?? null);
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
      reason: state === 'waiting' ? this.#book.waits : this.#state.reason,
      since: this.#state.since,
      until: state === 'held' ? this.#until : null,
      nextProbe: null,
      rate,
      estimate: state === 'calling' && rate > 0 ? ((count - held) / rate) * 1000 : null,
      connections: this.#flow.connections,
      host: this.#host,
      wary: this.#outcomes.wary.on,
      calls: {
        last: this.#book.last,
        keptUntil: this.#uncalled.keptUntil(this.#policy),
      },
    };
  }

  // Calls.

  /** `turned`: the mail goes over the caller's own connection. */
  call(by: string, turned?: Turned): CallAnswer {
    const state = this.#state.is;
    const queued = this.#queued;
    if (state === 'held' || this.#over) return { kind: 'held' };
    if ((this.way === 'turn') !== (turned !== undefined) || this.way === 'lend')
      return { kind: 'another way' };
    if (state === 'calling') {
      if (this.#ending && !turned) this.#next = by;
      return { kind: 'under way', queued };
    }
    if (queued === 0) {
      this.#book.ended(new Call(by, this.#ctx.clock.now()), 0, null);
      return { kind: 'empty' };
    }
    this.#begin(by);
    if (turned) void this.#turn(turned, new AbortController());
    else this.#flow.open();
    this.#pump();
    return { kind: 'begun', queued };
  }

  /** Gives the lease to `by` for a time (`lending.ts`). */
  async lend(by: string): Promise<Lent | NotLent> {
    if (this.way !== 'lend') return notLent('another way', `${this.queue} is not collected so`);
    const held = this.#state.is === 'held';
    if (held) return notLent('held', `held: ${this.#state.reason ?? ''}`);
    if (!this.#waits()) return notLent('busy', this.#state.reason ?? 'it ends');
    const call = this.#begin(by);
    const lent = await this.#loans.give(
      by,
      () => this.#call === call && !this.#ending,
      (counts) => this.#returned(call, counts),
    );
    if (lent.kind === 'not lent') this.#returned(call, { mails: 0, octets: 0, why: lent.text });
    return lent;
  }

  #returned(call: Call, counts: LoanCounts): void {
    if (this.#call === call) {
      call.mails = counts.mails;
      call.octets = counts.octets;
      call.refused = counts.refused ?? 0;
      this.#ending ??= { why: counts.why ?? null };
    }
    this.#pump();
  }

  #begin(by: string): Call {
    const { clock } = this.#ctx;
    this.#state.to('calling', by);
    this.#call = new Call(by, clock.now());
    this.#window.restart();
    this.#outcomes.lives();
    this.#asideToo = false;
    this.#lease?.hasten(clock.now());
    return this.#call;
  }

  async #turn(turned: Turned, abort: AbortController): Promise<void> {
    this.#opening = abort;
    const line = await turned(abort.signal);
    this.#opening = null;
    if (line.kind === 'trouble') this.#end(line.text);
    else {
      this.#host = line.host;
      const run = this.#flow.adopt(line, ITS_OWN, 0, true);
      if (this.#state.is === 'calling' && !this.#ending && !this.#over) this.#flow.feed(run);
      else run.retire();
    }
    this.#pump();
  }

  /** Nothing new is handed out; the call is over when all that is out has come back. */
  #end(why: string | null): void {
    if (!this.#call || this.#ending) return;
    this.#ending = { why };
    this.#opening?.abort();
    this.#flow.shut();
  }

  #finish(call: Call, why: string | null): void {
    this.#call = null;
    this.#ending = null;
    this.#book.ended(call, this.#queued, why);
    this.#handover.callOver?.();
    if (this.#state.is !== 'calling') return;
    this.#state.to('waiting');
    const lease = this.#lease;
    // A loan says nothing of mails that were left: they have the time of those that nobody called for.
    if (why !== null && lease && this.way !== 'lend') {
      void this.#late.look({ lease, policy: this.#policy, tried: call.begun, why, still: this.#waits });
    }
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.call(next);
  }

  // What the flow tells.

  answered(_run: Run, flight: Flight, given: Answered): void {
    const { answer } = this.#outcomes.answered(flight, given, true);
    this.#meter.count();
    this.#call?.count(answer, flight.entry.size);
    const delivered = given.outcomes.some((o) => o.kind === 'delivered');
    this.#window.answered(delivered ? given.latency : null, this.#policy.connections);
    if (this.#outcomes.puttingOff) {
      const said = given.outcomes.find((o) => o.kind === 'deferred');
      this.#end(`it puts off every mail: ${said ? said.reply.text.join(' ') : ''}`);
    }
  }

  opened(run: Run): void {
    this.#host = run.line.host;
  }

  dead(trouble: Trouble): void {
    this.#host = trouble.host ?? this.#host;
    this.#end(trouble.text);
  }

  changed(): void {
    this.#pump();
  }

  /** A mail that is too large for the site's link stays here, and the site gets a note of it, once. */
  #admit(entry: Entry, lease: Lease): boolean {
    const { largest } = this.#policy;
    if (largest === undefined || entry.size <= Math.max(largest, LEAST) || this.#outcomes.isLetGo(entry))
      return true;
    this.#outcomes.tooLarge(entry, lease, largest);
    return false;
  }

  // Words of others.

  arrived(): void {
    this.#flow.wake();
    this.#pump();
  }

  flush(): boolean {
    const { kind } = this.call('an operator');
    return kind === 'begun' || kind === 'under way' || kind === 'empty';
  }

  trouble(why: string): void {
    this.#log.warn('trouble of the site', { why });
    this.#end(why);
    this.#pump();
  }

  hold(reason: string, until: Instant | null): void {
    this.#ctx.held.set(this.queue, { reason, until });
    this.#until = until;
    if (this.#state.is === 'held') return void this.#state.because(reason);
    this.#state.to('held', reason);
    this.#next = null;
    this.#end(`held: ${reason}`);
    void this.#loans.recall();
    this.#flow.giveBack(this.#aside.all());
    this.#pump();
  }

  release(): void {
    this.#ctx.held.delete(this.queue);
    this.#until = null;
    if (this.#state.is === 'held') this.#state.to('waiting', 'released');
    this.#pump();
  }

  change(handover: Handover, policy: QueuePolicy): void {
    this.#handover = handover;
    this.#policy = policy;
    if (this.way === 'call') this.#flow.renew();
    this.#pump();
  }

  clockJumped(): void {
    this.#alarm.cancel();
    this.#pump();
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#next = null;
    this.#end('we end, or it is collected in another way now');
    this.#alarm.cancel();
    await this.#loans.recall();
    if (!this.#isQuiet) await new Promise<void>((resolve) => (this.#quiet = resolve));
    if (this.#call) this.#finish(this.#call, this.#ending?.why ?? null);
    await this.#tenure.release();
    this.#alarm.cancel();
  }

  cut(): void {
    this.#opening?.abort();
    this.#flow.destroy();
    this.#quiet?.();
  }

  // The turn of the wheel.

  get #lease(): Lease | null {
    return this.#tenure.lease;
  }

  get #queued(): number {
    const { count, held } = this.#ctx.spool.summary(this.queue);
    return count - held;
  }

  get #isQuiet(): boolean {
    const out = this.#opening || this.#loans.out || this.#flow.connections > 0;
    return !out && this.#outcomes.unsettled === 0;
  }

  readonly #waits = (): boolean => this.#state.is === 'waiting' && !this.#over;

  #pump(): void {
    if (this.#over) {
      if (this.#isQuiet) this.#quiet?.();
      return;
    }
    const { clock } = this.#ctx;
    this.#tenure.turn();
    this.#outcomes.settler.retry();
    if (this.#state.is === 'held' && this.#until !== null && clock.now() >= this.#until) {
      return void this.release();
    }
    if (this.#lease && this.#call && !this.#ending) this.#go();
    if (this.#call && this.#ending && this.#isQuiet) this.#finish(this.#call, this.#ending.why);
    if (this.#waits()) this.#look();
    this.#arm();
  }

  #go(): void {
    this.#flow.pump();
    if (this.#opening || this.#outcomes.unsettled > 0) return;
    if (this.#flow.done) {
      // Those that broke a line come last, or one of them would stop all behind it at each call.
      const aside = this.#asideToo ? [] : this.#aside.all();
      this.#asideToo = true;
      if (aside.length === 0) this.#end(null);
      this.#flow.giveBack(aside);
      this.#flow.pump();
    } else if (this.way === 'turn' && this.#flow.connections === 0) {
      this.#end('its connection ended before the end of the queue');
    }
  }

  #look(): void {
    const lease = this.#lease;
    if (!lease) return;
    const lastCall = this.#book.last[0]?.ended;
    const looks = this.#uncalled.turn({ lease, policy: this.#policy, lastCall, still: this.#waits });
    // Nobody tries these now.
    if (looks) this.#flow.giveBack(this.#aside.all());
  }

  #leased(lease: Lease | null): void {
    if (lease && this.#call && !this.#ending) {
      lease.hasten(this.#ctx.clock.now());
      this.#flow.wake();
    }
    if (!lease && !this.#over && this.#call && this.way !== 'lend') {
      this.#aside.all();
      this.#end('the queue was taken from us');
    }
    this.#pump();
  }

  #arm(): void {
    const { clock } = this.#ctx;
    const mono = clock.monotonic();
    const wall = (at: Instant) => mono + Math.max(0, at - clock.now());
    const times: (number | null)[] = [this.#flow.next, this.#outcomes.settler.retryAt, this.#tenure.at];
    if (this.#state.is === 'held' && this.#until !== null) times.push(wall(this.#until));
    if (this.#state.is === 'waiting' && this.#lease) times.push(this.#uncalled.at(this.#policy));
    this.#alarm.by(times);
  }
}
