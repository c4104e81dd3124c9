/**
 * How much of something a key has used lately: one mechanism for all limits. A level that each use raises and
 * time lowers (a leaky bucket): `count` may come at once, and `count` more in each `span`.
 *
 * Bounded: `base/generations.ts`.
 */
import type { Clock } from '../base/clock.ts';
import { Generations } from '../base/generations.ts';

export interface Allowance {
  readonly count: number;
  /** Milliseconds. */
  readonly span: number;
}

/** Keys that are remembered at most; an account takes some 200 octets. */
const ROOM = 50_000;

/** What one key has used, of several kinds of things. */
export class Account {
  readonly #levels: number[];
  readonly #times: number[];

  constructor(kinds: number) {
    this.#levels = Array<number>(kinds).fill(0);
    this.#times = Array<number>(kinds).fill(0);
  }

  /** What is used of `kind` at this moment (monotonic). */
  level(kind: number, { count, span }: Allowance, now: number): number {
    const level = this.#levels[kind] ?? 0;
    if (level === 0) return 0;
    return Math.max(0, level - ((now - (this.#times[kind] ?? 0)) * count) / span);
  }

  /** Does `amount` still fit in? Takes nothing. */
  fits(kind: number, allowance: Allowance, now: number, amount = 1): boolean {
    return this.level(kind, allowance, now) + amount <= allowance.count;
  }

  /** Takes it, whether it fits or not; at most twice the allowance is remembered against anybody. */
  spend(kind: number, allowance: Allowance, now: number, amount = 1): void {
    this.#levels[kind] = Math.min(this.level(kind, allowance, now) + amount, 2 * allowance.count);
    this.#times[kind] = now;
  }
}

export class Accounts {
  readonly #kinds: number;
  readonly #accounts: Generations<Account>;

  constructor(kinds: number, room = ROOM) {
    this.#kinds = kinds;
    this.#accounts = new Generations(room);
  }

  of(key: string): Account {
    const there = this.#accounts.get(key);
    if (there) return there;
    const account = new Account(this.#kinds);
    this.#accounts.set(key, account);
    return account;
  }
}

/** One thing, one allowance, for each key. */
export class Rate {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  readonly #accounts = new Accounts(1);

  constructor(clock: Clock, count: number, span: number) {
    this.#clock = clock;
    this.#allowance = { count, span };
  }

  /** Counts one, if it is not one too many; false: it is. */
  take(key: string): boolean {
    const now = this.#clock.monotonic();
    const account = this.#accounts.of(key);
    if (!account.fits(0, this.#allowance, now)) return false;
    account.spend(0, this.#allowance, now);
    return true;
  }

  /** Has it had its share? Counts nothing. */
  spent(key: string): boolean {
    return !this.#accounts.of(key).fits(0, this.#allowance, this.#clock.monotonic());
  }
}
