/** `restante site list|show|flush|hold|release`. */
import type { CallRow, SiteRow, SiteView } from '../../operate/api/contract.ts';
import { type Common, type Context, clientOf } from './context.ts';
import { age, count, octets, pairs, perSecond, plain, printJson, span, state } from './format.ts';
import { note, showQueues } from './status.ts';
import { type Exit, Stop, userName } from './terminal.ts';
import { endOf, type Until } from './until.ts';

const path = (site: string, act = ''): string => `/sites/${encodeURIComponent(site)}${act}`;

export async function siteList(context: Context, options: Common): Promise<Exit> {
  const { terminal } = context;
  const sites = await clientOf(context, options).get<SiteRow[]>('/sites');
  if (options.json) printJson(terminal, sites);
  else
    showQueues(
      terminal,
      'SITE',
      sites.map((row) => ({ ...row, queue: row.site })),
      terminal.now(),
    );
  return 0;
}

export async function siteShow(context: Context, options: Common, name: string): Promise<Exit> {
  const { terminal } = context;
  const site = await clientOf(context, options).get<SiteView>(path(name));
  if (options.json) {
    printJson(terminal, site);
    return 0;
  }
  const now = terminal.now();
  const remarks = note(site, now);
  const rows: [string, string][] = [
    ['site', site.site],
    ['state', `${state(terminal, site.state)}${site.since ? `, for ${age(site.since, now)}` : ''}`],
    ...(remarks ? [['', remarks] as [string, string]] : []),
    [
      'queued',
      `${count(site.queued, 'mail')}, ${octets(site.bytes)}; ${site.deferred} deferred, ${site.held} held`,
    ],
    ['oldest', age(site.oldest, now)],
    ['rate', `${perSecond(site.rate)}${site.estimate === null ? '' : `, ${span(site.estimate)} left`}`],
  ];
  if (site.domains) {
    rows.push(['domains', site.domains.join(', ')]);
    if (site.collect !== 'push') rows.push(['collects', `by ${site.collect}`]);
    // By the other ways no primary is called.
    const dials = site.collect === 'push' || site.collect === 'etrn';
    if (dials)
      rows.push([
        'primary',
        `${site.primary?.join(', ')} (TLS: ${site.tls}), at most ${count(site.maxConnections ?? 0, 'connection')}`,
      ]);
    rows.push(['recipients', site.recipients ?? '']);
    rows.push(['hold', span(site.hold ?? 0)]);
    rows.push(['warn', site.warn?.map(span).join(', ') || 'never']);
  }
  if (site.keptUntil) rows.push(['kept until', `${site.keptUntil}, if no call takes the oldest`]);
  for (const [i, call] of (site.calls ?? []).entries())
    rows.push([i === 0 ? 'last calls' : '', callText(call)]);
  pairs(terminal, rows);
  return 0;
}

function callText(call: CallRow): string {
  const ms = Date.parse(call.ended) - Date.parse(call.begun);
  const { sent } = call;
  const packed = sent ? ` as ${octets(sent)} (ratio ${(call.octets / sent).toFixed(1)})` : '';
  const parts = [
    `${call.begun} ${plain(call.by)}: ${count(call.mails, 'mail')}, ${octets(call.octets)}${packed} in ${span(ms)}`,
  ];
  if (ms > 0 && call.octets > 0) parts.push(`${octets((call.octets * 1000) / ms)}/s`);
  if (call.deferred > 0) parts.push(`${call.deferred} deferred`);
  if (call.refused > 0) parts.push(`${call.refused} refused`);
  parts.push(`${call.left} left`);
  if (call.why !== null) parts.push(plain(call.why));
  return parts.join('; ');
}

export interface FlushOptions extends Common {
  readonly wait?: boolean;
}

export async function siteFlush(context: Context, options: FlushOptions, name: string): Promise<Exit> {
  const client = clientOf(context, options);
  const before = await client.get<SiteView>(path(name));
  await client.post(path(name, '/flush'), {});
  if (options.wait) {
    const { waitForFlush } = await import('./wait.ts');
    return waitForFlush(context, options, before, () => client.get<SiteView>(path(name)));
  }
  if (options.json) printJson(context.terminal, { done: true });
  else context.terminal.out(`${name}: ${count(before.queued - before.held, 'mail')} to be tried now\n`);
  return 0;
}

export interface HoldOptions extends Common, Until {
  readonly reason?: string;
}

export async function siteHold(context: Context, options: HoldOptions, name: string): Promise<Exit> {
  const until = endOf(options, context.terminal.now());
  const reason = options.reason ?? `by ${userName()}`;
  if (reason === '') throw new Stop(2, '--reason is empty');
  await clientOf(context, options).post(path(name, '/hold'), { reason, ...until });
  if (options.json) printJson(context.terminal, { done: true });
  else context.terminal.out(`${name}: held${until.until ? ` until ${until.until}` : ''}\n`);
  return 0;
}

export async function siteRelease(context: Context, options: Common, name: string): Promise<Exit> {
  await clientOf(context, options).post(path(name, '/release'), {});
  if (options.json) printJson(context.terminal, { done: true });
  else context.terminal.out(`${name}: released\n`);
  return 0;
}
