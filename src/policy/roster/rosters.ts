/**
 * Which recipients a site has, from all that is known of it: lists, what its primary says when it is asked, what it
 * said when mail was handed over. Where a list can't be used and no good copy of it is at hand, the answer is a
 * deferral: what is broken on our side refuses nothing for good (promise 8).
 *
 * The order: lists; what was learned; the primary, while it is up, as long as a sender may be kept waiting.
 * RFC 5321 §3.3; RFC 3463 X.1.1.
 */
import { join } from 'node:path';
import { type Clock, DAY, HOUR, type Timer } from '../../base/clock.ts';
import { openDatabase } from '../../base/database.ts';
import type { Log } from '../../base/log.ts';
import type { Soon } from '../../base/soon.ts';
import type { Site, SiteDirectory } from '../../site/site.ts';
import type { Asking } from '../check.ts';
import type { KnownGood, Standings } from '../ports.ts';
import { ACCEPT, defer, reject, type Verdict } from '../verdict.ts';
import { FACTS_SCHEMA, Facts } from './facts.ts';
import type { Get } from './get.ts';
import { Learned } from './learned.ts';
import { nameOf } from './names.ts';
import { OPEN_DOMAINS_SCHEMA, OpenDomains } from './open-domains.ts';
import { RETURNING_SCHEMA, Returning } from './returning.ts';
import { SiteRoster } from './site-roster.ts';
import type { VerifierMeans } from './verifier.ts';
import { type Imported, type RosterView, type Said, viewOf } from './view.ts';

export type Lookup =
  /** The site takes any local part. */
  | 'any'
  /** A list has this address. */
  | 'listed'
  /** A list has `@domain`. */
  | 'catch-all'
  /** A complete list has neither. */
  | 'absent'
  /** There is a list, and nobody can read it. */
  | 'broken'
  /** The primary has taken it. */
  | 'known'
  /** The primary refuses it. */
  | 'refused'
  /** Nobody knows. */
  | 'unknown';

export interface RostersOptions extends VerifierMeans {
  /** The spool folder; absent: nothing is kept. */
  readonly folder?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly get: Get;
  readonly directory: () => SiteDirectory;
  readonly standings: Standings;
}

const SWEEP = HOUR;
/** How long a sender waits for an answer, for one recipient and for all of a mail. */
const WAIT = 5_000;
const WAIT_OF_A_MAIL = 10_000;
/** What ran out and was not asked for again is kept so much longer. */
const GRACE = 60 * DAY;

export class Rosters implements KnownGood {
  readonly #options: RostersOptions;
  readonly #db: ReturnType<typeof openDatabase>;
  readonly #facts: Facts;
  readonly #learned: Learned;
  readonly #returning: Returning;
  readonly #open: OpenDomains;
  readonly #sites = new Map<string, SiteRoster>();
  /** Milliseconds that a mail's sender has been kept waiting. */
  readonly #waited = new WeakMap<Asking, number>();
  #timer: Timer | null = null;

  constructor(options: RostersOptions) {
    const { folder, log } = options;
    this.#options = options;
    const path = folder === undefined ? ':memory:' : join(folder, 'roster.sqlite');
    this.#db = openDatabase(path, FACTS_SCHEMA + RETURNING_SCHEMA + OPEN_DOMAINS_SCHEMA, log);
    const how = { ...options, db: this.#db };
    this.#facts = new Facts(how);
    this.#learned = new Learned(this.#facts, options.clock);
    this.#returning = new Returning(how);
    this.#open = new OpenDomains(how);
  }

  /** The sites are these now: lists are read, servers asked. */
  start(): void {
    const { clock, directory } = this.#options;
    for (const [name, roster] of this.#sites) {
      if (directory().byName(name)) continue;
      roster.stop();
      this.#sites.delete(name);
    }
    for (const site of directory().sites) this.#of(site)?.start();
    this.#timer ??= clock.after(SWEEP, () => this.#sweep());
  }

  close(): void {
    this.#timer?.cancel();
    for (const roster of this.#sites.values()) roster.stop();
    for (const kept of [this.#facts, this.#returning, this.#open]) kept.flush();
    this.#db.close();
  }

  /** `asking`: who waits for it. */
  lookup(site: Site, address: string, asking: Asking): Soon<Lookup> {
    const roster = this.#of(site);
    return roster ? roster.lookup(address, (answer) => this.#patiently(answer, asking)) : 'any';
  }

  /** The same from what is known already: nobody is asked. */
  known(site: Site, address: string): Soon<Lookup> {
    return this.#of(site)?.lookup(address) ?? 'any';
  }

  /** A list has it, or its primary or an operator said that it is there. Asks nobody. */
  isKnownGood(site: Site, address: string): boolean {
    return this.#of(site)?.isKnownGood(address) ?? false;
  }

  /** What the peer is told. */
  verdict(site: Site, address: string, lookup: Lookup, asking: Asking): Verdict {
    this.#sites.get(site.name)?.count(lookup);
    switch (lookup) {
      case 'any':
      case 'listed':
      case 'catch-all':
      case 'known':
        return ACCEPT;
      case 'absent':
        return reject(550, '5.1.1', 'No such recipient here', 'not in the list of recipients');
      case 'refused':
        return reject(550, '5.1.1', 'No such recipient here', 'the primary refuses it');
      case 'broken':
        return defer(
          451,
          '4.3.0',
          'Recipients can not be checked now, try again later',
          'no list of recipients',
        );
      case 'unknown':
        return this.#unknown(site, address, asking);
    }
  }

  #unknown(site: Site, address: string, asking: Asking): Verdict {
    const rule = site.recipients.kind === 'roster' ? site.recipients.verify?.unknown : 'accept';
    const delimiter = site.recipients.kind === 'roster' ? site.recipients.delimiter : '';
    // Who may send is no stranger, and he is told if it can't be delivered.
    const trusted = asking.sending !== undefined;
    const { base, domain } = nameOf(address, delimiter);
    const back =
      rule === 'return' &&
      !trusted &&
      this.#returning.comesBack(site.name, asking.mail.sender, `${base}@${domain}`);
    if (rule === 'accept' || trusted || back) {
      asking.findings.mark('unknown recipient');
      if (back) this.#sites.get(site.name)?.cameBack();
      return ACCEPT;
    }
    const text = 'This recipient can not be verified now, try again in 5 minutes';
    return defer(451, '4.7.1', text, `unknown recipient${rule === 'defer' ? '' : ', first try'}`);
  }

  /** What the primary said when mail was handed over. */
  learn(site: string, said: readonly Said[]): void {
    const found = this.#options.directory().byName(site);
    if (found) this.#of(found)?.learn(said);
  }

  view(site: Site): RosterView {
    return viewOf(site, this.#of(site), {
      summary: this.#facts.summary(site.name),
      waiting: this.#returning.count(site.name),
      openDomains: this.#open.of(site.name),
    });
  }

  /** Why its lists are not to be relied on, if so. Costs nothing. */
  alarm(site: string): string | null {
    return this.#sites.get(site)?.alarm ?? null;
  }

  /** Null: nothing is learned of this site. */
  import(site: Site, lines: readonly string[]): Imported | null {
    return this.#of(site)?.import(lines) ?? null;
  }

  /** All that was learned of a site, and its last good copies; or of these addresses. How many were known. */
  forget(site: Site, addresses?: readonly string[]): number {
    const roster = this.#of(site);
    if (addresses) return roster?.forget(addresses) ?? 0;
    roster?.forgetLists();
    this.#returning.forget(site.name);
    this.#open.forget(site.name);
    return this.#facts.forget(site.name);
  }

  /** One for each site that has a roster. */
  #of(site: Site): SiteRoster | undefined {
    if (site.recipients.kind === 'any') return undefined;
    let roster = this.#sites.get(site.name);
    if (!roster) {
      const { facts, learned, open } = { facts: this.#facts, learned: this.#learned, open: this.#open };
      roster = new SiteRoster(site, { ...this.#options, facts, learned, open });
      this.#sites.set(site.name, roster);
    } else if (roster.site !== site) roster.change(site);
    return roster;
  }

  /** The answer, or undefined if it does not come while the sender may be kept waiting. */
  #patiently<T>(answer: Promise<T>, asking: Asking): Soon<T | undefined> {
    const { clock } = this.#options;
    const left = Math.min(WAIT, WAIT_OF_A_MAIL - (this.#waited.get(asking) ?? 0));
    if (left <= 0) return undefined;
    const begun = clock.monotonic();
    return new Promise((resolve) => {
      const end = (value: T | undefined) => {
        timer.cancel();
        const waited = (this.#waited.get(asking) ?? 0) + clock.monotonic() - begun;
        this.#waited.set(asking, waited);
        resolve(value);
      };
      const timer = clock.after(left, () => end(undefined));
      void answer.then(end);
    });
  }

  #sweep(): void {
    const { clock, directory } = this.#options;
    const now = clock.now();
    for (const site of directory().sites) {
      const verify = site.recipients.kind === 'roster' ? site.recipients.verify : undefined;
      if (!verify) continue;
      this.#facts.prune(site.name, now - verify.bad, now - verify.good - GRACE);
      this.#of(site)?.refresh();
    }
    this.#timer = clock.after(SWEEP, () => this.#sweep());
  }
}
