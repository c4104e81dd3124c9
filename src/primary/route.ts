/**
 * From a domain to its mail exchangers, in the order in which they are to be tried, without ourselves
 * and without all that are not preferred to us.
 *
 * Promises: a mail that follows a route comes nearer to its end: equal exchangers are dropped too, so
 * two secondaries never hand to each other in a circle. "Nobody could say" (failed) is never taken for
 * "there is none".
 *
 * RFC 5321 §5.1; 7505 (null MX).
 */
import type { Answer, MxRecord, Resolver } from '../dns/port.ts';
import type { Ourselves } from './ourselves.ts';

export interface Exchanger {
  readonly host: string;
  readonly port: number;
  /** Lower is tried first; equals in random order. */
  readonly preference: number;
  /** Of the best preference; a fellow secondary is not. */
  readonly best: boolean;
  /** May be empty, when none could be found now. */
  readonly addresses: readonly string[];
}

/** What DNS said when it last worked. */
export interface Known {
  readonly domain: string;
  /** Empty: the domain itself is the exchanger (no MX record). */
  readonly mx: readonly MxRecord[];
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** Those of them that are preferred to us: the primary's. */
  readonly primary: readonly string[];
}

export interface Route {
  readonly kind: 'route';
  readonly exchangers: readonly Exchanger[];
  /** To be kept; null if a part of it was taken from what was kept. */
  readonly known: Known | null;
}

export interface NoRoute {
  readonly kind: 'none';
  readonly why: 'nxdomain' | 'null mx' | 'nothing' | 'ourselves' | 'failed';
  /** For people. */
  readonly text: string;
}

export interface RouteOptions {
  readonly resolver: Resolver;
  readonly ourselves: Ourselves;
  /** The port of exchangers. */
  readonly port: number;
}

/** More than this many exchangers are somebody's mistake or trap. */
const MOST_EXCHANGERS = 20;

export async function routeOf(domain: string, options: RouteOptions, last?: Known): Promise<Route | NoRoute> {
  const mx = await options.resolver.mx(domain);
  const fallback = last?.domain === domain ? last : undefined;
  switch (mx.kind) {
    case 'nxdomain':
      // An answer, not a failure: the name is gone, perhaps to become somebody else's. What was kept is
      // not used. A site whose own name server is down is the other case: SERVFAIL or silence.
      return none('nxdomain', `${domain} does not exist`);
    case 'failed':
      if (!fallback) return none('failed', `the exchangers of ${domain} could not be looked up: ${mx.why}`);
      return byRecords(domain, fallback.mx, options, fallback, true);
    case 'nodata':
      return byRecords(domain, [], options, fallback, false);
    case 'found': {
      const hosts = mx.records.filter((r) => r.exchange !== '');
      if (hosts.length === 0) return none('null mx', `${domain} takes no mail (null MX)`);
      return byRecords(domain, hosts, options, fallback, false);
    }
  }
}

interface Resolved {
  readonly record: MxRecord;
  readonly answer: Answer<string>;
}

async function byRecords(
  domain: string,
  mx: readonly MxRecord[],
  options: RouteOptions,
  last: Known | undefined,
  stale: boolean,
): Promise<Route | NoRoute> {
  // RFC 5321 §5.1: without MX records the domain itself is the exchanger, at preference 0.
  const records = (mx.length > 0 ? mx : [{ preference: 0, exchange: domain }])
    .toSorted((a, b) => a.preference - b.preference)
    .slice(0, MOST_EXCHANGERS);
  const resolved = await Promise.all(
    records.map(async (record) => ({ record, answer: await options.resolver.addresses(record.exchange) })),
  );
  const kept: Record<string, readonly string[]> = {};
  for (const { record, answer } of resolved) {
    if (answer.kind === 'found') kept[record.exchange] = answer.records;
    else if (answer.kind === 'failed') kept[record.exchange] = last?.addresses[record.exchange] ?? [];
  }
  const us = ourPreference(records, kept, options.ourselves);
  const better = records.filter((r) => r.preference < us);
  const best = better[0]?.preference;
  if (best === undefined) {
    return none('ourselves', `no exchanger of ${domain} is preferred to us`);
  }
  const exchangers = better.map((r) => ({
    host: r.exchange,
    port: options.port,
    preference: r.preference,
    best: r.preference === best,
    addresses: kept[r.exchange] ?? [],
  }));
  if (exchangers.every((e) => e.addresses.length === 0)) return noAddresses(domain, mx, resolved);
  const fresh = !stale && resolved.every((r) => r.answer.kind !== 'failed');
  const primary = exchangers.flatMap((e) => e.addresses);
  const known = fresh ? { domain, mx, addresses: kept, primary } : null;
  return { kind: 'route', exchangers, known };
}

/** Our own place in the list; infinite when we don't stand in it. */
function ourPreference(
  records: readonly MxRecord[],
  addresses: Readonly<Record<string, readonly string[]>>,
  ourselves: Ourselves,
): number {
  const us = records.find(
    (r) =>
      ourselves.isName(r.exchange) || addresses[r.exchange]?.some((address) => ourselves.isAddress(address)),
  );
  return us?.preference ?? Number.POSITIVE_INFINITY;
}

function noAddresses(domain: string, mx: readonly MxRecord[], resolved: readonly Resolved[]): NoRoute {
  for (const { record, answer } of resolved) {
    if (answer.kind !== 'failed') continue;
    return none('failed', `the address of ${record.exchange} could not be looked up: ${answer.why}`);
  }
  if (mx.length === 0) return none('nothing', `${domain} has neither an MX record nor an address`);
  return none('nothing', `no exchanger of ${domain} has an address`);
}

const none = (why: NoRoute['why'], text: string): NoRoute => ({ kind: 'none', why, text });
