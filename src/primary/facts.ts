/**
 * What is known of the sites' primaries from the last time they were seen: what they said in EHLO,
 * where they are. Asked on the way of each mail, so it answers from memory; kept durably, since it is
 * needed most when the primary is away. Written only when it changes (or its date is an hour old).
 */
import { HOUR, type Instant } from '../base/clock.ts';
import type { Keyed, KeyedTable } from '../base/keyed.ts';
import type { Offer } from '../protocol/smtp/client/open.ts';
import type { Known } from './route.ts';

export interface Capabilities {
  /** Octets, RFC 1870; absent: it named no limit. */
  readonly size?: number;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  readonly at: Instant;
}

export class PrimaryFacts {
  readonly #offers: Remembered<Capabilities>;
  readonly #routes: Remembered<Known>;
  readonly #sitesAt = new Map<string, Set<string>>();

  constructor(keyed: Keyed) {
    this.#offers = new Remembered(keyed.table('primary offers'));
    this.#routes = new Remembered(keyed.table('primary routes'));
    for (const [site, known] of this.#routes.entries()) this.#place(site, known);
  }

  capabilities(site: string): Capabilities | undefined {
    return this.#offers.get(site);
  }

  /** What DNS said when it last worked. */
  route(site: string): Known | undefined {
    return this.#routes.get(site);
  }

  /** Last known addresses of the primary. */
  addressesOf(site: string): readonly string[] {
    return addressesIn(this.#routes.get(site));
  }

  /** Sites whose primary is known to be at this address. */
  sitesAt(address: string): readonly string[] {
    return [...(this.#sitesAt.get(address) ?? [])];
  }

  learnOffer(site: string, offer: Offer, at: Instant): void {
    const { size, eightBitMime, smtpUtf8, dsn } = offer;
    const said = { ...(size !== undefined && { size }), eightBitMime, smtpUtf8, dsn };
    const old = this.#offers.get(site);
    const young = old !== undefined && Math.abs(at - old.at) < HOUR;
    if (young && sameJson({ ...said, at: old.at }, old)) return;
    this.#offers.set(site, { ...said, at });
  }

  learnRoute(site: string, known: Known): void {
    const old = this.#routes.get(site);
    if (sameJson(old, known)) return;
    for (const address of addressesIn(old)) this.#sitesAt.get(address)?.delete(site);
    this.#routes.set(site, known);
    this.#place(site, known);
  }

  #place(site: string, known: Known): void {
    for (const address of addressesIn(known)) {
      const sites = this.#sitesAt.get(address) ?? new Set();
      this.#sitesAt.set(address, sites.add(site));
    }
  }
}

/** A durable table with all of it in memory too: as many rows as there are sites. */
class Remembered<V> {
  readonly #table: KeyedTable<V>;
  readonly #rows: Map<string, V>;

  constructor(table: KeyedTable<V>) {
    this.#table = table;
    this.#rows = new Map(table.entries());
  }

  get(key: string): V | undefined {
    return this.#rows.get(key);
  }

  set(key: string, value: V): void {
    this.#rows.set(key, value);
    this.#table.set(key, value);
  }

  entries(): Iterable<[string, V]> {
    return this.#rows.entries();
  }
}

const addressesIn = (known: Known | undefined): readonly string[] => known?.primary ?? [];
const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
