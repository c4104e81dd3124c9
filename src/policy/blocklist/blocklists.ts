/**
 * The blocklists as a check of the gate: asked from the connection on, all at once, heard at RCPT.
 *
 * Promises: whom the lists deny can still reach a postmaster. Peers, those who logged in and sites that send are not
 * judged. Lists that do not answer in time are no hit. A reload keeps what is known of a list that it does not change.
 *
 * RFC 5782; RFC 5321 §4.5.1 (postmaster).
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { BlocklistSettings, ListSettings } from '../../config/blocklists.ts';
import type { Resolver } from '../../dns/port.ts';
import type { Check, Visit, Watch } from '../check.ts';
import { List, type ListView } from './list.ts';
import { BlocklistWatch } from './watch.ts';

export interface BlocklistParts {
  /** A new one for each list, so that a silent list takes no other's turn. */
  readonly resolverOf: () => Resolver;
  /** For the names of clients. */
  readonly names: Resolver;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

const NONE: BlocklistSettings = { lists: [], threshold: 1, action: 'reject', deadline: 0 };

export class Blocklists implements Check {
  readonly name = 'blocklists';
  readonly #parts: BlocklistParts;
  #settings = NONE;
  #lists: readonly List[] = [];

  constructor(parts: BlocklistParts) {
    this.#parts = parts;
  }

  /** From now on these. New ones are tested at once. */
  configure(settings: BlocklistSettings): void {
    const before = new Map(this.#lists.map((list) => [JSON.stringify(list.settings), list]));
    this.#settings = settings;
    this.#lists = settings.lists.map((each) => {
      const key = JSON.stringify(each);
      const known = before.get(key);
      before.delete(key);
      return known ?? this.#open(each);
    });
    for (const gone of before.values()) gone.stop();
  }

  #open(settings: ListSettings): List {
    const { resolverOf, clock, log, random } = this.#parts;
    const list = new List({ settings, resolver: resolverOf(), clock, log, random });
    list.start();
    return list;
  }

  begin({ peer, trusted }: Visit): Watch | undefined {
    if (trusted || this.#lists.length === 0) return undefined;
    const { names, clock } = this.#parts;
    return new BlocklistWatch(peer.address, { settings: this.#settings, lists: this.#lists, names, clock });
  }

  views(): ListView[] {
    return this.#lists.map((list) => list.view());
  }

  stop(): void {
    for (const list of this.#lists) list.stop();
  }
}
