/**
 * How a queue is kept: what the keeper has to know of a site, or of a foreign domain. A value;
 * a reload hands out new ones.
 */
import { DAY, MINUTE } from '../base/clock.ts';
import type { Collect, Order, Site } from '../site/site.ts';

/**
 * Who begins. `push`: we do, as soon as the site lives. `call`: the site calls, and we open connections to
 * it until its queue is worked through. `turn`: the site calls, and its own connection is turned round.
 * `lend`: somebody who speaks with the site takes the queue's lease for a time.
 */
export type Way = 'push' | 'call' | 'turn' | 'lend';

export const WAYS: Readonly<Record<Collect['kind'], Way>> = {
  push: 'push',
  etrn: 'call',
  odmr: 'turn',
  mailbox: 'lend',
  batch: 'call',
};

export interface QueuePolicy {
  readonly way: Way;
  /** Milliseconds that mail is kept before it fails. */
  readonly hold: number;
  /** Ages, in milliseconds and rising, at which the sender is told of the delay. */
  readonly warn: readonly number[];
  /** Most connections at once. */
  readonly connections: number;
  /** Longest interval between probes while down, in milliseconds. */
  readonly probe: number;
  /** Hold back refusals that look like a broken primary. */
  readonly wary: boolean;
  readonly order: Order;
  /** Octets; a larger mail stays here when the site calls, and the site gets a note of it. Absent: none. */
  readonly largest?: number;
}

export const sitePolicy = (site: Site): QueuePolicy => ({
  way: WAYS[site.collect.kind],
  hold: site.hold,
  warn: site.warn,
  connections: site.connections,
  probe: site.probe,
  wary: true,
  order: site.order ?? 'arrival',
  ...(site.largest !== undefined && { largest: site.largest }),
});

/** For queues of foreign domains: notices, which nobody waits for and no site has promised to take. */
export const FOREIGN_POLICY: QueuePolicy = {
  way: 'push',
  hold: 5 * DAY,
  warn: [],
  connections: 2,
  probe: 30 * MINUTE,
  wary: false,
  order: 'arrival',
};
