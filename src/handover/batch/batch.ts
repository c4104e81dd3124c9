/**
 * The way `batch`: mail is given to a command, such as `uux` or `nncp-exec`.
 *
 * A line of it has no connection; it is where parcels are gathered. They are answered when their command
 * has ended: exit code 0 is `delivered`, anything else puts them off. A command that cannot even be started
 * is the site's trouble.
 *
 * RFC 976, 2442.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Batch, Site } from '../../site/site.ts';
import type { Handover } from '../port.ts';
import { BatchLine } from './line.ts';

export interface BatchOptions {
  readonly site: Pick<Site, 'name'>;
  readonly batch: Batch;
  /** Our name, in EHLO. */
  readonly hostname: string;
  /** For `{file}`: a folder of our own, made when it is needed. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
}

export function batchHandover(options: BatchOptions): Handover {
  const log = options.log.child({ site: options.site.name });
  // Mail whose content is damaged would spoil each batch that it is in.
  const spoilt = new Set<string>();
  let lines = 0;
  return {
    connect: async () => new BatchLine({ ...options, log }, spoilt, ++lines),
  };
}
