/**
 * The checks of conduct, and what they have in common. Where each stands in the gate is said in `app/gate.ts`.
 */
import type { Clock } from '../../base/clock.ts';
import type { KeyedTable } from '../../base/keyed.ts';
import type { NetworkSet } from '../../base/networks.ts';
import type { Conduct as Rules } from '../../config/conduct.ts';
import type { Resolver } from '../../dns/port.ts';
import type { Check } from '../check.ts';
import type { PrimaryKnowledge, Settings, Standings } from '../ports.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { Greeting } from './greeting.ts';
import { Greylist } from './greylist.ts';
import { GreylistBook, type Remembered } from './greylist-book.ts';
import { Helo } from './helo.ts';
import { LimitTable } from './limits.ts';
import { MailLimits } from './mail-limits.ts';

export interface ConductWorld {
  readonly clock: Clock;
  readonly rules: () => Rules;
  /** `limits.allow` */
  readonly allowed: NetworkSet;
  readonly settings: () => Settings;
  readonly primaries: Pick<PrimaryKnowledge, 'sitesAt'>;
  readonly standings: Standings;
  readonly resolver: Pick<Resolver, 'addresses' | 'mx'>;
  /** What the greylist keeps. */
  readonly kept: KeyedTable<Remembered>;
}

export interface Conduct {
  readonly connectionLimits: Check;
  readonly greeting: Check;
  readonly helo: Check;
  readonly mailLimits: Check;
  readonly greylist: Check;
  /** Writes what is to be kept. */
  close(): void;
}

export function conduct(world: ConductWorld): Conduct {
  const { clock, rules, allowed, settings, primaries, standings, resolver } = world;
  const table = new LimitTable({ clock, conduct: rules, allowed, standings });
  const book = new GreylistBook(clock, world.kept);
  const known = (address: string) => allowed(address) || primaries.sitesAt(address).length > 0;
  return {
    connectionLimits: new ConnectionLimits(table),
    greeting: new Greeting({ clock, delay: () => rules().greetingDelay, known }),
    helo: new Helo({ mode: () => rules().helo, settings, resolver, known }),
    mailLimits: new MailLimits(table),
    greylist: new Greylist({ clock, book, rules: () => rules().greylist, known }),
    close: () => book.close(),
  };
}
