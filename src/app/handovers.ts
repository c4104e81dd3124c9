/** How each queue is given out, with what that needs of the world. */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Resolver } from '../dns/port.ts';
import { batchHandover } from '../handover/batch/batch.ts';
import { nowhere } from '../handover/nowhere.ts';
import type { Handover } from '../handover/port.ts';
import { outboundHandover } from '../handover/push/outbound.ts';
import { pushHandover } from '../handover/push/push.ts';
import type { Primaries } from '../primary/primaries.ts';
import type { Site } from '../site/site.ts';
import { OPERATOR_QUEUE, type QueueName } from '../spool/port.ts';
import type { Current } from './current.ts';

/** In the spool folder: batches on their way to a command. */
export const BATCH_FOLDER = 'batch';

interface HandoverMeans {
  readonly current: () => Current;
  readonly primaries: Primaries;
  readonly resolver: Resolver;
  /** A batch of this site has been given. */
  readonly batchOver: (site: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Null: nobody gives that queue out. */
export function handovers(means: HandoverMeans): (queue: QueueName) => Handover | null {
  const { current, primaries, resolver, batchOver, clock, log } = means;
  const handoverOf = (site: Site): Handover => {
    switch (site.collect.kind) {
      case 'push':
      case 'etrn':
        return pushHandover({ site, primaries, clock, log });
      case 'odmr':
      case 'mailbox':
        return nowhere;
      case 'batch':
        return {
          ...batchHandover({
            site,
            batch: site.collect.batch,
            hostname: current().config.hostname,
            folder: join(current().config.spool, BATCH_FOLDER),
            env: process.env,
            clock,
            log,
          }),
          callOver: () => batchOver(site.name),
        };
    }
  };
  return (queue: QueueName): Handover | null => {
    if (queue === OPERATOR_QUEUE) return null;
    if (queue.startsWith('>')) {
      const { ourselves, config } = current();
      const domain = queue.slice(1);
      return outboundHandover({
        domain,
        way: config.outbound,
        resolver,
        clock,
        log,
        random: Math.random,
        ourselves,
      });
    }
    const site = current().directory.byName(queue);
    return site ? handoverOf(site) : null;
  };
}
