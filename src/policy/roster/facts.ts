/**
 * What was learned of addresses: which a site's primary took, which it refused, and when. Kept across restarts.
 *
 * Promises: a lookup on the way of a mail is a look into memory, or one into the database's own; no more than
 * MOST_OF_A_SITE of a site; what nobody confirmed for long goes. Never decides anything: that is `learned.ts`.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock, Instant } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { WriteBehind } from './write-behind.ts';

export interface Fact {
  readonly good: boolean;
  /** When it was said last. */
  readonly at: Instant;
  readonly by: 'verification' | 'handover' | 'import';
  /** A good one is refused since then, and was not taken in between. */
  readonly refused?: Instant;
}

export interface Summary {
  readonly good: number;
  readonly bad: number;
  readonly imported: number;
  /** Of the good ones: the oldest and the latest word. */
  readonly oldest: Instant | null;
  readonly latest: Instant | null;
}

export const FACTS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS facts (
    site TEXT NOT NULL, address TEXT NOT NULL, good INTEGER NOT NULL, at INTEGER NOT NULL,
    by TEXT NOT NULL, refused INTEGER, PRIMARY KEY (site, address)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS facts_by_age ON facts (site, good, at);`;

/** Remembered beside the database, whatever the site. */
const CACHED = 20_000;
export const MOST_OF_A_SITE = 200_000;

export class Facts {
  readonly #db: DatabaseSync;
  readonly #log: Log;
  readonly #pending: WriteBehind<Fact>;
  /** By site and address, the least used first. Null: nothing is known. */
  readonly #cache = new Map<string, Fact | null>();
  readonly #counts = new Map<string, number>();
  readonly #most: number;
  readonly #get: StatementSync;
  readonly #newest: StatementSync;
  readonly #oldest: StatementSync;

  constructor(how: { db: DatabaseSync; clock: Clock; log: Log; most?: number }) {
    const { db, log } = how;
    this.#db = db;
    this.#log = log;
    this.#most = how.most ?? MOST_OF_A_SITE;
    this.#get = db.prepare('SELECT good, at, by, refused FROM facts WHERE site = ? AND address = ?');
    this.#newest = db.prepare(
      'SELECT address FROM facts WHERE site = ? AND good = 1 AND refused IS NULL ORDER BY at DESC LIMIT 1',
    );
    this.#oldest = db.prepare(
      'SELECT address FROM facts WHERE site = ? AND good = 1 AND at < ? ORDER BY at LIMIT ?',
    );
    const set = db.prepare('INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)');
    const remove = db.prepare('DELETE FROM facts WHERE site = ? AND address = ?');
    this.#pending = new WriteBehind(how, (key, fact) => {
      const [site, address] = partsOf(key);
      if (fact) set.run(site, address, fact.good ? 1 : 0, fact.at, fact.by, fact.refused ?? null);
      else remove.run(site, address);
    });
    for (const row of db.prepare('SELECT site, count(*) AS n FROM facts GROUP BY site').all()) {
      this.#counts.set(String(row.site), Number(row.n));
    }
  }

  get(site: string, address: string): Fact | undefined {
    const key = keyOf(site, address);
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      this.#remember(key, cached);
      return cached ?? undefined;
    }
    const waiting = this.#pending.waiting(key);
    const fact = waiting === undefined ? this.#read(site, address) : waiting;
    this.#remember(key, fact);
    return fact ?? undefined;
  }

  /** Does nothing for a new address of a site that has too many. */
  set(site: string, address: string, fact: Fact): void {
    const known = this.get(site, address) !== undefined;
    const count = this.#counts.get(site) ?? 0;
    if (!known && count >= this.#most) return;
    if (!known) this.#counts.set(site, count + 1);
    const key = keyOf(site, address);
    this.#remember(key, fact);
    this.#pending.put(key, fact);
  }

  delete(site: string, address: string): boolean {
    if (this.get(site, address) === undefined) return false;
    const key = keyOf(site, address);
    this.#counts.set(site, (this.#counts.get(site) ?? 1) - 1);
    this.#remember(key, null);
    this.#pending.put(key, null);
    return true;
  }

  /** The good address that was confirmed last. */
  latest(site: string): string | undefined {
    const row = this.#try('latest', () => {
      this.flush();
      return this.#newest.get(site);
    });
    return row && String(row.address);
  }

  /** Good ones that nobody confirmed since then, the oldest first. */
  olderThan(site: string, at: Instant, limit: number): string[] {
    const rows = this.#try('olderThan', () => {
      this.flush();
      return this.#oldest.all(site, at, limit);
    });
    return (rows ?? []).map((row) => String(row.address));
  }

  summary(site: string): Summary {
    const row = this.#try('summary', () => {
      this.flush();
      return this.#db
        .prepare(
          `SELECT sum(good) AS good, count(*) - sum(good) AS bad, sum(good AND by = 'import') AS imported,
             min(CASE WHEN good THEN at END) AS oldest, max(CASE WHEN good THEN at END) AS latest
           FROM facts WHERE site = ?`,
        )
        .get(site);
    });
    const number = (value: unknown) => (value == null ? null : Number(value));
    return {
      good: number(row?.good) ?? 0,
      bad: number(row?.bad) ?? 0,
      imported: number(row?.imported) ?? 0,
      oldest: number(row?.oldest),
      latest: number(row?.latest),
    };
  }

  /** All of a site; how many they were. */
  forget(site: string): number {
    const done = this.#try('forget', () => {
      this.flush();
      return this.#db.prepare('DELETE FROM facts WHERE site = ?').run(site).changes;
    });
    this.#counts.delete(site);
    for (const key of [...this.#cache.keys()]) if (partsOf(key)[0] === site) this.#cache.delete(key);
    return Number(done ?? 0);
  }

  /** Bad ones from before the one time, good ones from before the other. */
  prune(site: string, bad: Instant, good: Instant): void {
    this.#try('prune', () => {
      this.flush();
      const prune = this.#db.prepare('DELETE FROM facts WHERE site = ? AND good = ? AND at < ?');
      const gone = Number(prune.run(site, 0, bad).changes) + Number(prune.run(site, 1, good).changes);
      if (gone === 0) return;
      this.#counts.set(site, (this.#counts.get(site) ?? gone) - gone);
      this.#cache.clear();
    });
  }

  flush(): void {
    this.#pending.flush();
  }

  #read(site: string, address: string): Fact | null {
    const row = this.#try('get', () => this.#get.get(site, address));
    if (!row) return null;
    const by = row.by === 'handover' || row.by === 'import' ? row.by : 'verification';
    const refused = row.refused === null ? {} : { refused: Number(row.refused) };
    return { good: row.good === 1, at: Number(row.at), by, ...refused };
  }

  #remember(key: string, fact: Fact | null): void {
    this.#cache.delete(key);
    this.#cache.set(key, fact);
    if (this.#cache.size <= CACHED) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  /** What is broken here is known to nobody, and that is all. */
  #try<T>(what: string, ask: () => T): T | undefined {
    try {
      return ask();
    } catch (error) {
      this.#log.warn('roster could not be read', { what, why: String(error) });
      return undefined;
    }
  }
}

const keyOf = (site: string, address: string): string => `${site} ${address}`;
/** A site's name has no space. */
function partsOf(key: string): [site: string, address: string] {
  const at = key.indexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
}
