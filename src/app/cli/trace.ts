/**
 * `restante trace ID`: the life of one mail, from the journal in the spool, so that it is told of mail
 * that is long gone and while the server is not running; and where it is now, if the server answers.
 * `restante trace ADDRESS`: what was refused to this sender or for this recipient, and why.
 */
import { describeAuthentication, type MailAuthentication } from '../../mail/envelope.ts';
import type { EntryRow } from '../../operate/api/contract.ts';
import { readRefusals, readTrace, type TraceLine } from '../../operate/journal.ts';
import { Client } from './client.ts';
import { type Common, type Context, spoolOf } from './context.ts';
import { Columns, plain, printJson } from './format.ts';
import { entryPath } from './queue.ts';
import { type Exit, Stop, type Terminal } from './terminal.ts';

export async function trace(context: Context, options: Common, id: string): Promise<Exit> {
  const { terminal } = context;
  const spool = spoolOf(context, options);
  const unreadable = (error: NodeJS.ErrnoException): never => {
    throw new Stop(1, `the journal cannot be read: ${error.message}`);
  };
  if (id.includes('@')) {
    const refused = await readRefusals(spool, id).catch(unreadable);
    if (refused.length === 0) throw new Stop(1, `nothing was refused to or for "${id}" in the last days`);
    if (options.json) printJson(terminal, refused);
    else show(terminal, refused, null);
    return 0;
  }
  const [lines, now] = await Promise.all([
    readTrace(spool, id).catch(unreadable),
    new Client(spool).get<EntryRow>(entryPath(id)).catch(() => null),
  ]);
  if (lines.length === 0 && now === null) throw new Stop(1, `nothing is known of "${id}"`);
  if (options.json) printJson(terminal, lines);
  else show(terminal, lines, now);
  return 0;
}

function show(terminal: Terminal, lines: readonly TraceLine[], now: EntryRow | null): void {
  const columns = new Columns(terminal, [{ title: 'TIME' }, { title: 'EVENT' }, { title: 'DETAILS' }]);
  const rows = lines.map((line) => [when(line.time), plain(line.event), details(line)]);
  if (now)
    rows.push([
      'now',
      `in the spool of ${now.site}`,
      `${now.state}${now.reason ? `: ${plain(now.reason)}` : ''}`,
    ]);
  columns.print(rows);
}

/** "2026-01-05 12:00:00.123", UTC. */
const when = (iso: string): string => iso.replace('T', ' ').replace('Z', '');

const SAID = new Set(['time', 'level', 'event', 'mail']);
const details = (line: TraceLine): string =>
  Object.entries(line)
    .filter(([name]) => !SAID.has(name))
    .map(([name, value]) => `${name}=${name === 'authentication' ? found(value) : field(value)}`)
    .join(' ');

/** The journal's lines are ours. */
const found = (value: unknown): string => field(describeAuthentication(value as MailAuthentication));

function field(value: unknown): string {
  const simple = Array.isArray(value) && value.every((one) => typeof one === 'string');
  const text = typeof value === 'string' ? value : simple ? value.join(',') : JSON.stringify(value);
  return text === '' || /[\s"]/.test(text) ? JSON.stringify(text) : plain(text);
}
