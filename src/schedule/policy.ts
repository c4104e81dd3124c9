/**
 * How a queue is kept: what the keeper has to know of a site, or of a foreign domain. A value;
 * a reload hands out new ones.
 */
import { DAY, MINUTE } from '../base/clock.ts';
import type { Site } from '../site/site.ts';

export interface QueuePolicy {
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
}

export const sitePolicy = (site: Site): QueuePolicy => ({
  hold: site.hold,
  warn: site.warn,
  connections: site.connections,
  probe: site.probe,
  wary: true,
});

/** For queues of foreign domains: notices, which nobody waits for and no site has promised to take. */
export const FOREIGN_POLICY: QueuePolicy = {
  hold: 5 * DAY,
  warn: [],
  connections: 2,
  probe: 30 * MINUTE,
  wary: false,
};
