/**
 * How much strangers may bring: limits of connections, mails, recipients, errors and octets, by client address (an IPv6
 * /64 is one), by network, by sender and by site. All are kept in one bounded table (`rate.ts`).
 *
 * Promises: the answer is 421 to a connection, 450 to a recipient, and never 5yz, so that nothing is lost but time;
 * what was counted is what was let pass, so that trying again and again makes it no worse.
 * While a site is down, mail that passes SPF, or of a client that an allow list has, is counted against its client alone,
 * by FAVOURED: it comes from where its sender's domain sends, or from somebody who is vouched for, and the primary,
 * where it would have gone, is not there.
 */
import type { Clock } from '../../base/clock.ts';
import { HOUR, MINUTE } from '../../base/clock.ts';
import type { NetworkSet } from '../../base/networks.ts';
import type { Allowance, Conduct, Rates } from '../../config/conduct.ts';
import { clientKey, networkKey } from '../../protocol/listen/address.ts';
import type { Visit } from '../check.ts';
import type { Standings } from '../ports.ts';
import { type Account, Accounts } from '../rate.ts';
import { isStranger } from './stranger.ts';

/** 100 mails a minute, those of three hours at once if need be. */
export const FAVOURED: Allowance = { count: 18_000, span: 3 * HOUR };

export type Kind = keyof Rates;
/** What is counted of each key. */
const KINDS = { connections: 0, mails: 1, recipients: 2, errors: 3, bytes: 4, favoured: 5 } as const;

export interface LimitsWorld {
  readonly clock: Clock;
  readonly conduct: () => Pick<Conduct, 'rates' | 'networkBits'>;
  /** `limits.allow` */
  readonly allowed: NetworkSet;
  readonly standings: Standings;
}

/** A key, and what holds for it. */
export class Scope {
  readonly name: string;
  readonly account: Account;
  readonly rates: Rates;

  constructor(name: string, account: Account, rates: Rates) {
    this.name = name;
    this.account = account;
    this.rates = rates;
  }

  /** Why not so much more; undefined: it may be. */
  over(kind: Kind, now: number): string | undefined {
    const allowance = this.rates[kind];
    if (!allowance || this.account.fits(KINDS[kind], allowance, now)) return undefined;
    return `limit: ${allowance.count} ${kind} in ${spanText(allowance.span)} of ${this.name}`;
  }

  spend(kind: Kind, now: number, amount = 1): void {
    const allowance = this.rates[kind];
    if (allowance) this.account.spend(KINDS[kind], allowance, now, amount);
  }

  /** The same for favoured mail. */
  overFavour(now: number): string | undefined {
    if (this.account.fits(KINDS.favoured, FAVOURED, now)) return undefined;
    return `limit: ${FAVOURED.count} favoured mails in ${spanText(FAVOURED.span)} of ${this.name}`;
  }

  spendFavour(now: number): void {
    this.account.spend(KINDS.favoured, FAVOURED, now);
  }
}

const spanText = (ms: number): string => (ms >= HOUR ? `${ms / HOUR} h` : `${ms / MINUTE} min`);

/** The table, and the keys that one looks up in it. Both checks of limits share it. */
export class LimitTable {
  readonly world: LimitsWorld;
  readonly #accounts = new Accounts(Object.keys(KINDS).length);

  constructor(world: LimitsWorld) {
    this.world = world;
  }

  isLimited(visit: Visit): boolean {
    return isStranger(visit) && !this.world.allowed(visit.peer.address);
  }

  client(address: string): Scope {
    const { rates } = this.world.conduct();
    return new Scope(`client ${address}`, this.#accounts.of(`c${clientKey(address)}`), rates.client);
  }

  network(address: string): Scope {
    const { rates, networkBits } = this.world.conduct();
    const key = networkKey(address, networkBits);
    return new Scope(`the network of ${address}`, this.#accounts.of(`n${key}`), rates.network);
  }

  /** The null sender is everybody's. */
  sender(sender: string): Scope | undefined {
    const { rates } = this.world.conduct();
    if (sender === '' || !limits(rates.sender)) return undefined;
    return new Scope(`sender ${sender}`, this.#accounts.of(`s${sender.toLowerCase()}`), rates.sender);
  }

  site(name: string): Scope | undefined {
    const { rates } = this.world.conduct();
    if (!limits(rates.site)) return undefined;
    return new Scope(`site ${name}`, this.#accounts.of(`d${name}`), rates.site);
  }
}

function limits(rates: Rates): boolean {
  for (const _ in rates) return true;
  return false;
}
