/**
 * The roster of one site: its lists, what was learned, and its primary to ask. Lives as long as the site has one;
 * a reload changes what it goes by.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Soon, then } from '../../base/soon.ts';
import { canonicalDomain, domainOf } from '../../mail/address.ts';
import { type ListSource, type Roster, type Site, SiteDirectory, type Verify } from '../../site/site.ts';
import type { Standings } from '../ports.ts';
import { secondHop } from '../relay.ts';
import { RecipientEndpoint } from './endpoint.ts';
import type { Facts } from './facts.ts';
import { RecipientFile } from './file.ts';
import type { Get } from './get.ts';
import { type Learned, type Of, REFRESH, saysNoMailbox } from './learned.ts';
import { entryOf, type RecipientList } from './list.ts';
import { baseOf, fullOf, type Name, nameOf } from './names.ts';
import type { OpenDomains } from './open-domains.ts';
import type { Lookup } from './rosters.ts';
import type { Source, SourceView } from './source.ts';
import { type Answer, Verifier, type VerifierMeans, type VerifierView } from './verifier.ts';
import type { Counts, Imported, Said } from './view.ts';

export interface SiteRosterMeans extends VerifierMeans {
  readonly folder?: string;
  readonly get: Get;
  readonly standings: Standings;
  readonly facts: Facts;
  readonly learned: Learned;
  readonly open: OpenDomains;
}

/** Waits for an answer as long as it may. */
type Patiently = (answer: Promise<Answer>) => Soon<Answer | undefined>;

/** Addresses that are asked for again in an hour: a sixth of what one question a second could be. */
const REFRESHED = 600;
const NOBODY: VerifierView = { why: null, waiting: 0, asked: 0, last: null };

export class SiteRoster {
  readonly #means: SiteRosterMeans;
  #site: Site;
  #started = false;
  readonly #sources = new Map<string, Source>();
  #verifier: Verifier | null = null;
  readonly #counts = { known: 0, refused: 0, unknown: 0, cameBack: 0 };

  constructor(site: Site, means: SiteRosterMeans) {
    this.#means = means;
    this.#site = site;
    this.#renew();
  }

  get site(): Site {
    return this.#site;
  }

  get alarm(): string | null {
    for (const source of this.#sources.values()) {
      const { alarm, from } = source.view();
      if (alarm !== null) return `recipients: ${from}: ${alarm}`;
    }
    return null;
  }

  start(): void {
    this.#started = true;
    for (const source of this.#sources.values()) source.start();
  }

  stop(): void {
    for (const source of this.#sources.values()) source.stop();
    this.#verifier?.stop();
  }

  change(site: Site): void {
    this.#site = site;
    this.#renew();
  }

  view(): { lists: SourceView[]; counts: Counts; asking: VerifierView } {
    return {
      lists: [...this.#sources.values()].map((source) => source.view()),
      counts: { ...this.#counts },
      asking: this.#verifier?.view() ?? NOBODY,
    };
  }

  count(lookup: Lookup): void {
    if (lookup === 'unknown') this.#counts.unknown++;
    else if (lookup === 'absent' || lookup === 'refused') this.#counts.refused++;
    else if (lookup !== 'broken') this.#counts.known++;
  }

  cameBack(): void {
    this.#counts.cameBack++;
  }

  isKnownGood(address: string): boolean {
    const name = nameOf(address, this.#roster.delimiter);
    const of = this.#of;
    return (
      this.#listed(name) === 'listed' ||
      (of !== undefined && this.#means.learned.known(of, name).kind === 'good')
    );
  }

  /** Without `patiently` nobody is asked. */
  lookup(address: string, patiently?: Patiently): Soon<Lookup> {
    const name = nameOf(address, this.#roster.delimiter);
    return then(this.#listed(name), (found) => {
      const of = this.#of;
      if (!of || found === 'listed' || found === 'catch-all') return found;
      return this.#learned(of, address, name, patiently);
    });
  }

  #listed(name: Name): Soon<Lookup> {
    const lists = [...this.#sources.values()].map((source) => source.current());
    const there = lists.filter((list): list is RecipientList | undefined => !(list instanceof Promise));
    if (there.length === lists.length) return inLists(there, name);
    return Promise.all(lists).then((all) => inLists(all, name));
  }

  #learned(of: Of, address: string, name: Name, patiently?: Patiently): Soon<Lookup> {
    // It is refused for its form, whatever the primary thinks; and is not tried out there.
    if (secondHop(address, 'unknown').kind !== 'accept') return 'unknown';
    const { learned, open } = this.#means;
    if (open.last(of.site, name.domain)) {
      if (open.takesAll(of.site, name.domain) === undefined) this.#askLater(address);
      return 'any';
    }
    const known = learned.known(of, name);
    if (known.kind === 'bad') return 'refused';
    if (known.kind === 'good' && known.age !== 'over') {
      if (known.age === 'due' && patiently) this.#askLater(address);
      return 'known';
    }
    // What has run out is still the best that is known while nobody can be asked.
    const otherwise: Lookup = known.kind === 'good' ? 'known' : 'unknown';
    const answer = patiently && this.#askable ? this.#verifier?.ask(address) : undefined;
    if (!patiently || !answer) return otherwise;
    return then(patiently(answer), (said) => (said ? this.#meaning(of, said, name, otherwise) : otherwise));
  }

  /** By then it was learned, as far as it is believed. */
  #meaning(of: Of, answer: Answer, name: Name, otherwise: Lookup): Lookup {
    if (answer === 'everything') return 'any';
    const known = this.#means.learned.known(of, name);
    if (known.kind === 'good') return 'known';
    return known.kind === 'bad' ? 'refused' : otherwise;
  }

  /** While it is up. A site that calls is not called. */
  get #askable(): boolean {
    const standing = this.#means.standings.standing(this.#site.name);
    return standing?.up ?? this.#site.collect.kind === 'push';
  }

  #askLater(address: string): void {
    if (this.#askable) this.#verifier?.askLater(address);
  }

  /** Asks again, before their time is over, for those that no mail came for. */
  refresh(): void {
    const of = this.#of;
    if (!of || !this.#askable) return;
    const due = this.#means.clock.now() - of.verify.good * REFRESH;
    for (const address of this.#means.facts.olderThan(of.site, due, REFRESHED)) this.#askLater(address);
  }

  learn(said: readonly Said[]): void {
    const of = this.#of;
    if (!of) return;
    for (const { address, refusal } of said) {
      const name = nameOf(address, this.#roster.delimiter);
      if (!refusal) this.#means.learned.taken(of, name, 'handover');
      else if (saysNoMailbox(refusal)) this.#means.learned.refused(of, name, 'handover');
    }
  }

  import(lines: readonly string[]): Imported | null {
    const of = this.#of;
    if (!of) return null;
    const bad: string[] = [];
    let taken = 0;
    for (const line of lines) {
      const addresses = this.#addressesIn(line);
      if (addresses.length === 0) bad.push(line);
      else taken++;
      for (const address of addresses) {
        const name = nameOf(address, this.#roster.delimiter);
        this.#means.facts.set(of.site, baseOf(name), {
          good: true,
          at: this.#means.clock.now(),
          by: 'import',
        });
      }
    }
    return { taken, bad };
  }

  forget(addresses: readonly string[]): number {
    const forgotten = addresses.filter((address) => {
      const name = nameOf(address, this.#roster.delimiter);
      const keys = new Set([fullOf(name), baseOf(name)]);
      return [...keys].filter((key) => this.#means.facts.delete(this.#site.name, key)).length > 0;
    });
    return forgotten.length;
  }

  forgetLists(): void {
    for (const source of this.#sources.values()) source.forget();
  }

  /** The addresses that a line of an import stands for; a local part is good at all plain domains of the site. */
  #addressesIn(line: string): string[] {
    const entry = entryOf(line.trim());
    if (!entry || entry.refused || entry.entry.startsWith('@')) return [];
    const domain = domainOf(entry.entry);
    if (domain === '') {
      const plain = this.#site.domains.filter((own) => !own.startsWith('.'));
      return plain.map((own) => `${entry.entry}@${canonicalDomain(own)}`);
    }
    return new SiteDirectory([this.#site]).byDomain(domain) ? [entry.entry] : [];
  }

  get #wary(): boolean {
    return this.#means.standings.standing(this.#site.name)?.wary === true;
  }

  get #roster(): Roster {
    const { recipients } = this.#site;
    return recipients.kind === 'roster' ? recipients : { kind: 'roster', lists: [], delimiter: '' };
  }

  /** Undefined: nothing is learned of it. */
  get #of(): (Of & { verify: Verify }) | undefined {
    const { verify } = this.#roster;
    return verify && { site: this.#site.name, verify };
  }

  #renew(): void {
    const wanted = new Map(this.#roster.lists.map((list) => [JSON.stringify(list), list]));
    for (const [key, source] of this.#sources) {
      if (wanted.has(key)) continue;
      source.stop();
      this.#sources.delete(key);
    }
    for (const [key, list] of wanted) {
      if (this.#sources.has(key)) continue;
      const source = this.#sourceOf(list);
      this.#sources.set(key, source);
      if (this.#started) source.start();
    }
    if (!this.#roster.verify) this.#verifier?.stop();
    this.#verifier = this.#roster.verify ? (this.#verifier ?? this.#makeVerifier()) : null;
  }

  #sourceOf(list: ListSource): Source {
    if (list.kind === 'file') return new RecipientFile(list.path, this.#means);
    const { folder = '' } = this.#means;
    const id = createHash('sha256').update(list.url).digest('hex').slice(0, 8);
    return new RecipientEndpoint(list, join(folder, 'rosters', `${this.#site.name}-${id}`), this.#means);
  }

  #makeVerifier(): Verifier {
    const { open, facts } = this.#means;
    const { name } = this.#site;
    return new Verifier(this.#means, {
      site: () => this.#site,
      takesAll: (domain) => open.takesAll(name, domain),
      foundOut: (domain, all) => open.foundOut(name, domain, all),
      somebody: () => facts.latest(name),
      answered: (address, answer) => this.#answered(address, answer),
    });
  }

  #answered(address: string, answer: Answer): void {
    const of = this.#of;
    if (!of) return;
    const name = nameOf(address, this.#roster.delimiter);
    if (answer === 'good') this.#means.learned.taken(of, name, 'verification');
    // What a primary says that has just come back is not believed (promise 8).
    else if (answer === 'bad' && !this.#wary) this.#means.learned.refused(of, name, 'verification');
  }
}

/** Good in one of them is good; a list that can't be read might have it. */
function inLists(lists: readonly (RecipientList | undefined)[], name: Name): Lookup {
  let found: Lookup = 'absent';
  for (const list of lists) {
    const here = list?.lookup(name) ?? 'broken';
    if (here === 'listed') return 'listed';
    if (here === 'catch-all' || found === 'absent') found = here;
  }
  return found;
}
