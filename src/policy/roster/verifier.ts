/**
 * Asks a site's primary for recipients, so gently that it can't be used to attack it: one connection, one question a
 * second, ten seconds for each, in turn; a bounded queue, in which mails that wait come first.
 *
 * Promises: the first question at a domain is for a mailbox that cannot be there. A primary that takes it takes
 * everything, and its word says nothing. A refusal is believed only if the primary takes, in the same minutes, somebody
 * of whom we know that he is there, or postmaster: one with an empty user database convinces nobody. After
 * trouble it is left alone for a while. Who sends these questions is in its log as any other peer.
 */
import { type Clock, type Instant, MINUTE, SECOND, sleep } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { domainOf } from '../../mail/address.ts';
import { describe, isPositive, isTransient, type Reply } from '../../mail/reply.ts';
import { judgeRcpt } from '../../primary/classify.ts';
import type { Primaries } from '../../primary/primaries.ts';
import type { Reached } from '../../primary/reach.ts';
import { askRecipient } from '../../protocol/smtp/client/ask.ts';
import type { Site } from '../../site/site.ts';
import { saysNoMailbox } from './learned.ts';

/**
 * `everything`: the primary takes any address at this domain. `undecided`: what it said is neither yes nor no.
 * `unasked`: it could not be asked.
 */
export type Answer = 'good' | 'bad' | 'everything' | 'undecided' | 'unasked';

export interface VerifierMeans {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly primaries: Pick<Primaries, 'connect'>;
}

/** What it has to know of the site, and whom it tells. */
export interface VerifierSite {
  readonly site: () => Site;
  /** Does the primary take everything at this domain? Undefined: that has to be found out. */
  readonly takesAll: (domain: string) => boolean | undefined;
  readonly foundOut: (domain: string, all: boolean) => void;
  /** Somebody of whom we know that he is there. */
  readonly somebody: () => string | undefined;
  readonly answered: (address: string, answer: Answer) => void;
}

export interface VerifierView {
  /** Why nobody is asked at the moment. */
  readonly why: string | null;
  readonly waiting: number;
  readonly asked: number;
  readonly last: Instant | null;
}

const PACE = SECOND;
const DEADLINE = 10 * SECOND;
const MOST_WAITING = 50;
const MOST_LATER = 1000;
const MOST_A_CONNECTION = 50;
/** Servers count refusals as errors: Postfix slows down after 10 and hangs up after 20. */
const MOST_REFUSED = 5;
/** After trouble: the way to it; what it thinks of us. */
const REST = MINUTE;
const LONG_REST = 10 * MINUTE;
/** How long the primary's health, good or bad, is believed. */
const HEALTH = 10 * MINUTE;
/** An address of which nothing came is not asked for again so soon. */
const UNDECIDED = 5 * MINUTE;
const MOST_UNDECIDED = 1000;

export class Verifier {
  readonly #means: VerifierMeans;
  readonly #site: VerifierSite;
  readonly #urgent = new Map<string, (answer: Answer) => void>();
  readonly #later = new Set<string>();
  readonly #asking = new Map<string, Promise<Answer>>();
  /** Address → until when. */
  readonly #undecided = new Map<string, number>();
  readonly #stop = new AbortController();
  #running = false;
  #reached: Reached | null = null;
  #onThis = 0;
  #refusedOnThis = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #restUntil = Number.NEGATIVE_INFINITY;
  #why: string | null = null;
  #health: { readonly well: boolean; readonly until: number } | null = null;
  #asked = 0;
  #last: Instant | null = null;

  constructor(means: VerifierMeans, site: VerifierSite) {
    this.#means = means;
    this.#site = site;
  }

  /** Would a question be put? */
  get open(): boolean {
    return !this.#resting && this.#urgent.size < MOST_WAITING;
  }

  get #resting(): boolean {
    return this.#stop.signal.aborted || this.#means.clock.monotonic() < this.#restUntil;
  }

  /** Undefined: it is not asked for now. */
  ask(address: string): Promise<Answer> | undefined {
    const under = this.#asking.get(address);
    if (under) return under;
    if (!this.open || this.#isUndecided(address)) return undefined;
    const answer = new Promise<Answer>((resolve) => this.#urgent.set(address, resolve));
    this.#asking.set(address, answer);
    void this.#run();
    return answer;
  }

  /** In a quiet moment. */
  askLater(address: string): void {
    if (!this.open || this.#later.size >= MOST_LATER || this.#asking.has(address)) return;
    if (this.#isUndecided(address)) return;
    this.#later.add(address);
    void this.#run();
  }

  view(): VerifierView {
    const resting = this.#means.clock.monotonic() < this.#restUntil;
    const ill = this.#health?.well === false && this.#means.clock.monotonic() < this.#health.until;
    return {
      why: resting || ill ? this.#why : null,
      waiting: this.#urgent.size + this.#later.size,
      asked: this.#asked,
      last: this.#last,
    };
  }

  stop(): void {
    this.#stop.abort();
    this.#hangUp();
  }

  #isUndecided(address: string): boolean {
    const until = this.#undecided.get(address);
    return until !== undefined && this.#means.clock.monotonic() < until;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#next(); next; next = this.#next()) {
      const answer = this.#resting ? 'unasked' : await this.#examine(next.address);
      this.#note(next.address, answer);
      this.#asking.delete(next.address);
      next.tell?.(answer);
    }
    this.#hangUp();
    this.#running = false;
  }

  #next(): { address: string; tell?: (answer: Answer) => void } | undefined {
    const [first] = this.#urgent;
    if (first) {
      const [address, tell] = first;
      this.#urgent.delete(address);
      this.#later.delete(address);
      return { address, tell };
    }
    const [address] = this.#later;
    if (address === undefined) return undefined;
    this.#later.delete(address);
    return { address };
  }

  #note(address: string, answer: Answer): void {
    if (answer === 'undecided') {
      this.#undecided.set(address, this.#means.clock.monotonic() + UNDECIDED);
      const [oldest] = this.#undecided.keys();
      if (this.#undecided.size > MOST_UNDECIDED && oldest !== undefined) this.#undecided.delete(oldest);
    } else this.#undecided.delete(address);
    this.#site.answered(address, answer);
  }

  async #examine(address: string): Promise<Answer> {
    const domain = domainOf(address);
    const known = this.#site.takesAll(domain);
    if (known) return 'everything';
    if (known === undefined) {
      const said = await this.#rcpt(`${this.#nobody()}@${domain}`);
      if (!said) return 'unasked';
      if (isPositive(said)) {
        this.#means.log.info('primary takes any recipient', { site: this.#site.site().name, domain });
        this.#site.foundOut(domain, true);
        return 'everything';
      }
      if (!isTransient(said)) this.#site.foundOut(domain, false);
    }
    const said = await this.#rcpt(address);
    if (!said) return 'unasked';
    if (isPositive(said)) return 'good';
    if (!saysNoMailbox(said)) return 'undecided';
    return (await this.#isWell(address, domain)) ? 'bad' : 'undecided';
  }

  /** No mailbox that anybody has. */
  #nobody(): string {
    const letters = Array.from({ length: 16 }, () => 97 + Math.floor(this.#means.random() * 26));
    return `restante-${String.fromCharCode(...letters)}`;
  }

  /** Does it take somebody who is there? Else its refusals are worth nothing. */
  async #isWell(refused: string, domain: string): Promise<boolean> {
    const now = this.#means.clock.monotonic();
    if (this.#health && now < this.#health.until) return this.#health.well;
    const known = this.#site.somebody();
    const somebody = known === undefined || known === refused ? `postmaster@${domain}` : known;
    if (somebody === refused) return false;
    const said = await this.#rcpt(somebody);
    if (!said) return false;
    const well = isPositive(said);
    this.#health = { well, until: this.#means.clock.monotonic() + HEALTH };
    if (well) this.#site.answered(somebody, 'good');
    else {
      this.#why = `its refusals are not believed, since it refuses ${somebody}: ${describe(said)}`;
      this.#means.log.warn('primary refuses good recipients', {
        site: this.#site.site().name,
        why: this.#why,
      });
    }
    return well;
  }

  /** The reply to RCPT; null if there is none that would be about the recipient. */
  async #rcpt(address: string): Promise<Reply | null> {
    const { clock } = this.#means;
    const { signal } = this.#stop;
    await sleep(clock, Math.max(0, this.#lastAt + PACE - clock.monotonic()), signal);
    if (signal.aborted) return null;
    this.#lastAt = clock.monotonic();
    const reached = this.#reached ?? (await this.#connect());
    if (!reached) return null;
    this.#lastAt = clock.monotonic();
    this.#asked++;
    this.#last = clock.now();
    const asked = await askRecipient(reached.opened, address, DEADLINE);
    // A small site's places are for mail.
    const refused = asked.kind === 'rcpt' && !isPositive(asked.reply);
    if (refused) this.#refusedOnThis++;
    const worn = ++this.#onThis >= MOST_A_CONNECTION || this.#refusedOnThis >= MOST_REFUSED;
    if (worn || this.#site.site().connections <= 2) this.#hangUp();
    switch (asked.kind) {
      case 'rcpt':
        if (!isPositive(asked.reply) && isTrouble(asked.reply, address)) {
          return this.#rest(LONG_REST, `RCPT: ${describe(asked.reply)}`);
        }
        return asked.reply;
      case 'mail':
        return this.#rest(LONG_REST, `MAIL FROM:<>: ${describe(asked.reply)}`);
      case 'lost':
        return this.#rest(REST, asked.lost.text);
      case 'unsaid':
        return null;
    }
  }

  async #connect(): Promise<Reached | null> {
    const { clock, primaries } = this.#means;
    const late = new AbortController();
    const deadline = clock.after(DEADLINE, () => late.abort());
    const site = this.#site.site();
    const reached = await primaries.connect(site, AbortSignal.any([late.signal, this.#stop.signal]));
    deadline.cancel();
    if (reached.kind === 'trouble') {
      return this.#rest(REST, late.signal.aborted ? 'no connection in 10 s' : reached.text);
    }
    this.#reached = reached;
    this.#onThis = 0;
    this.#refusedOnThis = 0;
    // A fellow secondary's word is not the site's.
    if (!reached.exchanger.best) return this.#rest(REST, 'only a fellow secondary answers');
    if (this.#stop.signal.aborted) this.#hangUp();
    return this.#reached;
  }

  /** Nobody is asked for a while, and what waits is answered so. */
  #rest(ms: number, why: string): null {
    this.#hangUp();
    this.#restUntil = this.#means.clock.monotonic() + ms;
    if (why !== this.#why)
      this.#means.log.info('recipients cannot be asked for', { site: this.#site.site().name, why });
    this.#why = why;
    this.#later.clear();
    return null;
  }

  #hangUp(): void {
    const wire = this.#reached?.opened.wire;
    this.#reached = null;
    if (!wire || wire.lost) return;
    wire.command('QUIT');
    wire.expect(DEADLINE / 2, () => wire.end());
  }
}

/** A reply to RCPT that is not about the recipient: relaying denied, our address listed. */
const isTrouble = (reply: Reply, address: string): boolean =>
  judgeRcpt(reply, { sender: '', recipients: [{ address }], body: '7bit', smtputf8: false }) === 'trouble';
