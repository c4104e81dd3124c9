/**
 * Who was sent to the primary, and came back: the same sender and recipient, from whatever address, after five
 * minutes. Then the way to the primary is no way for them, whatever we see of it, and they are taken.
 *
 * Promises: bounded (when it is full nobody more is sent away), kept across restarts, written off the mail's way (a
 * crash may cost the last seconds: their sender is sent away once more). RFC 5321 §4.5.4.1 (retries).
 */
import { createHash } from 'node:crypto';
import { type Clock, DAY, type Instant, MINUTE, SECOND, type Timer } from '../base/clock.ts';
import type { Keyed, KeyedTable } from '../base/keyed.ts';

/** Less what both sides lose by counting in whole seconds. */
export const ESCAPE_AFTER = 5 * MINUTE - 10 * SECOND;
/** From its first time on. */
export const ESCAPE_KEPT = 2 * DAY;
const MOST = 50_000;
const WRITE_AFTER = SECOND;
/** One turn of writing. */
const WRITE_AT_ONCE = 200;

export class Escapes {
  readonly #clock: Clock;
  readonly #table: KeyedTable<Instant>;
  readonly #most: number;
  /** The first time of each, the oldest first. */
  readonly #first = new Map<string, Instant>();
  readonly #unwritten = new Map<string, Instant | null>();
  #timer: Timer | null = null;

  constructor(clock: Clock, keyed: Keyed, most: number = MOST) {
    this.#clock = clock;
    this.#table = keyed.table<Instant>('sent to the primary');
    this.#most = most;
    for (const [key, at] of this.#table.entries().sort(([, a], [, b]) => a - b)) this.#first.set(key, at);
    this.#forgetOld();
  }

  /** It was sent away, and its time is over. */
  isBack(site: string, sender: string, recipient: string): boolean {
    return this.#isBack(this.#first.get(keyOf(site, sender, recipient)));
  }

  /** It is sent away. False: it is not, since it is back, or since nobody can be remembered any more. */
  sendAway(site: string, sender: string, recipient: string): boolean {
    const key = keyOf(site, sender, recipient);
    const first = this.#first.get(key);
    const now = this.#clock.now();
    if (first !== undefined && now - first < ESCAPE_KEPT) return !this.#isBack(first);
    this.#forgetOld();
    if (this.#first.size >= this.#most) return false;
    this.#first.delete(key);
    this.#first.set(key, now);
    this.#write(key, now);
    return true;
  }

  get size(): number {
    return this.#first.size;
  }

  /** All of it, now: at the end of the program. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    while (this.#unwritten.size > 0) this.#some();
  }

  #isBack(first: Instant | undefined): boolean {
    if (first === undefined) return false;
    const age = this.#clock.now() - first;
    // After a jump of the clock backwards nobody knows how long ago it was.
    return age < 0 || (age >= ESCAPE_AFTER && age < ESCAPE_KEPT);
  }

  #forgetOld(): void {
    const now = this.#clock.now();
    for (const [key, at] of this.#first) {
      if (now - at < ESCAPE_KEPT) break;
      this.#first.delete(key);
      this.#write(key, null);
    }
  }

  #write(key: string, at: Instant | null): void {
    this.#unwritten.set(key, at);
    this.#timer ??= this.#clock.after(WRITE_AFTER, () => this.#turn());
  }

  #turn(): void {
    this.#timer = null;
    this.#some();
    if (this.#unwritten.size > 0) this.#timer = this.#clock.after(0, () => this.#turn());
  }

  #some(): void {
    let left = WRITE_AT_ONCE;
    for (const [key, at] of this.#unwritten) {
      if (left-- === 0) return;
      this.#unwritten.delete(key);
      if (at === null) this.#table.delete(key);
      else this.#table.set(key, at);
    }
  }
}

/** What stands in the table is no address that could be read from it. */
function keyOf(site: string, sender: string, recipient: string): string {
  const text = `${site}\n${sender.toLowerCase()}\n${recipient.toLowerCase()}`;
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
