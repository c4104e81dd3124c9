/** From the server's own values to those of the contract. */
import type { Instant } from '../../base/clock.ts';
import { describe } from '../../mail/reply.ts';
import type { ListView } from '../../policy/blocklist/list.ts';
import type { KeeperView } from '../../schedule/view.ts';
import type { HostPort, PrimarySource, Site } from '../../site/site.ts';
import type { Entry, Hold, QueueName } from '../../spool/port.ts';
import type { Running } from '../port.ts';
import type { EntryRow, EntryState, ListRow, QueueRow, SiteRow, SiteView } from './contract.ts';
import { rosterText } from './roster.ts';

export const iso = (at: Instant): string => new Date(at).toISOString();
const isoOrNull = (at: Instant | null | undefined): string | null => (at == null ? null : iso(at));

export function queueRow(running: Running, queue: QueueName): QueueRow {
  const { count, held, deferred, bytes, oldest } = running.spool.summary(queue);
  const view = running.keepers.view(queue);
  return {
    queue,
    state: view?.state ?? 'idle',
    reason: view?.reason ?? null,
    since: isoOrNull(view?.since),
    queued: count,
    held,
    deferred,
    bytes,
    oldest: isoOrNull(oldest),
    nextProbe: isoOrNull(view?.nextProbe),
    until: isoOrNull(view?.until),
    rate: view?.rate ?? 0,
    estimate: view?.estimate ?? null,
    connections: view?.connections ?? 0,
    host: view?.host ?? null,
    wary: view?.wary ?? false,
  };
}

export function siteRow(running: Running, site: QueueName): SiteRow {
  const { queue, ...row } = queueRow(running, site);
  const alarm = running.rosters.alarm(site);
  return { site: queue, ...row, ...(alarm !== null && { alarm }) };
}

const hostPort = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

function primaryOf(primary: PrimarySource): string[] {
  switch (primary.kind) {
    case 'mx':
      return ['mx'];
    case 'hosts':
      return primary.hosts.map(hostPort);
    case 'caller':
      return [`caller:${primary.port}`];
  }
}

export function siteView(running: Running, queue: QueueName, site: Site | undefined): SiteView {
  const row = { ...siteRow(running, queue), ...callsOf(running.keepers.view(queue)) };
  if (!site) return row;
  return {
    ...row,
    domains: [...site.domains],
    collect: site.collect.kind,
    primary: primaryOf(site.primary),
    tls: site.tls.kind,
    recipients: rosterText(running.rosters.view(site)),
    hold: site.hold,
    warn: [...site.warn],
    maxConnections: site.connections,
  };
}

function callsOf(view: KeeperView | null): Pick<SiteView, 'calls' | 'keptUntil'> {
  if (!view?.calls) return {};
  const calls = view.calls.last.map((call) => ({ ...call, begun: iso(call.begun), ended: iso(call.ended) }));
  return { calls, keptUntil: isoOrNull(view.calls.keptUntil) };
}

export const listRow = (list: ListView): ListRow => ({
  ...list,
  kinds: [...list.kinds],
  since: iso(list.since),
  tested: isoOrNull(list.tested),
});

/** Is there such a queue: of a site, of a keeper, or with entries in it? */
export function queueExists(running: Running, queue: QueueName): boolean {
  return (
    running.config().sites.some((site) => site.name === queue) ||
    running.keepers.view(queue) !== null ||
    running.spool.summary(queue).count > 0
  );
}

export function entryState(entry: Entry): EntryState {
  if (entry.hold) return entry.hold.kind === 'undeliverable' ? 'undeliverable' : 'held';
  return entry.attempts > 0 ? 'deferred' : 'queued';
}

function holdReason(hold: Hold): string {
  return hold.kind === 'site removed' ? 'its domain belongs to no site any more' : hold.reason;
}

/** The last word of a host about a recipient that is still to be reached. */
function lastDeferral(entry: Entry): string | null {
  const last = entry.recipients.find((r) => r.state === 'pending' && r.last)?.last;
  return last ? `${last.host}: ${describe(last.reply)}` : null;
}

export function entryRow(entry: Entry): EntryRow {
  const pending = entry.envelope.recipients.filter((_, i) => entry.recipients[i]?.state === 'pending');
  const shown = pending.length > 0 ? pending : entry.envelope.recipients;
  return {
    id: entry.id,
    mail: entry.mail,
    site: entry.queue,
    sender: entry.envelope.sender,
    recipients: shown.map((r) => r.address),
    size: entry.size,
    arrived: iso(entry.arrived),
    state: entryState(entry),
    reason: entry.hold ? holdReason(entry.hold) : lastDeferral(entry),
    attempts: entry.attempts,
    nextTry: entry.nextTry > 0 && !entry.hold ? iso(entry.nextTry) : null,
  };
}
