/**
 * What new mail meets while the primary is up (`while_up`). `defer` is decided here: 451, "use the primary", and only if
 * it was met alive within a minute; where nobody knows it is asked first, and if its answer takes longer than a sender is
 * kept waiting the mail is taken. `through` is `receive/through/`; who is apart from both is known here.
 *
 * Never while the site is down, held or wary; never the postmaster's mail (RFC 5321 §4.5.1: he is who is asked for
 * help when the primary is at fault). RFC 3463 X.3.0.
 */
import { type Clock, MINUTE, SECOND, sleep } from '../base/clock.ts';
import { type Soon, then } from '../base/soon.ts';
import type { Site } from '../site/site.ts';
import type { Asking, Visit } from './check.ts';
import type { Escapes } from './escape.ts';
import type { PrimaryKnowledge, Pulses, Standings } from './ports.ts';
import type { Route } from './relay.ts';
import { ACCEPT, defer, type Verdict } from './verdict.ts';

export interface WhileUpOptions {
  readonly standings: Standings;
  readonly pulses: Pulses;
  readonly primaries: Pick<PrimaryKnowledge, 'sitesAt'>;
  readonly escapes: Escapes;
  readonly clock: Clock;
}

/** That long ago is alive. */
const ALIVE = MINUTE;
/** A sender is kept waiting for the answer of a primary so long; then its mail is taken. */
export const PROBE_WAIT = 3 * SECOND;

export class WhileUp {
  readonly #options: WhileUpOptions;

  constructor(options: WhileUpOptions) {
    this.#options = options;
  }

  /**
   * Does this mail come from somebody who is simply served: who authenticated, a site that sends, a fellow
   * secondary (`peers:`), who comes by no connection? Or from the primary itself, which has to meet loop detection?
   */
  isApart(site: string, asking: Asking, visit: Visit): boolean {
    const { manner, sending } = asking;
    if (visit.trusted || sending || manner.authenticated || manner.courier) return true;
    return this.#options.primaries.sitesAt(visit.peer.address).includes(site);
  }

  /** May its words be believed at all? True also where nothing is known of it yet. */
  isSound(site: string): boolean {
    return this.#options.standings.standing(site)?.up ?? true;
  }

  isWary(site: string): boolean {
    return this.#options.standings.standing(site)?.wary ?? false;
  }

  /** At RCPT, after all else has accepted it. */
  rcpt(route: Route, asking: Asking, visit: Visit): Soon<Verdict> {
    const { site, always } = route;
    if (site?.whileUp !== 'defer' || always) return ACCEPT;
    if (this.isApart(site.name, asking, visit)) return ACCEPT;
    if (!this.isSound(site.name) || this.isWary(site.name)) return ACCEPT;
    const { pulses, escapes } = this.#options;
    const { sender } = asking.mail;
    if (escapes.isBack(site.name, sender, route.address)) return ACCEPT;
    return then(this.#isAlive(site), (alive) => {
      if (!alive || !escapes.sendAway(site.name, sender, route.address)) return ACCEPT;
      const host = site.hide ? undefined : nameOf(pulses.seen(site.name)?.host);
      const text = `Use ${host ?? 'the primary mail exchanger'}, it is up`;
      return defer(451, '4.3.0', text, 'the primary is up (while_up: defer)');
    });
  }

  #isAlive(site: Site): Soon<boolean> {
    const { clock, pulses } = this.#options;
    const seen = pulses.seen(site.name);
    return (seen !== undefined && clock.monotonic() - seen.at <= ALIVE) || this.#ask(site);
  }

  async #ask(site: Site): Promise<boolean> {
    const { clock, pulses } = this.#options;
    const over = new AbortController();
    const late = sleep(clock, PROBE_WAIT, over.signal).then(() => false);
    const alive = await Promise.race([pulses.ask(site), late]);
    over.abort();
    return alive;
  }
}

/** An address says nothing to a sender who looks for an MX. */
const nameOf = (host: string | undefined): string | undefined =>
  host !== undefined && /[a-z]/i.test(host) && !host.includes(':') ? host : undefined;
