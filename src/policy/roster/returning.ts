/**
 * Those who come back: a sender who retries, as mail servers do and most spam does not. Of a recipient that nobody
 * knows and nobody can be asked for, the first try is put off, and the same sender and recipient are taken when they come
 * again after five minutes; from then on at once, while they go on to come.
 *
 * Promises: bounded in all and for each site (the oldest that did not come back make room), kept across
 * restarts. RFC 5321 §4.5.4.1 (retries).
 */
import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type Clock, DAY, type Instant, MINUTE, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { WriteBehind } from './write-behind.ts';

/** Five minutes, less what senders and we lose by counting in whole seconds. */
export const PATIENCE = 5 * MINUTE - 10 * SECOND;
/** Since it was last seen. */
const KEPT = 2 * DAY;
const MOST = 100_000;
const MOST_OF_A_SITE = 20_000;

export const RETURNING_SCHEMA = `
  CREATE TABLE IF NOT EXISTS comebacks (
    key TEXT PRIMARY KEY, site TEXT NOT NULL, first INTEGER NOT NULL, seen INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;`;

interface Pair {
  readonly site: string;
  readonly first: Instant;
  readonly seen: Instant;
}

export interface ReturningOptions {
  readonly db: DatabaseSync;
  readonly clock: Clock;
  readonly log: Log;
  readonly most?: number;
  readonly mostOfASite?: number;
}

export class Returning {
  readonly #clock: Clock;
  readonly #pending: WriteBehind<Pair>;
  readonly #most: number;
  readonly #mostOfASite: number;
  /** By site, the one that was seen longest ago first. */
  readonly #sites = new Map<string, Map<string, Pair>>();
  #size = 0;

  constructor(how: ReturningOptions) {
    const { db, clock } = how;
    this.#clock = clock;
    this.#most = how.most ?? MOST;
    this.#mostOfASite = how.mostOfASite ?? MOST_OF_A_SITE;
    const set = db.prepare('INSERT OR REPLACE INTO comebacks VALUES (?, ?, ?, ?)');
    const remove = db.prepare('DELETE FROM comebacks WHERE key = ?');
    this.#pending = new WriteBehind(how, (key, pair) => {
      if (pair) set.run(key, pair.site, pair.first, pair.seen);
      else remove.run(key);
    });
    for (const row of db.prepare('SELECT * FROM comebacks ORDER BY seen').all()) {
      const pair = { site: String(row.site), first: Number(row.first), seen: Number(row.seen) };
      if (clock.now() - pair.seen < KEPT) this.#put(String(row.key), pair);
      else this.#pending.put(String(row.key), null);
    }
  }

  /** Has this pair come back after its time? Takes note that it came. */
  comesBack(site: string, sender: string, recipient: string): boolean {
    const now = this.#clock.now();
    const key = keyOf(site, sender, recipient);
    const known = this.#sites.get(site)?.get(key);
    // After a jump of the clock backwards it is as new.
    const fresh = known && now - known.seen < KEPT && known.first <= now;
    const first = fresh ? known.first : now;
    const back = now - first >= PATIENCE;
    // Its first time stays; each try moves only when it is forgotten. Nothing is written for an early one.
    if (!fresh || back) this.#set(key, { site, first, seen: now });
    return back;
  }

  forget(site: string): void {
    const pairs = this.#sites.get(site);
    for (const key of pairs?.keys() ?? []) this.#pending.put(key, null);
    this.#size -= pairs?.size ?? 0;
    this.#sites.delete(site);
  }

  count(site: string): number {
    return this.#sites.get(site)?.size ?? 0;
  }

  flush(): void {
    this.#pending.flush();
  }

  #set(key: string, pair: Pair): void {
    this.#put(key, pair);
    this.#pending.put(key, pair);
    const pairs = this.#sites.get(pair.site);
    if (pairs && pairs.size > this.#mostOfASite) this.#makeRoom(pair.site, pairs);
    else if (this.#size > this.#most) {
      const [[site, largest] = [pair.site, pairs]] = [...this.#sites].sort((a, b) => b[1].size - a[1].size);
      if (largest) this.#makeRoom(site, largest);
    }
  }

  #put(key: string, pair: Pair): void {
    const pairs = this.#sites.get(pair.site) ?? new Map<string, Pair>();
    this.#sites.set(pair.site, pairs);
    if (!pairs.delete(key)) this.#size++;
    pairs.set(key, pair);
  }

  /** The oldest of those that did not come back; of the first few, so that a lookup stays short. */
  #makeRoom(site: string, pairs: Map<string, Pair>): void {
    let looked = 0;
    let victim: string | undefined;
    for (const [key, pair] of pairs) {
      victim ??= key;
      if (pair.seen - pair.first < PATIENCE) {
        victim = key;
        break;
      }
      if (++looked === 50) break;
    }
    if (victim === undefined) return;
    pairs.delete(victim);
    this.#size--;
    if (pairs.size === 0) this.#sites.delete(site);
    this.#pending.put(victim, null);
  }
}

/** What stands in the table is no address that could be read from it. */
function keyOf(site: string, sender: string, recipient: string): string {
  const text = `${site}\n${steady(sender)}\n${recipient}`;
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/**
 * The part of a sender that stays from mail to mail: lists write their recipient and a number into it (VERP), BATV and
 * SRS a tag that changes by the day. It only has to be known again.
 */
export function steady(sender: string): string {
  const at = sender.lastIndexOf('@');
  if (at < 0) return sender.toLowerCase();
  const local = sender
    .slice(0, at)
    .toLowerCase()
    .replace(/^prvs=[^=]*=/, '') // BATV: prvs=tag=user
    .replace(/^(srs[01])([-+=])[^=]*=[^=]*=/, '$1$2') // SRS: srs0=hash=day=host=user
    .replace(/(?<=.)\+.*$/, '') // VERP, sub-addresses: list+recipient=host
    .replace(/[0-9a-f]*\d[0-9a-f]*/g, '#'); // numbers and tags in hex
  return `${local}@${sender.slice(at + 1).toLowerCase()}`;
}
