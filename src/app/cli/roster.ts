/** `restante roster …`: the recipients of a site, as far as they are known. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { RosterForgotten, RosterImported, RosterShow } from '../../operate/api/contract.ts';
import { type Common, type Context, clientOf } from './context.ts';
import { age, count, pairs, plain, printJson } from './format.ts';
import { type Exit, Stop } from './terminal.ts';

const path = (site: string, act = ''): string => `/rosters/${encodeURIComponent(site)}${act}`;

export async function rosterShow(context: Context, options: Common, site: string): Promise<Exit> {
  const { terminal } = context;
  const roster = await clientOf(context, options).get<RosterShow>(path(site));
  if (options.json) printJson(terminal, roster);
  else pairs(terminal, rows(roster, terminal.now()));
  return 0;
}

const KINDS: Record<RosterShow['kind'], string> = {
  any: 'none: any recipient is taken',
  complete: 'complete: who is not in it is refused',
  partial: 'partial: who is not in it is unknown',
};
const RULES: Record<NonNullable<RosterShow['unknown']>, string> = {
  return: '451 at first; taken when sender and recipient come back after 5 minutes',
  accept: 'taken',
  defer: '451',
};

function rows(roster: RosterShow, now: number): [string, string][] {
  const { learned, verification, counts } = roster;
  const found: [string, string][] = [
    ['site', roster.site],
    ['roster', KINDS[roster.kind]],
  ];
  for (const list of roster.lists) {
    const has = list.recipients === null ? 'never read' : count(list.recipients, 'recipient');
    found.push(['list', `${plain(list.from)}: ${has}${list.read ? `, ${age(list.read, now)} old` : ''}`]);
    if (list.alarm !== null) found.push(['', `alarm: ${plain(list.alarm)}`]);
  }
  if (learned) {
    const ages =
      learned.good > 0
        ? `; the oldest word is ${age(learned.oldest, now)} old, the latest ${age(learned.latest, now)}`
        : '';
    found.push(['learned', `${learned.good} good (${learned.imported} imported), ${learned.bad} bad${ages}`]);
  }
  if (verification) {
    const last = verification.last ? `, the last ${age(verification.last, now)} ago` : '';
    found.push([
      'asked',
      `${count(verification.asked, 'time')} since the start${last}; ${verification.waiting} wait`,
    ]);
    if (verification.why !== null) found.push(['', `not now: ${plain(verification.why)}`]);
    const open = verification.openDomains;
    if (open.length > 0) {
      found.push(['', `takes any recipient, so nobody is refused, at: ${open.slice(0, 10).join(', ')}`]);
    }
  }
  if (roster.unknown)
    found.push(['unknown', `${RULES[roster.unknown]}; ${count(roster.waiting ?? 0, 'pair')} remembered`]);
  const share = roster.coverage === null ? 'no mail came yet' : `${(roster.coverage * 100).toFixed(1)} %`;
  const { known, refused, unknown, cameBack } = counts;
  found.push([
    'coverage',
    `${share}: since the start ${known} known, ${refused} refused, ${unknown} unknown (${cameBack} came back)`,
  ]);
  return found;
}

export interface ImportOptions extends Common {
  readonly file?: string;
}

/** Addresses in one request. */
const AT_ONCE = 5000;
const MOST_NAMED = 10;
const LONGEST = 1000;

export async function rosterImport(context: Context, options: ImportOptions, site: string): Promise<Exit> {
  const { terminal } = context;
  const client = clientOf(context, options);
  const bad: string[] = [];
  let taken = 0;
  const send = async (lines: string[]) => {
    const done = await client.post<RosterImported>(path(site, '/import'), { lines });
    taken += done.taken;
    bad.push(...done.bad);
  };
  let waiting: string[] = [];
  for await (const line of linesOf(context, options)) {
    waiting.push(line);
    if (waiting.length < AT_ONCE) continue;
    await send(waiting);
    waiting = [];
  }
  await send(waiting);
  if (options.json) printJson(terminal, { taken, bad });
  else {
    for (const line of bad.slice(0, MOST_NAMED)) terminal.err(`no recipient of ${site}: ${plain(line)}\n`);
    if (bad.length > MOST_NAMED) terminal.err(`and ${bad.length - MOST_NAMED} more\n`);
    terminal.out(`${site}: ${count(taken, 'recipient')} imported\n`);
  }
  return bad.length > 0 ? 1 : 0;
}

/** Lines that may hold an address: no comments, none that go on with another. */
async function* linesOf(context: Context, { file }: ImportOptions): AsyncGenerator<string> {
  const input = file === undefined ? Readable.from(context.stdin ?? []) : createReadStream(file);
  input.once('error', () => {});
  try {
    let goesOn = false;
    for await (const written of createInterface({ input })) {
      const line = written.trim();
      if (line === '' || line.startsWith('#') || (goesOn && /^\s/.test(written))) continue;
      goesOn = /[\s:]/.test(line);
      yield line.slice(0, LONGEST);
    }
  } catch (error) {
    throw new Stop(
      1,
      `${file ?? 'standard input'} cannot be read: ${error instanceof Error ? error.message : error}`,
    );
  }
}

export interface ForgetOptions extends Common {
  readonly address?: readonly string[];
}

export async function rosterForget(context: Context, options: ForgetOptions, site: string): Promise<Exit> {
  const { address } = options;
  const request = address ? { addresses: address } : {};
  const done = await clientOf(context, options).post<RosterForgotten>(path(site, '/forget'), request);
  if (options.json) printJson(context.terminal, done);
  else context.terminal.out(`${site}: ${count(done.forgotten, 'recipient')} forgotten\n`);
  return 0;
}
