/**
 * Domains at which a primary takes any recipient, so that its word says nothing. Found out by a mailbox that cannot
 * be there; looked at again after a day. Kept across restarts.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type Clock, DAY, type Instant } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { WriteBehind } from './write-behind.ts';

export const OPEN_DOMAINS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS domains (
    site TEXT NOT NULL, domain TEXT NOT NULL, takes_all INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (site, domain)
  ) WITHOUT ROWID, STRICT;`;

const BELIEVED = DAY;
/** A site may have all domains below one. */
const MOST_OF_A_SITE = 1000;

interface Found {
  readonly all: boolean;
  readonly at: Instant;
}

export class OpenDomains {
  readonly #clock: Clock;
  readonly #pending: WriteBehind<Found>;
  readonly #sites = new Map<string, Map<string, Found>>();

  constructor(how: { readonly db: DatabaseSync; readonly clock: Clock; readonly log: Log }) {
    const { db, clock } = how;
    this.#clock = clock;
    const set = db.prepare('INSERT OR REPLACE INTO domains VALUES (?, ?, ?, ?)');
    const remove = db.prepare('DELETE FROM domains WHERE site = ? AND domain = ?');
    this.#pending = new WriteBehind(how, (key, found) => {
      const [site = '', domain = ''] = key.split(' ');
      if (found) set.run(site, domain, found.all ? 1 : 0, found.at);
      else remove.run(site, domain);
    });
    for (const row of db.prepare('SELECT * FROM domains').all()) {
      const found = { all: row.takes_all === 1, at: Number(row.at) };
      this.#domains(String(row.site)).set(String(row.domain), found);
    }
  }

  /** Undefined: not known, or not lately. */
  takesAll(site: string, domain: string): boolean | undefined {
    const found = this.#sites.get(site)?.get(domain);
    return found && this.#clock.now() - found.at < BELIEVED ? found.all : undefined;
  }

  /** What was found last, however long ago. */
  last(site: string, domain: string): boolean | undefined {
    return this.#sites.get(site)?.get(domain)?.all;
  }

  foundOut(site: string, domain: string, all: boolean): void {
    const domains = this.#domains(site);
    if (!domains.has(domain) && domains.size >= MOST_OF_A_SITE) {
      const [oldest] = domains.keys();
      if (oldest !== undefined) domains.delete(oldest);
      this.#pending.put(`${site} ${oldest}`, null);
    }
    const found = { all, at: this.#clock.now() };
    domains.set(domain, found);
    this.#pending.put(`${site} ${domain}`, found);
  }

  /** Those that take all. */
  of(site: string): string[] {
    return [...(this.#sites.get(site) ?? [])].flatMap(([domain, { all }]) => (all ? [domain] : []));
  }

  forget(site: string): void {
    for (const domain of this.#sites.get(site)?.keys() ?? []) this.#pending.put(`${site} ${domain}`, null);
    this.#sites.delete(site);
  }

  flush(): void {
    this.#pending.flush();
  }

  #domains(site: string): Map<string, Found> {
    const domains = this.#sites.get(site) ?? new Map<string, Found>();
    this.#sites.set(site, domains);
    return domains;
  }
}
