/**
 * `while_up: through`: whether a recipient is put to its primary, and to which mail with it it belongs.
 *
 * A transaction that is put to a primary is of that site alone: recipients of others get 451, and come in a transaction
 * of their own. What is held all the same (the site is down, its primary in trouble, the mail is of somebody who is simply
 * served) has no such rule.
 *
 * Promises: nobody is asked while the site is down or held, nor for a while after trouble, so that senders
 * don't wait for a dead primary one after the other.
 */
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { type Client, clientOf } from '../../mail/client.ts';
import type { Recipient } from '../../mail/envelope.ts';
import type { Visit } from '../../policy/check.ts';
import type { KnownGood } from '../../policy/ports.ts';
import type { Route } from '../../policy/relay.ts';
import type { Rosters } from '../../policy/roster/rosters.ts';
import { defer } from '../../policy/verdict.ts';
import type { WhileUp } from '../../policy/while-up.ts';
import type { Passing } from '../../primary/passing.ts';
import { xforwardLines } from '../../protocol/smtp/client/attributes.ts';
import type { Site } from '../../site/site.ts';
import type { Transaction } from '../transaction.ts';
import { type Connector, Lines } from './line.ts';
import { type Hold, ThroughMail, type Word } from './mail.ts';

export interface ThroughOptions {
  readonly whileUp: WhileUp;
  readonly connector: Connector;
  readonly passing: Pick<Passing, 'may' | 'refused'>;
  readonly roster: KnownGood & Pick<Rosters, 'learn'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** After trouble its mail is held at once for so long; by then its keeper knows how it stands. */
const REST = 30 * SECOND;

const APART = defer(
  451,
  '4.3.0',
  'One site at a time: this recipient in a transaction of its own',
  'another site in this transaction (while_up: through)',
);
const HOLD: Hold = { kind: 'hold', why: '' };

/** One for the whole server. */
export class Throughs {
  readonly #options: ThroughOptions;
  /** Until when, monotonic, by site. */
  readonly #resting = new Map<string, number>();

  constructor(options: ThroughOptions) {
    this.#options = options;
  }

  begin(visit: Visit): ThroughVisit {
    return new ThroughVisit(this, visit);
  }

  lines(): Lines {
    return new Lines(this.#options.connector, this.#options.clock);
  }

  wants(site: Site | undefined, transaction: Transaction, visit: Visit): site is Site {
    if (site?.whileUp !== 'through') return false;
    const { whileUp, clock } = this.#options;
    const resting = this.#resting.get(site.name);
    if (resting !== undefined && clock.monotonic() < resting) return false;
    return whileUp.isSound(site.name) && !whileUp.isApart(site.name, transaction, visit);
  }

  mail(site: Site, transaction: Transaction, visit: Visit, lines: Lines): ThroughMail {
    const { whileUp, roster, passing, clock, log } = this.#options;
    const { mail } = transaction;
    const client = clientIn(transaction, visit);
    const forwards = () => site.passClient === 'xforward' && passing.may(site.name);
    const { sender, body, smtputf8, ret, envid, size } = mail;
    return new ThroughMail({
      site,
      envelope: { sender, body, smtputf8, ...(ret && { ret }), ...(envid !== undefined && { envid }) },
      ...(size !== undefined && { size }),
      client,
      forward: (offer) => (forwards() ? xforwardLines(offer, client) : []),
      unforwarded: (why) => passing.refused(site.name, why),
      peer: visit.peer.address,
      lines,
      log,
      isWary: () => whileUp.isWary(site.name),
      isKnownGood: (address) => roster.isKnownGood(site, address),
      learn: (said) => roster.learn(site.name, [said]),
      trouble: () => void this.#resting.set(site.name, clock.monotonic() + REST),
    });
  }
}

/** One connection of a sender. */
export class ThroughVisit {
  readonly #throughs: Throughs;
  readonly #visit: Visit;
  #lines: Lines | null = null;
  #of: { readonly transaction: Transaction; readonly mail: ThroughMail } | null = null;

  constructor(throughs: Throughs, visit: Visit) {
    this.#throughs = throughs;
    this.#visit = visit;
  }

  /** Will `rcpt` put a recipient of this site to its primary, or put it off? Not: it will say `hold`. */
  isPutTo(transaction: Transaction, site: Site): boolean {
    return this.#mailFor(transaction, site) !== 'hold';
  }

  /** What its primary says to a recipient that we would accept; or a `hold`, at once, where it is not asked. */
  rcpt(transaction: Transaction, { site }: Route, recipient: Recipient): Promise<Word> | Word {
    const mail = site ? this.#mailFor(transaction, site) : HOLD.kind;
    if (mail === 'hold') return HOLD;
    if (mail === 'apart') return APART;
    return mail().rcpt(recipient);
  }

  #mailFor(transaction: Transaction, site: Site): 'hold' | 'apart' | (() => ThroughMail) {
    const { parts } = transaction;
    const mail = this.mail(transaction);
    if (mail && (mail.site === site || parts.length > 0)) return mail.site === site ? () => mail : 'apart';
    if (!this.#throughs.wants(site, transaction, this.#visit)) return 'hold';
    // Held with the first of its recipients, held with all.
    if (parts.some((part) => part.site === site.name)) return 'hold';
    return parts.length > 0 ? 'apart' : () => this.#begin(transaction, site);
  }

  #begin(transaction: Transaction, site: Site): ThroughMail {
    this.#lines ??= this.#throughs.lines();
    const mail = this.#throughs.mail(site, transaction, this.#visit, this.#lines);
    this.#of = { transaction, mail };
    return mail;
  }

  /** The mail with its primary, if this transaction is put to one. */
  mail(transaction: Transaction): ThroughMail | undefined {
    return this.#of?.transaction === transaction && this.#of.mail.isOpen ? this.#of.mail : undefined;
  }

  closed(): void {
    this.#lines?.close();
  }
}

/** As far as he is known by now. Who comes by a front, or sends as a site, is simply served (`WhileUp.isApart`). */
function clientIn({ manner, findings }: Transaction, { peer }: Visit): Client | null {
  const { helo, esmtp } = manner;
  const name = findings.clientName;
  return clientOf({
    kind: 'received',
    peer: peer.address,
    helo,
    protocol: esmtp ? 'ESMTP' : 'SMTP',
    ...(name !== undefined && { name }),
  });
}
