/**
 * The way `push`: SMTP to the site's primary.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Primaries } from '../../primary/primaries.ts';
import type { Reached } from '../../primary/reach.ts';
import { SmtpClient } from '../../protocol/smtp/client/client.ts';
import { type Deadlines, RFC_DEADLINES } from '../../protocol/smtp/client/open.ts';
import type { Caution } from '../../protocol/smtp/client/transaction.ts';
import type { Site } from '../../site/site.ts';
import type { Handover, Line, Trouble } from '../port.ts';
import { SmtpLine } from './line.ts';

export interface LineMeans {
  /** What one line learns of the host's patience, the next one knows. */
  readonly caution?: Caution;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlines?: Deadlines;
}

export interface PushOptions extends LineMeans {
  readonly site: Site;
  readonly primaries: Primaries;
}

export function pushHandover({ site, primaries, ...means }: PushOptions): Handover {
  const log = means.log.child({ site: site.name });
  const caution = { careful: false };
  return {
    async connect(signal: AbortSignal): Promise<Line | Trouble> {
      const reached = await primaries.connect(site, signal);
      return reached.kind === 'trouble' ? reached : lineOf(reached, { ...means, caution, log });
    },
    callOver() {
      primaries.forget(site.name);
    },
  };
}

export function lineOf(reached: Reached, { caution, clock, log, deadlines }: LineMeans): Line {
  const { opened } = reached;
  const client = new SmtpClient({
    opened,
    ...(caution && { caution }),
    clock,
    deadlines: deadlines ?? RFC_DEADLINES,
  });
  const line = new SmtpLine(reached, client, log);
  log.info('line open', { host: line.host, tls: opened.tls?.version ?? 'none', best: line.best });
  return line;
}
