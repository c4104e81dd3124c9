/**
 * The way `push`: SMTP to the site's primary.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Primaries } from '../../primary/primaries.ts';
import type { Reached } from '../../primary/reach.ts';
import { offersXclient } from '../../protocol/smtp/client/attributes.ts';
import { SmtpClient } from '../../protocol/smtp/client/client.ts';
import { type Deadlines, RFC_DEADLINES } from '../../protocol/smtp/client/open.ts';
import type { Caution } from '../../protocol/smtp/client/transaction.ts';
import type { Site } from '../../site/site.ts';
import type { Handover, Line, Trouble } from '../port.ts';
import { type Forwarding, SmtpLine } from './line.ts';
import { NamedLine } from './named-line.ts';

export interface LineMeans {
  /** What one line learns of the host's patience, the next one knows. */
  readonly caution?: Caution;
  readonly clock: Clock;
  readonly log: Log;
  readonly deadlines?: Deadlines;
  /** Absent: it hears of no client. */
  readonly forwarding?: Forwarding;
}

export interface PushOptions extends LineMeans {
  readonly site: Site;
  readonly primaries: Primaries;
}

export function pushHandover({ site, primaries, ...means }: PushOptions): Handover {
  const log = means.log.child({ site: site.name });
  const caution = { careful: false };
  const { passing } = primaries;
  const forwarding: Forwarding = {
    may: () => passing.may(site.name),
    refused: (why) => passing.refused(site.name, why),
  };
  const over = (reached: Reached) =>
    lineOf(reached, { ...means, caution, log, ...(site.passClient === 'xforward' && { forwarding }) });
  return {
    async connect(signal: AbortSignal): Promise<Line | Trouble> {
      const reached = await primaries.connect(site, signal);
      if (reached.kind === 'trouble') return reached;
      const named = site.passClient === 'xclient' && offersXclient(reached.opened.offer);
      return named ? new NamedLine({ site, primaries, reached, over }) : over(reached);
    },
    callOver() {
      primaries.forget(site.name);
    },
  };
}

export function lineOf(
  reached: Reached,
  { caution, clock, log, deadlines, forwarding }: LineMeans,
): SmtpLine {
  const { opened, named } = reached;
  const client = new SmtpClient({
    opened,
    ...(caution && { caution }),
    clock,
    deadlines: deadlines ?? RFC_DEADLINES,
  });
  const line = new SmtpLine(reached, client, log, forwarding);
  log.info('line open', {
    host: line.host,
    tls: opened.tls?.version ?? 'none',
    best: line.best,
    ...(named && { client: named.address }),
  });
  return line;
}
