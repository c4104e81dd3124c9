/**
 * After a reload queued mail follows its recipients' domains: to the site that has them now; to no site:
 * held as `site removed`, until one claims the domain again. Nothing is bounced by a reload. Notices
 * follow too, out into the queues of foreign domains and back.
 *
 * Only queues whose domains changed are looked through.
 */
import { domainOf } from '../mail/address.ts';
import type { Claim, SiteDirectory } from '../site/site.ts';
import { type Entry, OPERATOR_QUEUE, type QueueName, type QueueSummary, type Spool } from '../spool/port.ts';
import { pendingOf } from './judge.ts';

export interface Rerouted {
  /** Entries that followed their domain to another queue, or are free again since a site claims it. */
  readonly moved: number;
  /** Entries that are held from now on: their domain has no site. */
  readonly held: number;
}

type Sites = SiteDirectory<Claim>;

/** `before`: null when nobody knows what changed: all is looked through. */
export async function reroute(spool: Spool, before: Sites | null, after: Sites): Promise<Rerouted> {
  const changed = before ? changedDomains(before, after) : null;
  let moved = 0;
  let held = 0;
  for (const summary of [...spool.queues()]) {
    const which = toLookAt(summary, before, after, changed);
    if (which === 'none') continue;
    const query = { queue: summary.queue, ...(which === 'held' ? { held: true } : {}) };
    for await (const entry of spool.find(query)) {
      const did = await follow(spool, entry, after);
      if (did === 'moved') moved++;
      else if (did === 'held') held++;
    }
  }
  return { moved, held };
}

/** One name for each claim (`x` or `.x`) that has another owner than before. */
function changedDomains(before: Sites, after: Sites): string[] {
  const claims = new Set([...before.sites, ...after.sites].flatMap((s) => s.domains));
  const sample = (claim: string) => (claim.startsWith('.') ? `-${claim}` : claim);
  return [...claims].map(sample).filter((d) => before.byDomain(d)?.name !== after.byDomain(d)?.name);
}

function toLookAt(
  { queue, held }: QueueSummary,
  before: Sites | null,
  after: Sites,
  changed: readonly string[] | null,
): 'all' | 'held' | 'none' {
  if (queue === OPERATOR_QUEUE) return 'none';
  if (queue.startsWith('>')) return after.byDomain(queue.slice(1)) ? 'all' : 'none';
  if (!before || !changed) return 'all';
  // A site came or went, or one of its domains did.
  if (!before.byName(queue) !== !after.byName(queue)) return 'all';
  if (changed.some((d) => before.byDomain(d)?.name === queue)) return 'all';
  // Among the held ones may be some whose domain is claimed again.
  const claimed = changed.some((d) => !before.byDomain(d));
  return claimed && held > 0 ? 'held' : 'none';
}

/** Where its mail goes now; null: nowhere. */
function target(entry: Entry, recipient: number, after: Sites): QueueName | null {
  const domain = domainOf(entry.envelope.recipients[recipient]?.address ?? '');
  const site = after.byDomain(domain)?.name;
  if (site !== undefined) return site;
  return entry.origin.kind === 'notice' ? `>${domain}` : null;
}

async function follow(spool: Spool, entry: Entry, after: Sites): Promise<'moved' | 'held' | 'stays'> {
  const groups = new Map<QueueName | null, number[]>();
  for (const recipient of pendingOf(entry)) {
    const to = target(entry, recipient, after);
    const group = groups.get(to);
    if (group) group.push(recipient);
    else groups.set(to, [recipient]);
  }
  const lost = groups.has(null);
  const removed = entry.hold?.kind === 'site removed';
  if (groups.size === 0 || (groups.size === 1 && groups.has(entry.queue) && !removed)) return 'stays';
  if (groups.size === 1 && lost) return (await hold(spool, entry)) ? 'held' : 'stays';
  // Parts go as entries of their own. What stays under this id is the part without a site, if there is
  // one; else the part of this queue; else the last.
  const whole = lost ? null : groups.has(entry.queue) ? entry.queue : [...groups.keys()].at(-1);
  for (const [to, recipients] of groups) {
    if (to !== null && to !== whole) await spool.move(entry.id, to, recipients);
  }
  if (lost) await hold(spool, entry);
  // A move to a site takes the mark `site removed` off.
  else if (whole && whole !== entry.queue) await spool.move(entry.id, whole);
  else if (removed) await spool.operate([entry.id], { kind: 'release' });
  return 'moved';
}

/** An operator's hold and an undeliverable one stay what they are. */
async function hold(spool: Spool, entry: Pick<Entry, 'id' | 'hold'>): Promise<boolean> {
  if (entry.hold) return false;
  await spool.operate([entry.id], { kind: 'hold', hold: { kind: 'site removed' } });
  return true;
}
