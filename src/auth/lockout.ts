/**
 * Who may try a password now, and how long an answer is held back. Bounded, in memory, forgotten at a
 * restart. The rule:
 *
 * - By address (IPv6: by /64). Each failure doubles the time that the answer is held back, from half a second
 *   to 5 s. Failures are forgiven one every 5 minutes. The tenth locks the address out for a minute, each
 *   later one for twice as long, an hour at most: in the long run about one guess in 5 minutes. While
 *   it is locked nothing is looked at and nothing is counted.
 * - By name. A name alone is never locked, or anybody could lock out a site by guessing at it. While a name
 *   has ten failures that are not forgiven, each answer about it, right or wrong, is held back for at
 *   least 3 s, and each failure counts double for its address.
 * - An address from which a name has logged in (in the last 30 days) has a count of its own for that name:
 *   neither strangers' guesses at the name, nor failures with other names behind the same address (NAT), slow
 *   it down or lock it out.
 * - Names without a secret are treated as those with one.
 * - At most 8 attempts of one address are looked at at once, and fewer when it has failed: attempts
 *   side by side gain nothing.
 *
 * When a table is full the entry that was touched longest ago is forgotten.
 */
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { clientKey } from '../protocol/listen/address.ts';
import { Table } from './table.ts';

const FORGIVE = 5 * MINUTE;
const LIMIT = 10;
const LOCK = MINUTE;
const LONGEST_LOCK = HOUR;
const FIRST_DELAY = SECOND / 2;
const LONGEST_DELAY = 5 * SECOND;
const NAME_DELAY = 3 * SECOND;
const FAMILIAR = 30 * DAY;
const AT_ONCE = 8;
const ROOM = 10_000;

/** Failures that are not forgiven yet, of an address, a name, or a name at an address. */
interface Count {
  level: number;
  /** When `level` was true, by the monotonic clock. */
  at: number;
  lockedUntil: number;
  /** Attempts that are being looked at. */
  pending: number;
}

/** One attempt that is being looked at. Exactly one of the three is called, once. */
export interface Ticket {
  /** The password was right. Milliseconds to hold the answer back. */
  succeed(): number;
  /** It was wrong. `locked`: from now on, for so many milliseconds. */
  fail(): { readonly delay: number; readonly locked: number };
  /** Nothing was found out. */
  drop(): void;
}

export class Lockout {
  readonly #clock: Clock;
  readonly #addresses: Table<Count>;
  readonly #names: Table<Count>;
  readonly #familiar: Table<Count & { seen: number }>;

  constructor(clock: Clock, room = ROOM) {
    this.#clock = clock;
    this.#addresses = new Table(room);
    this.#names = new Table(room);
    this.#familiar = new Table(room);
  }

  /** Null: not now. */
  admit(address: string, name: string): Ticket | null {
    const now = this.#clock.monotonic();
    const block = clientKey(address);
    const pair = `${block} ${name}`;
    const familiar = this.#known(pair, now);
    const count = familiar ?? this.#addresses.touch(block, () => fresh(now));
    const level = levelAt(count, now);
    if (count.lockedUntil > now || count.pending >= (level < 1 ? AT_ONCE : Math.max(1, LIMIT - level))) {
      return null;
    }
    count.pending++;
    return {
      succeed: () => {
        count.pending--;
        return this.#succeeded(pair, name, familiar !== undefined);
      },
      fail: () => {
        count.pending--;
        return this.#failed(count, name, familiar !== undefined);
      },
      drop: () => {
        count.pending--;
      },
    };
  }

  #known(pair: string, now: number): Count | undefined {
    const found = this.#familiar.get(pair);
    return found && now - found.seen < FAMILIAR ? found : undefined;
  }

  #succeeded(pair: string, name: string, familiar: boolean): number {
    const now = this.#clock.monotonic();
    this.#familiar.touch(pair, () => ({ ...fresh(now), seen: now })).seen = now;
    return !familiar && this.#guessedAt(name, now) ? NAME_DELAY : 0;
  }

  #failed(count: Count, name: string, familiar: boolean): { delay: number; locked: number } {
    const now = this.#clock.monotonic();
    const guessedAt = !familiar && this.#guessedAt(name, now);
    raise(count, guessedAt ? 2 : 1, now);
    raise(
      this.#names.touch(name, () => fresh(now)),
      1,
      now,
    );
    // What was forgiven while answers were held back does not count.
    const level = Math.round(count.level);
    const locked = level < LIMIT ? 0 : Math.min(LOCK * 2 ** (level - LIMIT), LONGEST_LOCK);
    count.lockedUntil = Math.max(count.lockedUntil, now + locked);
    const delay = Math.min(FIRST_DELAY * 2 ** (level - 1), LONGEST_DELAY);
    return { delay: Math.max(delay, guessedAt ? NAME_DELAY : 0), locked };
  }

  #guessedAt(name: string, now: number): boolean {
    const count = this.#names.get(name);
    return count !== undefined && levelAt(count, now) >= LIMIT;
  }
}

const fresh = (now: number): Count => ({ level: 0, at: now, lockedUntil: now, pending: 0 });

const levelAt = (count: Count, now: number): number => Math.max(0, count.level - (now - count.at) / FORGIVE);

function raise(count: Count, by: number, now: number): void {
  count.level = levelAt(count, now) + by;
  count.at = now;
}
