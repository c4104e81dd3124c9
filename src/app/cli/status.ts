/** `restante status` and `restante top`: the server at a glance; `top` again and again. */
import type { ListRow, QueueRow, SiteRow, Status } from '../../operate/api/contract.ts';
import { type Common, type Context, clientOf } from './context.ts';
import { age, Columns, count, octets, pairs, perSecond, plain, printJson, span, state } from './format.ts';
import { type Exit, Stop, type Terminal } from './terminal.ts';

export async function status(context: Context, options: Common): Promise<Exit> {
  const now = await clientOf(context, options).get<Status>('/status');
  if (options.json) printJson(context.terminal, now);
  else show(context.terminal, now);
  return 0;
}

const EVERY = 1000;
const CLEAR = '\x1b[H\x1b[2J';

export async function top(context: Context, options: Common): Promise<Exit> {
  const { terminal } = context;
  if (!terminal.tty && !options.json)
    throw new Stop(2, 'top needs a terminal, or --json: "status" prints once');
  const client = clientOf(context, options);
  for (;;) {
    const now = await client.get<Status>('/status');
    if (options.json) terminal.out(`${JSON.stringify(now)}\n`);
    else {
      // Drawn as one text, so that it does not flicker.
      let screen = '';
      show({ ...terminal, columns: terminal.columns, out: (text) => void (screen += String(text)) }, now);
      terminal.out(`${CLEAR}${screen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

function show(terminal: Terminal, status: Status): void {
  const now = Date.parse(status.now);
  const { spool } = status;
  const listening = status.listeners.map(
    (l) => `${l.protocol} ${l.address.includes(':') ? `[${l.address}]` : l.address}:${l.port}`,
  );
  pairs(terminal, [
    [
      'server',
      `restante ${status.version} at ${status.hostname}, up ${span(status.uptime)}, process ${status.pid}`,
    ],
    ['listens', listening.join(', ') || 'nowhere'],
    [
      'spool',
      `${state(terminal, spool.state)}, ${count(spool.entries, 'mail')}, ${octets(spool.bytes)}, room for ${octets(spool.room)}: ${spool.path}`,
    ],
    ...(spool.why ? ([['', plain(spool.why)]] as const) : []),
    ...(spool.corrupt
      ? ([['', `${count(spool.corrupt, 'record')} found damaged and set aside`]] as const)
      : []),
  ]);
  terminal.out('\n');
  showQueues(
    terminal,
    'SITE',
    status.sites.map((row) => ({ ...row, queue: row.site })),
    now,
  );
  const others = status.others.filter((row) => row.queued > 0);
  if (others.length > 0) {
    terminal.out('\n');
    showQueues(terminal, 'OTHER QUEUE', others, now);
  }
  if (status.blocklists.length > 0) {
    terminal.out('\n');
    showLists(terminal, status.blocklists);
  }
}

function showLists(terminal: Terminal, lists: readonly ListRow[]): void {
  const columns = new Columns(terminal, [
    { title: 'LIST' },
    { title: 'KIND' },
    { title: 'STATE' },
    { title: 'ASKED', right: true },
    { title: 'HITS', right: true },
    { title: 'TIMEOUTS', right: true },
    { title: 'NOTE', gives: true },
  ]);
  columns.print(
    lists.map((list) => [
      list.zone,
      `${list.use === 'allow' ? 'allow: ' : ''}${list.kinds.join(', ')}`,
      state(terminal, list.state),
      String(list.asked),
      String(list.hits),
      String(list.timeouts),
      [list.refused > 0 ? `${list.refused} refused` : '', list.reason ? plain(list.reason) : '']
        .filter(Boolean)
        .join('; '),
    ]),
  );
}

/** The table of `status`, `top` and `site list`. */
export function showQueues(terminal: Terminal, title: string, rows: readonly QueueRow[], now: number): void {
  const columns = new Columns(terminal, [
    { title },
    { title: 'STATE' },
    { title: 'QUEUED', right: true },
    { title: 'SIZE', right: true },
    { title: 'OLDEST', right: true },
    { title: 'RATE', right: true },
    { title: 'LEFT', right: true },
    { title: 'NOTE', gives: true },
  ]);
  columns.print(
    rows.map((row) => [
      row.queue,
      state(terminal, row.state),
      String(row.queued),
      octets(row.bytes),
      age(row.oldest, now),
      perSecond(row.rate),
      row.estimate === null ? '-' : span(row.estimate),
      note(row, now),
    ]),
  );
}

/** What a person has to know beside the numbers. */
export function note(row: Omit<SiteRow, 'site'>, now: number): string {
  const parts: string[] = [];
  if (row.alarm !== undefined) parts.push(plain(row.alarm));
  if (row.reason) parts.push(plain(row.reason));
  if (row.nextProbe) parts.push(`next probe in ${span(Date.parse(row.nextProbe) - now)}`);
  if (row.until) parts.push(`until ${row.until}`);
  if (row.connections > 0)
    parts.push(`${count(row.connections, 'connection')}${row.host ? ` to ${row.host}` : ''}`);
  if (row.held > 0) parts.push(`${row.held} held`);
  // While it is down nothing is refused.
  if (row.wary && row.state !== 'down') parts.push('wary: refusals are held back');
  return parts.join('; ');
}
