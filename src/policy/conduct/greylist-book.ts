/**
 * What the greylist remembers: when a mail was first tried, that it came back, and how often mails of a network did.
 * In memory, and behind it in the knowledge store, so that a restart asks nobody twice.
 *
 * Promises: ROOM of each at most, the longest unused go first; nobody waits for the disk: what has changed is written
 * in small groups, a little later. A crash may cost the last seconds of it: somebody waits a second time.
 */
import { createHash } from 'node:crypto';
import { type Clock, type Instant, SECOND, type Timer } from '../../base/clock.ts';
import type { KeyedTable } from '../../base/keyed.ts';
import type { Greylist as Rules } from '../../config/conduct.ts';

/** Mails, and networks. */
const ROOM = 100_000;
const WRITE_EVERY = SECOND / 10;
/** Rows in one go: a few milliseconds. */
const WRITE_MOST = 200;

/** A mail: tried first at `at`; or, once it came back, last used at `at`. A network: last used at `at`, mails that came back. */
export interface Remembered {
  readonly at: Instant;
  readonly back: number;
}

export type Tried =
  | {
      readonly kind: 'taken' /** Milliseconds since its first try, if this is what it waited for. */;
      readonly waited?: number;
    }
  | { readonly kind: 'wait'; readonly first: boolean /** Milliseconds. */; readonly left: number };

export class GreylistBook {
  readonly #clock: Clock;
  readonly #table: KeyedTable<Remembered>;
  readonly #room: number;
  /** By last use: the first in it goes first. Keys: `m` and a digest of a mail, `n` and a network. */
  readonly #book = new Map<string, Remembered>();
  readonly #changed = new Set<string>();
  #timer: Timer | undefined;

  constructor(clock: Clock, table: KeyedTable<Remembered>, room = ROOM) {
    this.#clock = clock;
    this.#table = table;
    this.#room = room;
    const kept = table.entries().sort(([, a], [, b]) => a.at - b.at);
    for (const [key, value] of kept) this.#remember(key, value, false);
  }

  get size(): number {
    return this.#book.size;
  }

  tried(network: string, mail: string, rules: Rules): Tried {
    const now = this.#clock.now();
    const net = `n${network}`;
    const trusted = this.#live(net, rules.keep, now);
    if (rules.trustAfter > 0 && trusted && trusted.back >= rules.trustAfter) {
      this.#remember(net, { ...trusted, at: now });
      return { kind: 'taken' };
    }
    const key = `m${createHash('sha256').update(`${network}\0${mail}`).digest('base64url').slice(0, 22)}`;
    const before = this.#book.get(key);
    // The wall clock may have jumped: what lies ahead of us is a first try.
    const age = before === undefined || before.at > now ? undefined : now - before.at;
    if (before !== undefined && age !== undefined) {
      if (before.back > 0 && age < rules.keep) {
        this.#remember(key, { at: now, back: before.back });
        return { kind: 'taken' };
      }
      if (before.back === 0 && age < rules.delay)
        return { kind: 'wait', first: false, left: rules.delay - age };
      if (before.back === 0 && age < rules.retry) {
        this.#remember(key, { at: now, back: 1 });
        this.#remember(net, { at: now, back: (trusted?.back ?? 0) + 1 });
        return { kind: 'taken', waited: age };
      }
    }
    this.#remember(key, { at: now, back: 0 });
    return { kind: 'wait', first: true, left: rules.delay };
  }

  /** Writes all that has changed. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const key of this.#changed) this.#write(key);
    this.#changed.clear();
  }

  #live(key: string, keep: number, now: Instant): Remembered | undefined {
    const found = this.#book.get(key);
    return found && found.at <= now && now - found.at < keep ? found : undefined;
  }

  #remember(key: string, value: Remembered, write = true): void {
    this.#book.delete(key);
    this.#book.set(key, value);
    if (write) this.#change(key);
    if (this.#book.size <= this.#room) return;
    const [oldest] = this.#book.keys();
    if (oldest === undefined) return;
    this.#book.delete(oldest);
    this.#change(oldest);
  }

  #change(key: string): void {
    // More than can be written: what is left out is asked again after a restart.
    if (this.#changed.size >= this.#room) return;
    this.#changed.add(key);
    this.#timer ??= this.#clock.after(WRITE_EVERY, () => this.#writeSome());
  }

  #writeSome(): void {
    this.#timer = undefined;
    let left = WRITE_MOST;
    for (const key of this.#changed) {
      if (left-- === 0) break;
      this.#changed.delete(key);
      this.#write(key);
    }
    if (this.#changed.size > 0) this.#timer = this.#clock.after(WRITE_EVERY, () => this.#writeSome());
  }

  #write(key: string): void {
    const value = this.#book.get(key);
    if (value) this.#table.set(key, value);
    else this.#table.delete(key);
  }
}
