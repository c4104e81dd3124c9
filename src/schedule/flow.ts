/**
 * The stream of one queue's entries over its lines: fetches what is ready, keeps lines filled to their
 * depth, opens more as the window allows, closes idle ones. Knows nothing of states; the keeper opens
 * and shuts it, and hears when no line lives any more.
 *
 *   open   fetches, feeds, connects
 *   feed   only feeds the lines that there are (a fellow secondary's, while the best host is down)
 *   shut   nothing new; what is out comes back
 */
import { SECOND } from '../base/clock.ts';
import type { Answered, Broken, Handover, Line, Trouble } from '../handover/port.ts';
import type { Order } from '../site/site.ts';
import type { Entry, EntryId, Lease } from '../spool/port.ts';
import type { Aside } from './aside.ts';
import type { KeeperContext } from './context.ts';
import type { Outcomes } from './outcomes.ts';
import { type Flight, Run, type RunEvents } from './run.ts';
import type { Turn } from './turns.ts';
import { MAILS_A_CONNECTION, type Window } from './window.ts';

export interface FlowEvents {
  /** A line gave an answer. */
  answered(run: Run, flight: Flight, given: Answered): void;
  /** A line is open; not necessarily to the best host. */
  opened(run: Run): void;
  /** No line lives, and the last that was tried answered nothing. */
  dead(trouble: Trouble): void;
  /** Something changed: pump again. */
  changed(): void;
}

export interface FlowParts {
  readonly ctx: KeeperContext;
  readonly window: Window;
  readonly outcomes: Outcomes;
  readonly aside: Aside;
  readonly events: FlowEvents;
  /** The one in force; null while there is none. */
  lease(): Lease | null;
  handover(): Handover;
  /** The policy's bound. */
  connections(): number;
  order(): Order;
  /** May it be handed over? False: it was seen to otherwise. Absent: everything may. */
  admit?(entry: Entry, lease: Lease): boolean;
}

const READ_AHEAD = 100;
/** The keeper's part of "repeats are bounded to entries in flight". */
const MOST_UNSETTLED = 200;
const IDLE = 3 * SECOND;
/** A line is not kept for ever: names are looked up anew, the best host is tried again. */
const MOST_A_LINE = 500;
const FAULT_PAUSE = 5 * SECOND;

export class Flow implements RunEvents {
  readonly #p: FlowParts;
  #mode: 'open' | 'feed' | 'shut' = 'shut';
  #buffer: Entry[] = [];
  #more = true;
  #fetching = false;
  #pausedUntil = 0;
  readonly #runs = new Set<Run>();
  /** Connections asked for and not open yet. */
  #opening = 0;
  #withdraw: (() => void) | null = null;
  #abort = new AbortController();

  constructor(parts: FlowParts) {
    this.#p = parts;
  }

  get connections(): number {
    return this.#runs.size;
  }

  /** A line to the best host lives. */
  get hasBest(): boolean {
    return [...this.#runs].some((r) => r.living && r.line.best);
  }

  get flights(): number {
    let flights = 0;
    for (const run of this.#runs) flights += run.flights;
    return flights;
  }

  /** Nothing is ready and nothing is out. */
  get done(): boolean {
    return this.starved && this.flights === 0;
  }

  /** All that is ready has been given. */
  get starved(): boolean {
    return !this.#more && !this.#fetching && this.#buffer.length === 0;
  }

  /** When an idle line is to be closed, or a fault is over; by the monotonic clock. */
  get next(): number | null {
    const times = [...this.#runs].flatMap((r) =>
      r.only || r.idleSince === null ? [] : [r.idleSince + IDLE],
    );
    if (this.#pausedUntil > this.#p.ctx.clock.monotonic()) times.push(this.#pausedUntil);
    return times.length > 0 ? Math.min(...times) : null;
  }

  open(): void {
    this.#mode = 'open';
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    this.#more = true;
  }

  /** A line that a probe opened; or a caller's own (`only`). */
  adopt(line: Line, turn: Turn, answered: number, only = false): Run {
    const run = new Run(line, turn, this.#p.ctx.clock, this, answered, only);
    this.#runs.add(run);
    return run;
  }

  /** Only this one goes on. */
  feed(keep: Run): void {
    this.shut(keep);
    this.#mode = 'feed';
    this.#more = true;
  }

  shut(keep?: Run): void {
    this.#mode = 'shut';
    this.#abort.abort();
    this.#withdraw?.();
    this.giveBack(this.#buffer.map((e) => e.id));
    this.#buffer = [];
    for (const run of [...this.#runs]) if (run !== keep) run.retire();
  }

  /** The routes may have changed: lines end after what is out, and new ones go the new way. */
  renew(): void {
    for (const run of [...this.#runs]) run.retire();
  }

  /** Shuts, and ends lines without manners. */
  hangUp(): void {
    this.shut();
    for (const run of [...this.#runs]) run.hangUp();
  }

  /** What is out and may have been taken, once it was hung up. */
  get inDoubt(): EntryId[] {
    return [...this.#runs].flatMap((run) => run.inDoubt);
  }

  /** Nothing is out but that. */
  get free(): boolean {
    return [...this.#runs].every((run) => run.inDoubt.length > 0);
  }

  destroy(): void {
    this.shut();
    for (const run of [...this.#runs]) run.destroy();
  }

  /** Something may be ready. */
  wake(): void {
    this.#more = true;
  }

  giveBack(ids: readonly EntryId[]): void {
    if (ids.length === 0) return;
    // Without a lease nothing is handed out any more.
    this.#p.lease()?.giveBack(ids);
    this.#more = true;
  }

  pump(): void {
    const now = this.#p.ctx.clock.monotonic();
    for (const run of [...this.#runs]) {
      if (!run.only && run.idleSince !== null && now - run.idleSince >= IDLE) run.retire();
    }
    const lease = this.#p.lease();
    if (this.#mode === 'shut' || !lease || now < this.#pausedUntil) return;
    if (this.#p.outcomes.settler.stuck || this.#p.outcomes.unsettled >= MOST_UNSETTLED) return;
    if (this.#mode === 'feed' && ![...this.#runs].some((r) => r.living)) return;
    this.#give(lease);
    if (this.#more && !this.#fetching && this.#buffer.length < READ_AHEAD / 2) void this.#fetch(lease);
    if (this.#mode === 'open') this.#connect();
  }

  #give(lease: Lease): void {
    for (const run of this.#runs) {
      while (run.room) {
        const entry = this.#buffer.shift();
        if (!entry) return;
        run.give(entry, lease);
      }
    }
  }

  async #fetch(lease: Lease): Promise<void> {
    this.#fetching = true;
    this.#more = false;
    try {
      const entries = await lease.ready(this.#p.ctx.clock.now(), READ_AHEAD, this.#p.order());
      if (lease.lost.aborted) return;
      // A settle that failed has given its entries back; they are not to be handed over again for that.
      const free = entries.filter((e) => !this.#p.outcomes.settler.has(e.id));
      if (this.#mode === 'shut' || this.#p.lease() !== lease) lease.giveBack(free.map((e) => e.id));
      else this.#buffer.push(...free.filter((e) => this.#p.admit?.(e, lease) ?? true));
      if (entries.length > 0) this.#more = true;
    } catch (error) {
      this.#p.ctx.log.error('queue could not be read', { queue: lease.queue, why: String(error) });
      this.#pausedUntil = this.#p.ctx.clock.monotonic() + FAULT_PAUSE;
      this.#more = true;
    } finally {
      this.#fetching = false;
      this.#p.events.changed();
    }
  }

  #connect(): void {
    const allowed = Math.min(this.#p.window.allowed, this.#p.connections());
    while (
      !this.#withdraw &&
      this.#buffer.length > this.#opening &&
      this.#runs.size + this.#opening < allowed
    ) {
      this.#opening++;
      const { signal } = this.#abort;
      let waits = true;
      const withdraw = this.#p.ctx.lines.ask((turn) => {
        waits = false;
        this.#withdraw = null;
        void this.#open(turn, signal);
      });
      if (!waits) continue;
      this.#withdraw = () => {
        withdraw();
        this.#withdraw = null;
        this.#opening--;
      };
    }
  }

  async #open(turn: Turn, signal: AbortSignal): Promise<void> {
    const line = await this.#p.handover().connect(signal);
    this.#opening--;
    if (line.kind === 'trouble') {
      turn.end();
      if (!signal.aborted) this.#trouble(line, false);
    } else if (signal.aborted) {
      void line.close().then(() => turn.end());
    } else {
      this.#p.events.opened(this.adopt(line, turn, 0));
    }
    this.#p.events.changed();
  }

  answered(run: Run, flight: Flight, given: Answered): void {
    this.#p.aside.answered(flight.entry.id);
    // A turn is about ten mails long, when others wait for theirs.
    const turnOver = this.#p.ctx.lines.wanted && run.answered % MAILS_A_CONNECTION === 0;
    if (!run.only && (turnOver || run.worn || run.answered >= MOST_A_LINE)) run.retire();
    this.#p.events.answered(run, flight, given);
    this.#p.events.changed();
  }

  broken(run: Run, flight: Flight, given: Broken, culprit: boolean): void {
    const { entry, lease } = flight;
    if (!this.#p.outcomes.broken(flight, given)) {
      // Only what reached the mail itself may have been its doing.
      const ours = !lease.lost.aborted && lease === this.#p.lease();
      const aside = culprit && ours && this.#p.aside.take(entry);
      // Also of a lease that is over: it may have been in doubt.
      if (!aside) lease.giveBack([entry.id]);
      this.#more = true;
    }
    if (culprit) this.#trouble(given.trouble, run.answered > 0);
    this.#p.events.changed();
  }

  gone(run: Run): void {
    this.#runs.delete(run);
    this.#p.events.changed();
  }

  unreadable(flight: Flight, why: string): void {
    this.#p.outcomes.unreadable(flight.entry, why);
  }

  /** `lived`: the line had answered mails before, so the site may well go on living: one more try. */
  #trouble(trouble: Trouble, lived: boolean): void {
    if (this.#mode === 'shut') return;
    const others = [...this.#runs].some((r) => r.living);
    if (others || trouble.cause === 'busy') this.#p.window.halve();
    if (!others && !lived) this.#p.events.dead(trouble);
  }
}
