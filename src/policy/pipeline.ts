/**
 * The order of checks, and nothing else: each check has a file of its own. The first refusal
 * counts. Cheap ones and those that keep the door shut come first; at RCPT the gate (`gate.ts`: what the client
 * is and does) stands between the door and the roster, so that strangers learn nothing of who is there.
 */
import { type Soon, then } from '../base/soon.ts';
import type { RcptCommand } from '../protocol/smtp/session.ts';
import type { Site, SiteDirectory } from '../site/site.ts';
import type { AskedRecipient, Asking, Complete } from './check.ts';
import type { GateVisit } from './gate.ts';
import { loops, type Part, type Passing } from './loop.ts';
import type { PrimaryKnowledge, RoomView, Settings, Standings } from './ports.ts';
import { type Route, routeOf, secondHop } from './relay.ts';
import { queueRoom, spoolRoom } from './room.ts';
import type { Lookup, Rosters } from './roster/rosters.ts';
import { type Giver, SendRules } from './send.ts';
import { actualSize, declaredSize, sizeForSite } from './size.ts';
import { utf8Addresses, utf8Header } from './utf8.ts';
import { ACCEPT, type Refusal, refusal, type Verdict } from './verdict.ts';

/** What the checks look at. */
export interface World {
  readonly settings: () => Settings;
  readonly directory: () => SiteDirectory;
  readonly primaries: PrimaryKnowledge;
  readonly standings: Standings;
  readonly recipients: Pick<Rosters, 'lookup' | 'known' | 'verdict'>;
  readonly spool: RoomView;
}

/** Where a recipient is said. */
export interface Said {
  /** The address that the peer connected to. */
  readonly localAddress: string;
  /** Will this site's primary be asked for it while the sender waits (`while_up: through`)? Then the roster asks nobody. */
  isPutTo(site: Site): boolean;
}

/** A mail whose content is all there. */
export interface Arrived extends Passing {
  /** Octets, our trace field included. */
  readonly size: number;
  /** The smallest that is known among those who get it. */
  readonly limit: number;
  readonly parts: readonly (Part & { readonly utf8: boolean })[];
}

export class Policy {
  readonly #world: World;
  readonly #sendRules = new SendRules();

  constructor(world: World) {
    this.#world = world;
  }

  mail(asking: Asking, gate: GateVisit): Soon<Verdict> {
    const { settings, spool } = this.#world;
    const { size } = asking.mail;
    return (
      refusal(declaredSize(size, settings().sizeLimit)) ??
      refusal(spoolRoom(spool, size)) ??
      gate.mail(asking)
    );
  }

  /** The site that sends this mail; undefined for a stranger's. */
  sending(sender: string, giver: Giver): Site | undefined {
    return this.#sendRules.sending(sender, giver, this.#world.directory());
  }

  rcpt(rcpt: RcptCommand, asking: Asking, said: Said, gate: GateVisit): Soon<Route | Refusal> {
    const { settings, directory } = this.#world;
    const { localAddress } = said;
    const sends = asking.sending?.send?.to === 'any';
    const route = routeOf(rcpt, { settings: settings(), directory: directory(), localAddress, sends });
    if (route.kind !== 'route') return route;
    const known = then(gate.rcpt(asking, askedOf(route)), (verdict) =>
      verdict.kind === 'accept' ? this.#known(route, asking, said) : verdict,
    );
    return then(known, (routed) =>
      routed.kind === 'route'
        ? then(gate.taken(asking, askedOf(routed)), (verdict) => refusal(verdict) ?? routed)
        : routed,
    );
  }

  /** What becomes of a recipient that nobody knows, and whose primary was not asked after all. */
  unasked({ site, address }: Route, asking: Asking): Verdict {
    return site ? this.#world.recipients.verdict(site, address, 'unknown', asking) : ACCEPT;
  }

  #known(route: Route, asking: Asking, said: Said): Soon<Route | Refusal> {
    const { recipients } = this.#world;
    const { site, address } = route;
    if (!site || route.always) return this.#routed(route, 'listed', asking);
    if (!said.isPutTo(site)) {
      return then(recipients.lookup(site, address, asking), (found) => this.#routed(route, found, asking));
    }
    return then(recipients.known(site, address), (found) =>
      this.#routed(found === 'unknown' ? { ...route, unasked: true } : route, found, asking),
    );
  }

  #routed(route: Route, lookup: Lookup, asking: Asking): Route | Refusal {
    const { primaries, spool, recipients } = this.#world;
    const { site, address, queue } = route;
    const { mail } = asking;
    const known = site && primaries.capabilities(site.name);
    return (
      refusal(secondHop(address, lookup)) ??
      (site && !route.unasked ? refusal(recipients.verdict(site, address, lookup, asking)) : undefined) ??
      refusal(sizeForSite(mail.size, known)) ??
      refusal(utf8Addresses(mail.sender, address, known)) ??
      refusal(queueRoom(spool, queue, mail.size)) ??
      route
    );
  }

  arrived(mail: Arrived, complete: Complete, gate: GateVisit): Soon<Verdict> {
    const { primaries } = this.#world;
    return (
      refusal(actualSize(mail.size, mail.limit)) ??
      refusal(loops(mail)) ??
      refusal(utf8Header(mail.parts, (site) => primaries.capabilities(site))) ??
      gate.arrived(complete)
    );
  }
}

/** How a check sees the recipient of a route. */
export const askedOf = ({ address, site, always }: Route): AskedRecipient => ({
  address,
  ...(site && { site }),
  postmaster: always,
});
