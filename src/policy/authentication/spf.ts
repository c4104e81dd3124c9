/**
 * SPF: may this client send for this domain? mailauth evaluates, on this thread, with our resolver; what was
 * found is kept for as long as its DNS records say, for the client and the domain together, so that a known
 * pair costs a look into a table (decisions/mail-authentication.md).
 *
 * Promises: an answer within the deadline; the same question asked at the same time is evaluated once; memory
 * and evaluations at once are bounded, beyond that the answer is `skipped`. Never throws.
 *
 * RFC 7208 §2.3, §2.4 (identities), §4.6.4 (time).
 */
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Soon } from '../../base/soon.ts';
import type { Resolver } from '../../dns/port.ts';
import { canonicalDomain, domainPart, localPart } from '../../mail/address.ts';
import type { MailAuthentication } from '../../mail/envelope.ts';
import { Lookups } from './lookup.ts';

export type SpfResult = NonNullable<MailAuthentication['spf']>;

export interface SpfQuestion {
  /** The client's IP address. */
  readonly address: string;
  /** '' is the null sender: then EHLO's name is asked about (RFC 7208 §2.4). */
  readonly sender: string;
  readonly helo: string;
}

export interface SpfOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Our name, for macros. */
  readonly hostname: () => string;
}

// RFC 7208 §4.6.4: at least 20 seconds.
const DEADLINE = 20 * SECOND;
/** Pairs of client and domain: some 400 octets each. */
const KEPT = 10_000;
const AT_ONCE = 500;
/** RFC 7208 §4.6.4 allows 10, of which each `mx` and `ptr` may ask for 10 more. */
const LOOKUPS = 150;
const LONGEST_DOMAIN = 253;

/** `each`: the records have macros, so that each sender and name has a result of its own. */
interface Kept {
  readonly result: SpfResult | 'each';
  /** Monotonic. */
  readonly until: number;
}

export class Spf {
  readonly #options: SpfOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #running = new Map<string, Promise<SpfResult>>();

  constructor(options: SpfOptions) {
    this.#options = options;
  }

  check(question: SpfQuestion): Soon<SpfResult> {
    const { address, sender, helo } = question;
    const domain = canonicalDomain(sender === '' ? helo : domainPart(sender));
    // RFC 7208 §4.3: what is no domain name of several labels has no policy.
    if (domain.length > LONGEST_DOMAIN || !domain.includes('.') || domain.startsWith('[')) {
      return { result: 'none', domain: domain.slice(0, LONGEST_DOMAIN) };
    }
    const pair = `${address} ${domain}`;
    const own = `${pair} ${sender} ${helo}`;
    const known = this.#known(pair);
    const result = known === 'each' ? this.#known(own) : known;
    if (result !== undefined && result !== 'each') return result;
    const running = this.#running.get(own);
    if (running) return running;
    if (this.#running.size >= AT_ONCE) return { result: 'skipped', domain };
    const begun = this.#evaluate(question, domain, pair, own).finally(() => this.#running.delete(own));
    this.#running.set(own, begun);
    return begun;
  }

  async #evaluate(question: SpfQuestion, domain: string, pair: string, own: string): Promise<SpfResult> {
    const { resolver, clock, hostname } = this.#options;
    const lookups = new Lookups(resolver, LOOKUPS);
    const { sender, helo } = question;
    // Loaded with the first mail: it takes a third of a second and 30 MB, which a start need not wait for.
    const library = import('mailauth/lib/spf/index.js');
    const asked = library.then(({ spf }) =>
      spf({
        sender: sender === '' ? '' : `${localPart(sender)}@${domain}`,
        ip: question.address,
        helo,
        mta: hostname(),
        resolver: (name, type) => lookups.ask(name, type) as Promise<string[]>,
      }),
    );
    const late = Promise.withResolvers<null>();
    const timer = clock.after(DEADLINE, () => late.resolve(null));
    try {
      const done = await Promise.race([asked, late.promise]);
      if (!done) return { result: 'temperror', domain };
      const result = { result: done.status.result, domain };
      const until = clock.monotonic() + lookups.ttl * SECOND;
      if (lookups.macros) this.#keep(pair, { result: 'each', until });
      this.#keep(lookups.macros ? own : pair, { result, until });
      return result;
    } catch {
      return { result: 'temperror', domain };
    } finally {
      timer.cancel();
      // What comes too late fails by itself.
      asked.catch(() => {});
    }
  }

  #known(key: string): SpfResult | 'each' | undefined {
    const kept = this.#kept.get(key);
    if (kept && kept.until > this.#options.clock.monotonic()) return kept.result;
    return undefined;
  }

  #keep(key: string, kept: Kept): void {
    // Written anew, so that the order of the map is the order of age.
    this.#kept.delete(key);
    const [oldest] = this.#kept.size >= KEPT ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, kept);
  }
}
