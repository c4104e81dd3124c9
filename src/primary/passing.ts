/**
 * What primaries said when they were told of clients (`pass_client`): whom not to name to them for a while.
 *
 * A refusal of XCLIENT may be about the one client, or about all. So that client is not named again for an hour; after
 * refusals of three clients in a row, nobody is. A connection that is lost at it may be chance: it counts as a refusal
 * when it happens twice in a row to one client. Bounded; of this run only.
 */
import { type Clock, HOUR } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

const REST = HOUR;
const IN_A_ROW = 3;
const MOST = 1000;
/** Stands for all clients. */
const ALL = '';

export class Passing {
  readonly #clock: Clock;
  readonly #log: Log;
  /** By site and client: until when, monotonic. */
  readonly #resting = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  /** By site and client: the last connection was lost at it. */
  readonly #lost = new Set<string>();
  readonly #logged = new Set<string>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `client`: its key; absent: whether any may be told of at all. */
  may(site: string, client = ALL): boolean {
    const now = this.#clock.monotonic();
    return ![ALL, client].some((key) => now < (this.#resting.get(keyOf(site, key)) ?? 0));
  }

  took(site: string, client: string): void {
    this.#refusals.delete(site);
    this.#lost.delete(keyOf(site, client));
  }

  /** Absent `client`: it wants to hear of none. */
  refused(site: string, why: string, client = ALL): void {
    const refusals = (this.#refusals.get(site) ?? 0) + 1;
    this.#refusals.set(site, refusals);
    this.#rest(keyOf(site, refusals < IN_A_ROW ? client : ALL));
    if (this.#logged.has(site)) return;
    this.#logged.add(site);
    this.#log.warn('client not passed on', { site, why });
  }

  lost(site: string, why: string, client: string): void {
    const key = keyOf(site, client);
    if (this.#lost.delete(key)) {
      this.refused(site, why, client);
      return;
    }
    this.#lost.add(key);
    bound(this.#lost);
  }

  #rest(key: string): void {
    this.#resting.delete(key);
    this.#resting.set(key, this.#clock.monotonic() + REST);
    bound(this.#resting);
  }
}

/** The oldest goes. */
function bound(kept: Map<string, unknown> | Set<string>): void {
  const [oldest] = kept.keys();
  if (kept.size > MOST && oldest !== undefined) kept.delete(oldest);
}

const keyOf = (site: string, client: string): string => `${site} ${client}`;
