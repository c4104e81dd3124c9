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
import type { Answered, Handover, Line, Trouble } from '../handover/port.ts';
import type { CallAnswer } from '../site/call.ts';
import type { Entry, Lease, QueueName } from '../spool/port.ts';
import { Call, CallBook } from './call.ts';
import type { KeeperContext, KeeperOptions } from './context.ts';
import { Desk } from './desk.ts';
import { Flow, type FlowEvents } from './flow.ts';
import { Large } from './large.ts';
import { Leaving } from './leaving.ts';
import { type Lent, type LoanCounts, Loans, type NotLent, notLent } from './lending.ts';
import type { QueuePolicy, Way } from './policy.ts';
import type { QueueKeeper } from './queue-keeper.ts';
import type { Flight, Run } from './run.ts';
import { QueueState } from './state.ts';
import type { Turn } from './turns.ts';
import { Uncalled } from './uncalled.ts';
import type { KeeperView } from './view.ts';

/** The caller's own connection takes no place of ours. */
const ITS_OWN: Turn = { end() {}, lend() {}, use() {} };

/** Opens the caller's own connection from our side, once it is turned round. */
export type Turned = (signal: AbortSignal) => Promise<Line | Trouble>;

export class CalledKeeper implements QueueKeeper, FlowEvents {
  readonly queue: QueueName;
  readonly way: Way;
  readonly #desk: Desk;
  readonly #state: QueueState;
  readonly #flow: Flow;
  readonly #large: Large;
  readonly #uncalled: Uncalled;
  readonly #book: CallBook;
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
  #leaving: Leaving | null = null;

  constructor(ctx: KeeperContext, options: KeeperOptions) {
    const { queue, policy } = options;
    this.queue = queue;
    this.way = policy.way;
    const desk = new Desk(ctx, options, {
      changed: () => this.#pump(),
      leased: (lease) => this.#leased(lease),
      ring: () => this.#pump(),
    });
    this.#desk = desk;
    this.#large = new Large(ctx.spool, desk.outcomes, () => desk.policy.largest);
    const admit = (entry: Entry, lease: Lease) => this.#large.admit(entry, lease);
    this.#flow = new Flow({ ...desk.flowParts, events: this, admit });
    this.#uncalled = new Uncalled(ctx, queue, desk.late);
    this.#loans = new Loans(ctx, queue, desk.log, desk.tenure);
    this.#book = new CallBook(ctx.clock, desk.log, queue, ctx.calls);
    const held = desk.heldFor;
    this.#state = new QueueState(ctx.clock, desk.log, held !== null ? 'held' : 'waiting', held);
  }

  start(): void {
    this.#desk.tenure.soon();
    this.#pump();
  }

  view(): KeeperView {
    const view = this.#desk.view(this.#state, this.#state.is === 'calling');
    return {
      ...view,
      reason: view.state === 'waiting' ? this.#book.waits : view.reason,
      nextProbe: null,
      connections: this.#flow.connections,
      calls: { last: this.#book.last, keptUntil: this.#uncalled.keptUntil(this.#desk.policy) },
    };
  }

  // Calls.

  /** `turned`: the mail goes over the caller's own connection. */
  call(by: string, turned?: Turned): CallAnswer {
    const state = this.#state.is;
    const queued = this.#desk.queued;
    if (state === 'held' || this.#over) return { kind: 'held' };
    if ((this.way === 'turn') !== (turned !== undefined) || this.way === 'lend')
      return { kind: 'another way' };
    if (state === 'calling') {
      if (this.#ending && !turned) this.#next = by;
      return { kind: 'under way', queued };
    }
    if (queued === 0) {
      this.#book.ended(new Call(by, this.#desk.ctx.clock.now()), 0, null);
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
    else {
      await this.#large.keepBack(lent.lease).catch((error: unknown) => {
        this.#desk.log.error('large mail could not be kept back', { why: String(error) });
      });
    }
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
    const { clock } = this.#desk.ctx;
    this.#state.to('calling', by);
    this.#call = new Call(by, clock.now());
    this.#desk.window.restart();
    this.#desk.outcomes.lives();
    this.#asideToo = false;
    this.#desk.lease?.hasten(clock.now());
    return this.#call;
  }

  async #turn(turned: Turned, abort: AbortController): Promise<void> {
    this.#opening = abort;
    const line = await turned(abort.signal);
    this.#opening = null;
    if (line.kind === 'trouble') this.#end(line.text);
    else {
      this.#desk.host = line.host;
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
    this.#book.ended(call, this.#desk.queued, why);
    // What the handover knows of its caller is that of the next call, once there is one: its address, above all.
    if (this.#next === null) this.#desk.handover.callOver?.();
    if (this.#state.is !== 'calling') return;
    this.#state.to('waiting');
    const lease = this.#desk.lease;
    // A loan says nothing of mails that were left: they have the time of those that nobody called for.
    if (why !== null && lease && this.way !== 'lend') {
      void this.#desk.late.look({
        lease,
        policy: this.#desk.policy,
        tried: call.begun,
        why,
        still: this.#waits,
      });
    }
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.call(next);
  }

  // What the flow tells.

  answered(_run: Run, flight: Flight, given: Answered): void {
    const { answer } = this.#desk.outcomes.answered(flight, given, true);
    this.#desk.meter.count();
    this.#call?.count(answer, flight.entry.size, given.sent);
    const delivered = given.outcomes.some((o) => o.kind === 'delivered');
    this.#desk.window.answered(delivered ? given.latency : null, this.#desk.policy.connections);
    if (this.#desk.outcomes.puttingOff) {
      const said = given.outcomes.find((o) => o.kind === 'deferred');
      this.#end(`it puts off every mail: ${said ? said.reply.text.join(' ') : ''}`);
    }
  }

  opened(run: Run): void {
    this.#desk.host = run.line.host;
  }

  dead(trouble: Trouble): void {
    this.#desk.host = trouble.host ?? this.#desk.host;
    this.#end(trouble.text);
  }

  changed(): void {
    this.#pump();
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
    this.#desk.log.warn('trouble of the site', { why });
    this.#end(why);
    this.#pump();
  }

  hold(reason: string, until: Instant | null): void {
    this.#desk.hold(reason, until);
    if (this.#state.is === 'held') return void this.#state.because(reason);
    this.#state.to('held', reason);
    this.#next = null;
    this.#end(`held: ${reason}`);
    void this.#loans.recall();
    this.#flow.giveBack(this.#desk.aside.all());
    this.#pump();
  }

  release(): void {
    this.#desk.release();
    if (this.#state.is === 'held') this.#state.to('waiting', 'released');
    this.#pump();
  }

  change(handover: Handover, policy: QueuePolicy): void {
    this.#desk.handover = handover;
    this.#desk.policy = policy;
    if (this.way === 'call') this.#flow.renew();
    this.#pump();
  }

  clockJumped(): void {
    this.#desk.alarm.cancel();
    this.#pump();
  }

  stop(): Leaving {
    this.#over = true;
    this.#next = null;
    this.#end('we end, or it is collected in another way now');
    this.#desk.alarm.cancel();
    // Who has borrowed the queue hears of it by `lease.lost`, and ends within its own bounds.
    void this.#loans.recall();
    this.#leaving = new Leaving(this.#desk.ctx.clock, {
      quiet: () => this.#isQuiet,
      free: () =>
        this.#flow.free && !this.#opening && !this.#loans.out && this.#desk.outcomes.unsettled === 0,
      hangUp: () => this.#flow.hangUp(),
      release: () => {
        const { inDoubt } = this.#flow;
        if (this.#call) this.#finish(this.#call, this.#ending?.why ?? null);
        return this.#desk.leave(inDoubt);
      },
    });
    this.#desk.ebb(this.#leaving);
    return this.#leaving;
  }

  cut(): void {
    this.#opening?.abort();
    this.#flow.destroy();
    this.#leaving?.cut();
  }

  // The turn of the wheel.

  get #isQuiet(): boolean {
    const out = this.#opening || this.#loans.out || this.#flow.connections > 0;
    return !out && this.#desk.outcomes.unsettled === 0;
  }

  readonly #waits = (): boolean => this.#state.is === 'waiting' && !this.#over;

  #pump(): void {
    if (this.#over) return void this.#desk.ebb(this.#leaving);
    this.#desk.tenure.turn();
    this.#desk.outcomes.settler.retry();
    if (this.#state.is === 'held' && this.#desk.holdIsOver) return void this.release();
    if (this.#desk.lease && this.#call && !this.#ending) this.#go();
    if (this.#call && this.#ending && this.#isQuiet) this.#finish(this.#call, this.#ending.why);
    if (this.#waits()) this.#look();
    this.#arm();
  }

  #go(): void {
    this.#flow.pump();
    if (this.#opening || this.#desk.outcomes.unsettled > 0) return;
    if (this.#flow.done) {
      // Those that broke a line come last, or one of them would stop all behind it at each call.
      const aside = this.#asideToo ? [] : this.#desk.aside.all();
      this.#asideToo = true;
      if (aside.length === 0) this.#end(null);
      this.#flow.giveBack(aside);
      this.#flow.pump();
    } else if (this.way === 'turn' && this.#flow.connections === 0) {
      this.#end('its connection ended before the end of the queue');
    }
  }

  #look(): void {
    const lease = this.#desk.lease;
    if (!lease) return;
    const lastCall = this.#book.last[0]?.ended;
    const looks = this.#uncalled.turn({ lease, policy: this.#desk.policy, lastCall, still: this.#waits });
    // Nobody tries these now.
    if (looks) this.#flow.giveBack(this.#desk.aside.all());
  }

  #leased(lease: Lease | null): void {
    if (lease && this.#call && !this.#ending) {
      lease.hasten(this.#desk.ctx.clock.now());
      this.#flow.wake();
    }
    if (!lease && !this.#over && this.#call && this.way !== 'lend') {
      this.#desk.aside.all();
      this.#end('the queue was taken from us');
    }
    this.#pump();
  }

  #arm(): void {
    const times: (number | null)[] = [
      this.#flow.next,
      this.#desk.outcomes.settler.retryAt,
      this.#desk.tenure.at,
    ];
    if (this.#state.is === 'held') times.push(this.#desk.holdEnds);
    if (this.#state.is === 'waiting' && this.#desk.lease) times.push(this.#uncalled.at(this.#desk.policy));
    this.#desk.alarm.by(times);
  }
}
