/**
 * Who the primary of a site is, and a conversation with it, under one limit of connections whoever
 * asks. What is learned on the way (exchangers, addresses, what it says in EHLO) is kept in the facts. To a site that
 * wants it so (`pass_client: xclient`) a conversation is a client's: one that was named is never used for another.
 *
 * A site has one primary: the exchangers of the first of its domains that has any better than us.
 * Domains are looked at in the order of the configuration, plain ones before those with a leading dot
 * (a wildcard stands for the name below which all are), and no more than a few of them. A site whose
 * domains have different exchangers has to be two sites, or name its primary: an entry may have
 * recipients in several domains, and the queue is the site's.
 *
 * RFC 5321 §5.1.
 */
import { SECOND } from '../base/clock.ts';
import type { Keyed, KeyedTable } from '../base/keyed.ts';
import { clientName } from '../dns/client-name.ts';
import type { Answer, Resolver } from '../dns/port.ts';
import { type Client, clientKeyOf } from '../mail/client.ts';
import { helloOf, offersXclient, xclientLines } from '../protocol/smtp/client/attributes.ts';
import { type Opened, RFC_DEADLINES, reopen } from '../protocol/smtp/client/open.ts';
import type { HostPort, PrimarySource, Site } from '../site/site.ts';
import { type Capabilities, PrimaryFacts } from './facts.ts';
import { Limit } from './limit.ts';
import { Passing } from './passing.ts';
import { type Means, nameOf, type Reached, reach, type Unreached } from './reach.ts';
import { type Exchanger, type Known, type NoRoute, type Route, routeOf } from './route.ts';

export interface PrimariesOptions extends Means {
  readonly resolver: Resolver;
  readonly keyed: Keyed;
  /** Another port for exchangers found by MX; for tests. */
  readonly mxPort?: number;
}

/** The best exchanger of a site greeted us. */
export interface Seen {
  /** By the monotonic clock. */
  readonly at: number;
  /** Its name, or its address if it was named by that. */
  readonly host: string;
}

/** Domains of a site that are looked up before its route is given up. */
const DOMAINS_TRIED = 4;
const QUIT = 5 * SECOND;

export class Primaries {
  readonly #options: PrimariesOptions;
  readonly #facts: PrimaryFacts;
  readonly #limit = new Limit();
  readonly #seen = new Map<string, Seen>();
  /** Where sites without a lasting address were last. */
  readonly #callers: KeyedTable<string>;
  /** What sites said to being told of clients. */
  readonly passing: Passing;

  constructor(options: PrimariesOptions) {
    this.#options = options;
    this.passing = new Passing(options.clock, options.log);
    this.#facts = new PrimaryFacts(options.keyed);
    this.#callers = options.keyed.table('callers');
  }

  capabilities(site: string): Capabilities | undefined {
    return this.#facts.capabilities(site);
  }

  /** Last known addresses of the site's primary. */
  addressesOf(site: string): readonly string[] {
    return this.#facts.addressesOf(site);
  }

  /** Sites whose primary was last known to be at this address. */
  sitesAt(address: string): readonly string[] {
    return this.#facts.sitesAt(address);
  }

  /** When its best exchanger greeted us last, whoever asked; of this run only. */
  seen(site: string): Seen | undefined {
    return this.#seen.get(site);
  }

  /** Where the site's mail goes now. Also for people: `site show`, `doctor`. */
  async route(site: Site): Promise<Route | NoRoute> {
    const last = this.#facts.route(site.name);
    const { primary } = site;
    const route = await this.#routeOf(site, primary, last);
    if (route.kind === 'route' && route.known) this.#facts.learnRoute(site.name, route.known);
    return route;
  }

  /** The site proved who it is, and is at this address: for those whose primary is `caller`. */
  called(site: string, address: string): void {
    if (this.#callers.get(site) !== address) this.#callers.set(site, address);
  }

  /** Its call is over; another may have this address next. */
  forget(site: string): void {
    this.#callers.delete(site);
  }

  /** Waits for a place under the site's limit. In the name of `client`, if the site wants that. Never rejects. */
  async connect(site: Site, signal: AbortSignal, client?: Client | null): Promise<Reached | Unreached> {
    for (;;) {
      const reached = await this.#placed(site, signal);
      if (reached.kind === 'trouble' || !client || !this.mayName(site, reached, client)) return reached;
      const named = await this.name(site, reached, client, signal);
      // In vain: then it is dialed without, or, where that may have been chance, once more with it.
      if (named) return named;
      hangUp(reached.opened);
      if (signal.aborted) return { kind: 'trouble', cause: 'connect', text: 'given up' };
    }
  }

  /** Whether this conversation can become that client's. */
  mayName(site: Site, { opened }: Reached, client: Client): boolean {
    return this.wantsName(site, client) && offersXclient(opened.offer);
  }

  /** Whether another conversation might. */
  wantsName(site: Site, client: Client): boolean {
    return site.passClient === 'xclient' && this.passing.may(site.name, clientKeyOf(client));
  }

  /** By XCLIENT, within no mail. Null: in vain, and the conversation is good for nothing but its end. Never rejects. */
  async name(site: Site, reached: Reached, client: Client, signal: AbortSignal): Promise<Reached | null> {
    const { opened } = reached;
    const { resolver, deadlines = RFC_DEADLINES } = this.#options;
    const abort = () => opened.wire.lose({ lost: 'destroyed', text: 'given up' });
    signal.addEventListener('abort', abort, { once: true });
    const name =
      client.name === undefined
        ? await clientName(resolver, client.address)
        : ({ kind: 'found', name: client.name } as const);
    if (signal.aborted) abort();
    const lines = xclientLines(opened.offer, client, name);
    const again = await reopen(opened, lines, helloOf(client), deadlines);
    signal.removeEventListener('abort', abort);
    const key = clientKeyOf(client);
    if (again.kind === 'opened') {
      this.passing.took(site.name, key);
      return { ...reached, opened: again, named: client };
    }
    const why = `${nameOf(reached)}: XCLIENT: ${again.text}`;
    if (!again.lost) this.passing.refused(site.name, why, key);
    else if (!signal.aborted) this.passing.lost(site.name, why, key);
    return null;
  }

  async #placed(site: Site, signal: AbortSignal): Promise<Reached | Unreached> {
    const release = await this.#limit.acquire(site.name, site.connections, signal);
    if (!release) return { kind: 'trouble', cause: 'connect', text: 'given up' };
    const result = await this.#connect(site, signal);
    if (result.kind === 'trouble') release();
    else if (result.opened.wire.lost) release();
    else result.opened.wire.socket.once('close', release);
    return result;
  }

  async #connect(site: Site, signal: AbortSignal): Promise<Reached | Unreached> {
    const route = await this.route(site);
    if (route.kind === 'none') {
      const cause = route.why === 'ourselves' ? 'ourselves' : 'dns';
      return { kind: 'trouble', cause, text: route.text };
    }
    const { tls, expect } = site;
    const wish = { exchangers: route.exchangers, tls, ...(expect && { expect }) };
    const result = await reach(wish, this.#options, signal);
    if (result.kind === 'reached' && result.exchanger.best) {
      const { clock } = this.#options;
      this.#facts.learnOffer(site.name, result.opened.offer, clock.now());
      this.#seen.set(site.name, { at: clock.monotonic(), host: result.exchanger.host });
    }
    return result;
  }

  async #routeOf(site: Site, primary: PrimarySource, last: Known | undefined): Promise<Route | NoRoute> {
    switch (primary.kind) {
      case 'mx':
        return this.#byMx(site, last);
      case 'hosts':
        return this.#byHosts(primary.hosts, last);
      case 'caller': {
        const host = this.#callers.get(site.name);
        if (host !== undefined) return this.#byHosts([{ host, port: primary.port }], undefined);
        return { kind: 'none', why: 'nothing', text: 'its address is not known: it has not called' };
      }
    }
  }

  async #byMx(site: Site, last: Known | undefined): Promise<Route | NoRoute> {
    const { resolver, ourselves, mxPort } = this.#options;
    let first: NoRoute | null = null;
    for (const domain of candidates(site.domains).slice(0, DOMAINS_TRIED)) {
      const route = await routeOf(domain, { resolver, ourselves, port: mxPort ?? 25 }, last);
      if (route.kind === 'route') return route;
      first ??= route;
    }
    return first ?? { kind: 'none', why: 'nothing', text: `${site.name} has no domain` };
  }

  /** Named hosts are the operator's word: all are primaries, in his order, and none is taken for us by its address. */
  async #byHosts(hosts: readonly HostPort[], last: Known | undefined): Promise<Route | NoRoute> {
    const answers = await Promise.all(hosts.map((h) => this.#options.resolver.addresses(h.host)));
    const addresses: Record<string, readonly string[]> = {};
    hosts.forEach(({ host }, i) => {
      addresses[host] = addressesOr(answers[i], last?.addresses[host]);
    });
    const exchangers = hosts.map(
      ({ host, port }, preference): Exchanger => ({
        host,
        port,
        preference,
        best: true,
        addresses: addresses[host] ?? [],
      }),
    );
    if (exchangers.every((e) => e.addresses.length === 0)) {
      const failed = answers.find((a) => a.kind === 'failed');
      const names = hosts.map((h) => h.host).join(', ');
      return failed
        ? {
            kind: 'none',
            why: 'failed',
            text: `the address of ${names} could not be looked up: ${failed.why}`,
          }
        : { kind: 'none', why: 'nothing', text: `${names}: no address` };
    }
    const fresh = answers.every((a) => a.kind !== 'failed');
    const all = Object.values(addresses).flat();
    return {
      kind: 'route',
      exchangers,
      known: fresh ? { domain: '', mx: [], addresses, primary: all } : null,
    };
  }
}

function hangUp({ wire }: Opened): void {
  wire.command('QUIT');
  wire.expect(QUIT, () => wire.end());
}

const addressesOr = (answer: Answer<string> | undefined, last: readonly string[] | undefined) =>
  answer?.kind === 'found' ? answer.records : answer?.kind === 'failed' ? (last ?? []) : [];

function candidates(domains: readonly string[]): string[] {
  const plain = domains.filter((d) => !d.startsWith('.'));
  const below = domains.filter((d) => d.startsWith('.')).map((d) => d.slice(1));
  return [...new Set([...plain, ...below])];
}
