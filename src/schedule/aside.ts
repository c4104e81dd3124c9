/**
 * Entries that stand aside: each met the site's trouble on a line that was open. It is nobody's fault
 * (§5: trouble moves no mail's own clock), but if it is tried first again and again, one mail that
 * breaks its line would stop all behind it. They stay handed out, in memory only.
 */
import { type Clock, MINUTE } from '../base/clock.ts';
import type { Entry, EntryId } from '../spool/port.ts';

/** For the first, the second, and every further time. */
const PAUSES = [MINUTE, 5 * MINUTE, 30 * MINUTE];
/** Beyond it entries are simply given back. */
const MOST = 200;

interface Standing {
  readonly entry: Entry;
  readonly until: number;
}

export class Aside {
  readonly #clock: Clock;
  readonly #standing = new Map<EntryId, Standing>();
  /** How often an entry broke its line; until it is answered. */
  readonly #strikes = new Map<EntryId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False if there is no room: then it has to be given back. */
  take(entry: Entry): boolean {
    const strikes = (this.#strikes.get(entry.id) ?? 0) + 1;
    if (this.#standing.size >= MOST || (this.#strikes.size >= MOST && strikes === 1)) return false;
    this.#strikes.set(entry.id, strikes);
    const pause = PAUSES[Math.min(strikes, PAUSES.length) - 1] ?? MINUTE;
    this.#standing.set(entry.id, { entry, until: this.#clock.monotonic() + pause });
    return true;
  }

  /** It was answered after all. */
  answered(id: EntryId): void {
    this.#strikes.delete(id);
  }

  /** When the next one comes back, by the monotonic clock. */
  get next(): number | null {
    let next: number | null = null;
    for (const { until } of this.#standing.values()) if (next === null || until < next) next = until;
    return next;
  }

  /** Those whose time has come. */
  due(): EntryId[] {
    return this.#leave((s) => s.until <= this.#clock.monotonic());
  }

  /** The site lives: those that broke one line only were probably not the cause. */
  pardon(): EntryId[] {
    return this.#leave((s) => (this.#strikes.get(s.entry.id) ?? 0) <= 1);
  }

  all(): EntryId[] {
    return this.#leave(() => true);
  }

  /** The one that waits longest, for a probe that has nothing else. */
  takeBack(): Entry | null {
    const [first] = this.#standing.values();
    if (!first) return null;
    this.#standing.delete(first.entry.id);
    return first.entry;
  }

  #leave(which: (standing: Standing) => boolean): EntryId[] {
    const ids: EntryId[] = [];
    for (const [id, standing] of this.#standing) if (which(standing)) ids.push(id);
    for (const id of ids) this.#standing.delete(id);
    return ids;
  }
}
