/** `restante queue list|show|flush|hold|release|remove`. */
import type { Act, Acted, EntryRow, EntryView, Page, Selection } from '../../operate/api/contract.ts';
import type { Client } from './client.ts';
import { type Common, type Context, clientOf } from './context.ts';
import { age, Columns, count, octets, pairs, plain, printJson, state } from './format.ts';
import { type Exit, Stop, type Terminal, userName } from './terminal.ts';
import { endOf, milliseconds, type Until } from './until.ts';

export interface SelectOptions extends Common {
  readonly id?: readonly string[];
  readonly site?: string;
  readonly from?: string;
  readonly to?: string;
  readonly older?: string;
  readonly state?: EntryRow['state'];
}
export interface ListOptions extends SelectOptions {
  readonly limit?: string;
}

export function selectionOf(options: SelectOptions, ids: readonly string[]): Selection {
  const named = [...ids, ...(options.id ?? [])];
  return {
    ...(named.length > 0 && { ids: named }),
    ...(options.site !== undefined && { site: options.site }),
    ...(options.from !== undefined && { from: options.from }),
    ...(options.to !== undefined && { to: options.to }),
    ...(options.older !== undefined && { older: milliseconds('--older', options.older) }),
    ...(options.state !== undefined && { state: options.state }),
  };
}

export const entriesOf = (client: Client, page: Page): AsyncGenerator<EntryRow> =>
  client.lines<EntryRow>(`/queue?select=${encodeURIComponent(JSON.stringify(page))}`);
export const entryPath = (id: string, part = ''): string => `/queue/${encodeURIComponent(id)}${part}`;

const AT_ONCE = 500;

export async function queueList(
  context: Context,
  options: ListOptions,
  ids: readonly string[],
): Promise<Exit> {
  const { terminal } = context;
  const limit = options.limit === undefined ? undefined : Number(options.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw new Stop(2, '--limit: a number is expected');
  const page = { ...selectionOf(options, ids), ...(limit !== undefined && { limit }) };
  const entries = entriesOf(clientOf(context, options), page);
  if (options.json) await listJson(terminal, entries);
  else await listTable(terminal, entries);
  return 0;
}

async function listJson(terminal: Terminal, entries: AsyncIterable<EntryRow>): Promise<void> {
  let before = '[';
  for await (const entry of entries) {
    terminal.out(`${before}\n${JSON.stringify(entry)}`);
    before = ',';
    await terminal.drained();
  }
  terminal.out(before === '[' ? '[]\n' : '\n]\n');
}

/** In pieces, so that a long queue begins to show at once. */
async function listTable(terminal: Terminal, entries: AsyncIterable<EntryRow>): Promise<void> {
  const columns = new Columns(terminal, [
    { title: 'ID' },
    { title: 'SITE' },
    { title: 'STATE' },
    { title: 'AGE', right: true },
    { title: 'SIZE', right: true },
    { title: 'SENDER', gives: true },
    { title: 'RECIPIENTS', gives: true },
    { title: 'NOTE', gives: true },
  ]);
  let rows: string[][] = [];
  let total = 0;
  for await (const entry of entries) {
    total++;
    rows.push(row(terminal, entry));
    if (rows.length < AT_ONCE) continue;
    columns.print(rows);
    rows = [];
    await terminal.drained();
  }
  if (rows.length > 0) columns.print(rows);
  if (total === 0) terminal.err('no mail\n');
}

function row(terminal: Terminal, entry: EntryRow): string[] {
  const [first = '', ...more] = entry.recipients;
  return [
    entry.id,
    entry.site,
    state(terminal, entry.state),
    age(entry.arrived, terminal.now()),
    octets(entry.size),
    plain(entry.sender) || '<>',
    plain(first) + (more.length > 0 ? ` +${more.length}` : ''),
    plain(entry.reason ?? ''),
  ];
}

export async function queueShow(context: Context, options: Common, ids: readonly string[]): Promise<Exit> {
  const { terminal } = context;
  const client = clientOf(context, options);
  const entries: EntryView[] = [];
  for (const id of ids) entries.push(await client.get<EntryView>(entryPath(id)));
  if (options.json) printJson(terminal, entries);
  else {
    entries.forEach((entry, i) => {
      if (i > 0) terminal.out('\n');
      showEntry(terminal, entry);
    });
  }
  return 0;
}

function showEntry(terminal: Terminal, entry: EntryView): void {
  const now = terminal.now();
  pairs(terminal, [
    ['id', entry.id],
    ['site', entry.site],
    [
      'state',
      `${state(terminal, entry.state)}${entry.reason ? `: ${plain(entry.reason)}` : ''}${entry.until ? `, until ${entry.until}` : ''}`,
    ],
    ['arrived', `${entry.arrived}, ${age(entry.arrived, now)} ago, from ${plain(entry.origin)}`],
    ...(entry.authentication === null ? [] : [['found', plain(entry.authentication)] as const]),
    ...entry.marks.map((mark) => ['marked', plain(mark)] as const),
    ['size', `${octets(entry.size)} (${entry.size} octets)`],
    [
      'tries',
      `${entry.attempts}${entry.nextTry ? `, the next at ${entry.nextTry}` : ''}; ${count(entry.warned, 'warning')} to the sender`,
    ],
    ['sender', plain(entry.sender) || '<>'],
    ...entry.outcomes.map(
      (o) =>
        [
          'to',
          `${plain(o.recipient)}  ${o.state}${o.reply ? `: ${plain(`${o.host}: ${o.reply}`)}` : ''}`,
        ] as const,
    ),
  ]);
  if (entry.header === null) return;
  terminal.out('\n');
  for (const line of entry.header.split('\r\n')) terminal.out(`${plain(line.replaceAll('\t', ' '))}\n`);
}

export interface ActOptions extends SelectOptions, Until {
  readonly all?: boolean;
  readonly reason?: string;
}
const DONE: Record<Act, string> = {
  flush: 'to be tried now',
  hold: 'held',
  release: 'released',
  remove: 'removed',
};

export const queueAct =
  (act: Act) =>
  async (context: Context, options: ActOptions, ids: readonly string[]): Promise<Exit> => {
    const { terminal } = context;
    const which = selectionOf(options, ids);
    if (Object.keys(which).length === 0 && !options.all) {
      throw new Stop(
        2,
        `which mail? Name ids, or select by --site, --from, --to, --older, --state; --all means all`,
      );
    }
    const { applied } = await clientOf(context, options).post<Acted>(`/queue/${act}`, {
      which,
      all: options.all === true,
      ...(act === 'hold' && {
        reason: options.reason ?? `by ${userName()}`,
        ...endOf(options, terminal.now()),
      }),
      ...(act === 'remove' && { by: userName() }),
    });
    if (options.json) printJson(terminal, { applied });
    else if (applied === 0) terminal.err('no such mail\n');
    else terminal.out(`${count(applied, 'mail')} ${DONE[act]}\n`);
    return applied > 0 || !which.ids ? 0 : 1;
  };
