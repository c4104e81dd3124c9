/**
 * `blocklists` as the program uses it: each list with its test points, and what contradicts itself. How it is
 * written is `blocklist-schema.ts`. RFC 5782 §5 (test points).
 */
import { isIP } from 'node:net';
import type { CodeRange } from './blocklist-schema.ts';
import type { Finding } from './load.ts';
import type { Written } from './schema.ts';

/** What of a mail is looked up in a list. */
export type LookedUp = 'address' | 'client-name' | 'helo' | 'sender';
/** How a question to a list is made: from an address of a family, or from a name. */
export type Sort = 'ipv4' | 'ipv6' | 'name';

export interface TestPoints {
  readonly sort: Sort;
  readonly listed: string;
  readonly clean: string;
}

export interface ListSettings {
  readonly use: 'block' | 'allow';
  readonly zone: string;
  readonly kinds: readonly LookedUp[];
  /** One for each sort of question that it can be asked. */
  readonly points: readonly TestPoints[];
  /** The answers that count; empty: all. */
  readonly codes: readonly CodeRange[];
  readonly weight: number;
}

export interface BlocklistSettings {
  /** Blocklists first, then allow lists. Empty: nothing is asked. */
  readonly lists: readonly ListSettings[];
  /** From this score on a mail is denied. */
  readonly threshold: number;
  readonly action: 'reject' | 'defer';
  /** Milliseconds. */
  readonly deadline: number;
}

type Wanted = Written['blocklists'];
type WrittenList = Wanted['lists'][number] | Wanted['allow'][number];

const USUAL: readonly TestPoints[] = [
  { sort: 'ipv4', listed: '127.0.0.2', clean: '127.0.0.1' },
  { sort: 'ipv6', listed: '::ffff:7f00:2', clean: '::ffff:7f00:1' },
  { sort: 'name', listed: 'test', clean: 'invalid' },
];
/** A sender waits; RFC 5321 §4.5.3.2.3 gives RCPT five minutes. */
const LONGEST_DEADLINE = 60_000;

export function buildBlocklists(written: Wanted, found: Finding[]): BlocklistSettings {
  const say = (text: string, ...path: PropertyKey[]) => found.push({ path: ['blocklists', ...path], text });
  const { threshold, action, deadline } = written;
  const lists = [
    ...written.lists.map((list, i) =>
      buildList('block', list, list.weight, (text, ...at) => say(text, ...written.at, i, ...at)),
    ),
    ...written.allow.map((list, i) =>
      buildList('allow', list, 0, (text, ...at) => say(text, 'allow', i, ...at)),
    ),
  ];
  const most = lists.reduce((sum, { weight }) => sum + weight, 0);
  if (written.lists.length > 0 && threshold > most) {
    say(`${threshold} is never reached: all lists together weigh ${most}`, 'threshold');
  }
  if (written.lists.length === 0 && written.allow.length > 0) {
    say('allow lists exempt from blocklists, and there is none', 'allow');
  }
  if (deadline > LONGEST_DEADLINE) say('is too long: at most 60s, since the sender waits', 'deadline');
  return { lists, threshold, action, deadline };
}

function buildList(
  use: ListSettings['use'],
  list: WrittenList,
  weight: number,
  say: (text: string, ...path: PropertyKey[]) => void,
): ListSettings {
  const { zone, codes } = list;
  const kinds: readonly LookedUp[] = list.kind;
  const sorts: Sort[] = [
    ...(kinds.includes('address') ? list.families : []),
    ...(kinds.some((kind) => kind !== 'address') ? (['name'] as const) : []),
  ];
  const own = list.test.map((pair) => ({ sort: sortOf(pair.listed), ...pair }));
  own.forEach((points, i) => {
    const at = list.test.length > 1 ? ['test', i] : ['test'];
    if (sortOf(points.clean) !== points.sort) say('listed and clean are of two kinds', ...at);
    else if (!sorts.includes(points.sort)) say(`the list is not asked about ${WORDS[points.sort]}`, ...at);
  });
  const points = USUAL.filter(({ sort }) => sorts.includes(sort)).map(
    (usual) => own.find(({ sort }) => sort === usual.sort) ?? usual,
  );
  return { use, zone, kinds, points, codes, weight };
}

const WORDS: Record<Sort, string> = { ipv4: 'IPv4 addresses', ipv6: 'IPv6 addresses', name: 'names' };

const sortOf = (point: string): Sort => {
  const family = isIP(point);
  return family === 4 ? 'ipv4' : family === 6 ? 'ipv6' : 'name';
};
