/**
 * One open line and the entries that are on it. Turns entries into parcels and answers into calls;
 * decides nothing. Every entry that was given comes back by exactly one call of `answered` or `broken`.
 */
import type { Clock, Instant } from '../base/clock.ts';
import { Linked, type Place } from '../base/linked.ts';
import type { Answered, Broken, Line, Parcel, Trouble } from '../handover/port.ts';
import type { Entry, EntryId, Lease } from '../spool/port.ts';
import { pendingOf } from './judge.ts';
import type { Turn } from './turns.ts';

/** One entry on its way. */
export interface Flight {
  readonly entry: Entry;
  readonly lease: Lease;
  /** Indices of the recipients that are tried; parallel to the parcel's. */
  readonly pending: readonly number[];
  /** When the try began, by the wall clock. */
  readonly begun: Instant;
}

export function takeOff(entry: Entry, lease: Lease, clock: Clock): Flight {
  return { entry, lease, pending: pendingOf(entry), begun: clock.now() };
}

/** `unreadable`: the content could not be opened; the handover then puts the mail off. */
export function parcelOf({ entry, lease, pending }: Flight, unreadable: (why: string) => void): Parcel {
  const all = entry.envelope.recipients;
  const envelope =
    pending.length === all.length
      ? entry.envelope
      : { ...entry.envelope, recipients: all.filter((_, i) => pending.includes(i)) };
  return {
    id: entry.id,
    envelope,
    origin: entry.origin,
    size: entry.size,
    open: async () => {
      try {
        const content = await lease.open(entry.id);
        if (!('kind' in content)) return content;
        unreadable(content.kind === 'corrupt' ? content.why : 'removed');
      } catch (error) {
        unreadable(String(error));
      }
      return null;
    },
  };
}

export interface RunEvents {
  answered(run: Run, flight: Flight, given: Answered): void;
  /** `culprit`: it was this one's turn when the line broke; the others only stood behind it. */
  broken(run: Run, flight: Flight, given: Broken, culprit: boolean): void;
  /** No flight is out any more and the line is closed. */
  gone(run: Run): void;
  unreadable(flight: Flight, why: string): void;
}

/** With what is pipelined behind it, still below the ten of Postfix. */
const MOST_REFUSED = 6;

export class Run {
  readonly line: Line;
  /** The caller's own connection: there is no other, so it is used to the end. */
  readonly only: boolean;
  readonly #turn: Turn;
  readonly #clock: Clock;
  readonly #events: RunEvents;
  readonly #flights = new Linked<Flight>();
  /** Hung up, while what may have been taken is out. */
  #inDoubt = false;
  #answered: number;
  /** Recipients refused since the line last took a mail. */
  #refused = 0;
  #idleSince: number;
  #trouble: Trouble | null = null;
  #retired = false;
  #over = false;

  /** `answered`: what the line has answered before, as a probe. */
  constructor(line: Line, turn: Turn, clock: Clock, events: RunEvents, answered = 0, only = false) {
    this.line = line;
    this.only = only;
    this.#answered = answered;
    this.#turn = turn;
    this.#clock = clock;
    this.#events = events;
    this.#idleSince = clock.monotonic();
  }

  /** Entries that are out. */
  get flights(): number {
    return this.#flights.size;
  }

  /** Those that are out and may have been taken, once it was hung up. */
  get inDoubt(): readonly EntryId[] {
    return this.#inDoubt ? [...this.#flights].map(({ entry }) => entry.id) : [];
  }

  /** Entries that it has had an answer for. */
  get answered(): number {
    return this.#answered;
  }

  /**
   * So many recipients were refused in a row that the site may soon take us for an attacker: Postfix
   * slows a client down after ten errors without a mail taken, and hangs up after twenty.
   */
  get worn(): boolean {
    return this.#refused >= MOST_REFUSED;
  }

  /** Neither broken nor on its way out. */
  get living(): boolean {
    return !this.#retired;
  }

  /** May another entry be given now? */
  get room(): boolean {
    return !this.#retired && this.#flights.size < Math.max(1, this.line.depth);
  }

  /** Since when nothing is out, by the monotonic clock; null while busy or retired. */
  get idleSince(): number | null {
    return this.#retired || this.#flights.size > 0 ? null : this.#idleSince;
  }

  give(entry: Entry, lease: Lease): void {
    if (this.#flights.size === 0) this.#turn.use();
    const flight = takeOff(entry, lease, this.#clock);
    const place = this.#flights.add(flight);
    const parcel = parcelOf(flight, (why) => this.#events.unreadable(flight, why));
    void this.line.give(parcel).then((given) => this.#returned(place, flight, given));
  }

  /** Takes no more; is closed when all that is out has come back. Idempotent. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#flights.size === 0) this.#end();
  }

  /** Takes no more and ends as soon as may be (`Line.hangUp`). */
  hangUp(): void {
    this.#retired = true;
    this.#inDoubt = this.line.hangUp();
    if (this.#flights.size === 0) this.#end();
  }

  /** Cuts it. What is out comes back broken. */
  destroy(): void {
    this.#retired = true;
    this.line.destroy();
    if (this.#flights.size === 0) this.#end();
  }

  #returned(place: Place<Flight>, flight: Flight, given: Answered | Broken): void {
    this.#flights.remove(place);
    this.#idleSince = this.#clock.monotonic();
    if (given.kind === 'answered') {
      this.#answered++;
      if (given.outcomes.some((o) => o.kind === 'delivered')) this.#refused = 0;
      else this.#refused += given.outcomes.length;
      this.#events.answered(this, flight, given);
    } else {
      const culprit = this.#trouble === null;
      this.#trouble ??= given.trouble;
      this.#retired = true;
      this.#events.broken(this, flight, given, culprit);
    }
    if (this.#flights.size > 0) return;
    if (this.#retired) this.#end();
    else this.#turn.lend(() => this.retire());
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const gone = () => {
      this.#turn.end();
      this.#events.gone(this);
    };
    if (this.#trouble === null) void this.line.close().then(gone);
    else {
      this.line.destroy();
      gone();
    }
  }
}
