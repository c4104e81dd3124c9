/**
 * Who is connected, and whether one more may be. A client and a network have bounds of their own. When nearly all room
 * is taken (NEAR), no network of strangers gets beyond its share (SHARE), and each one who comes in then has the oldest
 * connection of a stranger asked to end: an idle one ends at once, one with a mail under way after that mail, and
 * whoever has more to bring comes again. So slow and half-open connections can't keep the others out.
 *
 * Peers are bound by the total only; so are loopback addresses, but for the client's bound.
 */
import { type Clock, SECOND } from '../../base/clock.ts';
import { Linked } from '../../base/linked.ts';
import type { Log } from '../../base/log.ts';
import type { NetworkSet } from '../../base/networks.ts';
import type { Conversation } from '../engine.ts';
import { clientKey, isLoopback, networkKey } from './address.ts';

const NEAR = 0.9;
const SHARE = 0.05;
/** A connection that has just begun is let be. */
const YOUNG = 10 * SECOND;
/** So many counts stay when they are down to nothing: a map that empties is made anew each time. */
const SPARE = 64;
const BITS = { ipv4: 24, ipv6: 48 };

export interface CrowdLimits {
  readonly connections: number;
  readonly perClient: number;
  /** Absent: a network has no bound of its own. */
  readonly perNetwork?: number;
  /** Absent: 24 and 48. */
  readonly networkBits?: { readonly ipv4: number; readonly ipv6: number };
  /** Fellow secondaries and front MTAs: only `connections` is for them. */
  readonly isPeer: NetworkSet;
  readonly clock: Clock;
  readonly log: Log;
}

interface Present {
  readonly address: string;
  readonly client: string;
  readonly network: string;
  readonly stranger: boolean;
  readonly since: number;
  readonly conversation: Conversation;
  /** To end. */
  asked: boolean;
}

export class Crowd {
  readonly #limits: CrowdLimits;
  /** The oldest first. */
  readonly #present = new Linked<Present>();
  readonly #clients = new Map<string, number>();
  readonly #networks = new Map<string, number>();

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#present.size;
  }

  *conversations(): Iterable<Conversation> {
    for (const { conversation } of this.#present) yield conversation;
  }

  /** Why there is no room for one more from this address; undefined: there is. */
  full(address: string): string | undefined {
    const { connections, perClient, perNetwork = Infinity, networkBits = BITS, isPeer } = this.#limits;
    if (this.size >= connections) return 'too many connections';
    if (isPeer(address)) return undefined;
    if ((this.#clients.get(clientKey(address)) ?? 0) >= perClient)
      return 'too many connections of this client';
    if (isLoopback(address)) return undefined;
    const ofNetwork = this.#networks.get(networkKey(address, networkBits)) ?? 0;
    if (ofNetwork >= perNetwork) return 'too many connections of this network';
    return this.#near && ofNetwork >= this.#share ? 'its network has its share of what is left' : undefined;
  }

  /** Returns what is to be called when it has gone. */
  enter(address: string, conversation: Conversation): () => void {
    const { networkBits = BITS, isPeer, clock } = this.#limits;
    if (this.#near) this.#askOne();
    const present: Present = {
      address,
      client: clientKey(address),
      network: networkKey(address, networkBits),
      stranger: !isPeer(address) && !isLoopback(address),
      since: clock.monotonic(),
      conversation,
      asked: false,
    };
    const place = this.#present.add(present);
    count(this.#clients, present.client, 1);
    count(this.#networks, present.network, 1);
    return () => {
      if (!this.#present.remove(place)) return;
      count(this.#clients, present.client, -1);
      count(this.#networks, present.network, -1);
    };
  }

  get #near(): boolean {
    return this.size >= NEAR * this.#limits.connections;
  }

  get #share(): number {
    return Math.max(1, Math.floor(SHARE * this.#limits.connections));
  }

  /** The oldest of a network that has more than its share; else the oldest of all. */
  #askOne(): void {
    const young = this.#limits.clock.monotonic() - YOUNG;
    let oldest: Present | undefined;
    for (const present of this.#present) {
      if (present.since > young) break;
      if (!present.stranger || present.asked) continue;
      oldest ??= present;
      if ((this.#networks.get(present.network) ?? 0) <= this.#share) continue;
      oldest = present;
      break;
    }
    if (!oldest) return;
    oldest.asked = true;
    this.#limits.log.info('connection asked to end', {
      peer: oldest.address,
      why: 'nearly all room is taken',
    });
    oldest.conversation.stop();
  }
}

function count(map: Map<string, number>, key: string, by: 1 | -1): void {
  const left = (map.get(key) ?? 0) + by;
  if (left > 0 || map.size <= SPARE) map.set(key, left);
  else map.delete(key);
}
