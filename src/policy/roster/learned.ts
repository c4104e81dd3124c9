/**
 * What follows from what a primary said of a recipient. Pure rules over the facts:
 *
 *   unknown ──▶ good     it was taken: at RCPT when we asked, or with a mail; or an operator said so
 *   unknown ──▶ bad      it was refused as no such mailbox; for hours
 *   good ──▶ bad         only if refusals go on for a day, and it was never taken in between
 *   bad ──▶ good         it was taken
 *
 * A good one that is old is good still while nobody can be asked. Of sub-addresses the mailbox is remembered; a
 * refusal of one says nothing of its mailbox.
 */
import { type Clock, DAY } from '../../base/clock.ts';
import type { Reply } from '../../mail/reply.ts';
import type { Verify } from '../../site/site.ts';
import type { Fact, Facts } from './facts.ts';
import { baseOf, fullOf, type Name } from './names.ts';

/** Refusals of a good one have to be spread over so much. */
const REFUSALS_SPAN = DAY;
/** The share of its time after which a good one is asked for again. */
export const REFRESH = 0.75;
/** What is said again within this share of its time is not written again. */
const REWRITE = 0.125;

export type Known =
  | {
      readonly kind: 'good';
      /** fresh; due: to be asked for again soon; over: its time has run out. */
      readonly age: 'fresh' | 'due' | 'over';
    }
  | { readonly kind: 'bad' }
  | { readonly kind: 'unknown' };

/** Whose facts, and how long they count. */
export interface Of {
  readonly site: string;
  readonly verify: Verify;
}

const UNKNOWN: Known = { kind: 'unknown' };
const BAD: Known = { kind: 'bad' };

export class Learned {
  readonly #facts: Facts;
  readonly #clock: Clock;

  constructor(facts: Facts, clock: Clock) {
    this.#facts = facts;
    this.#clock = clock;
  }

  known(of: Of, name: Name): Known {
    const full = this.#facts.get(of.site, fullOf(name));
    const own = this.#told(of, full);
    if (own.kind !== 'unknown' || name.base === name.local) return own;
    return this.#told(of, this.#facts.get(of.site, baseOf(name)));
  }

  #told({ verify }: Of, fact: Fact | undefined): Known {
    if (!fact) return UNKNOWN;
    const age = this.#clock.now() - fact.at;
    if (!fact.good) return age < verify.bad ? BAD : UNKNOWN;
    return {
      kind: 'good',
      age: age >= verify.good ? 'over' : age >= verify.good * REFRESH ? 'due' : 'fresh',
    };
  }

  taken(of: Of, name: Name, by: Fact['by']): void {
    const { site, verify } = of;
    const now = this.#clock.now();
    const [full, base] = [fullOf(name), baseOf(name)];
    const mailbox = this.#facts.get(site, base);
    // It is there though its mailbox is not.
    const own = base !== full && mailbox?.good === false && now - mailbox.at < verify.bad;
    if (!own && base !== full) this.#facts.delete(site, full);
    const fact = own ? this.#facts.get(site, full) : mailbox;
    const fresh = fact?.good && fact.refused === undefined && now - fact.at < verify.good * REWRITE;
    if (!fresh) this.#facts.set(site, own ? full : base, { good: true, at: now, by });
  }

  refused(of: Of, name: Name, by: Fact['by']): void {
    const { site, verify } = of;
    const now = this.#clock.now();
    const address = fullOf(name);
    const own = this.#facts.get(site, address);
    const mailbox = this.#facts.get(site, baseOf(name));
    const good = own?.good ? own : own === undefined && mailbox?.good ? mailbox : undefined;
    if (!good) {
      const fresh = own && now - own.at < verify.bad * REWRITE;
      if (!fresh) this.#facts.set(site, address, { good: false, at: now, by });
      return;
    }
    const since = good.refused ?? now;
    if (now - since >= REFUSALS_SPAN) this.#facts.set(site, address, { good: false, at: now, by });
    else if (good.refused === undefined) this.#facts.set(site, address, { ...good, refused: now });
  }
}

/**
 * "There is no such mailbox", and nothing else: 550, 551 or 553 to RCPT, with an enhanced code about the recipient's
 * address or none at all. RFC 5321 §4.2.3; RFC 3463 §3.2: X.1.1 mailbox, X.1.2 system, X.1.3 syntax, X.1.6 moved;
 * X.1.7 and X.1.8 are about the sender.
 */
export function saysNoMailbox({ code, enhanced }: Reply): boolean {
  if (code !== 550 && code !== 551 && code !== 553) return false;
  return enhanced === undefined || (/^5\.1\.\d+$/.test(enhanced) && !/^5\.1\.[78]$/.test(enhanced));
}
