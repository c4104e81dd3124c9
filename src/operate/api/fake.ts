/** A running server made of plain values, for tests of the API and of the commands. */

import type { Clock } from '../../base/clock.ts';
import { openKeyed } from '../../base/keyed.ts';
import { type Fields, type Log, silent } from '../../base/log.ts';
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import type { ListView } from '../../policy/blocklist/list.ts';
import type { KeeperView } from '../../schedule/view.ts';
import type { Content, Entry, EntryId, EntryQuery, OperatorAct, Spool } from '../../spool/port.ts';
import type { Reloaded, Running } from '../port.ts';

export interface Fake extends Running {
  /** What was asked of keepers and spool, in order. */
  readonly asked: string[];
  readonly logged: [string, Fields | undefined][];
  readonly entries: Map<EntryId, { entry: Entry; content: string }>;
  readonly views: Map<string, KeeperView>;
  readonly lists: ListView[];
  reloaded: Reloaded;
}

export function fakeConfig(spool: string, sites: string): Config {
  const loaded = parseConfig(
    `hostname: mx2.example.net\nspool: ${spool}\nsites: ${sites}\n`,
    '/etc/restante.yaml',
  );
  if (loaded.kind === 'bad') throw new Error(loaded.problems.map((p) => p.text).join('; '));
  return loaded.config;
}

export function fakeView(queue: string, more: Partial<KeeperView>): KeeperView {
  return {
    queue,
    state: 'up',
    reason: null,
    since: 0,
    until: null,
    nextProbe: null,
    rate: 0,
    estimate: null,
    connections: 0,
    host: null,
    wary: false,
    ...more,
  };
}

export function fakeList(more: Partial<ListView>): ListView {
  return {
    zone: 'zen.example.org',
    use: 'block',
    kinds: ['address'],
    state: 'good',
    reason: null,
    since: 0,
    tested: null,
    asked: 12,
    hits: 3,
    timeouts: 0,
    refused: 0,
    ...more,
  };
}

export function fakeEntry(id: EntryId, queue: string, arrived: number, more: Partial<Entry> = {}): Entry {
  const envelope = {
    sender: 'ann@example.org',
    recipients: [{ address: 'bob@acme.example' }],
    body: '7bit' as const,
    smtputf8: false,
  };
  const recipients = (more.envelope ?? envelope).recipients.map(() => ({ state: 'pending' as const }));
  return {
    id,
    mail: id.replace(/\.\d+$/, ''),
    queue,
    envelope,
    origin: { kind: 'received', peer: '192.0.2.1', helo: 'mail.example.org', protocol: 'ESMTPS' },
    arrived,
    size: 100,
    recipients,
    attempts: 0,
    nextTry: 0,
    warned: 0,
    ...more,
  };
}

export function fakeRunning(config: Config, clock: Clock): Fake {
  const asked: string[] = [];
  const logged: Fake['logged'] = [];
  const entries: Fake['entries'] = new Map();
  const views: Fake['views'] = new Map();
  const lists: Fake['lists'] = [];
  const log: Log = { ...silent, info: (event, fields) => void logged.push([event, fields]) };
  const fake: Fake = {
    version: '1.2.3',
    started: clock.now() - 3_720_000,
    clock,
    log,
    asked,
    logged,
    entries,
    views,
    lists,
    reloaded: { kind: 'ok', moved: 0, held: 0 },
    spool: fakeSpool(entries, asked),
    keepers: {
      view: (queue) => views.get(queue) ?? null,
      views: () => views.values(),
      flush: (queue) => {
        asked.push(`keeper flush ${queue}`);
        return views.has(queue) && views.get(queue)?.state !== 'held';
      },
      hold: async (queue, reason, until) => void asked.push(`keeper hold ${queue} ${reason} ${until}`),
      release: async (queue) => void asked.push(`keeper release ${queue}`),
    },
    blocklists: () => lists,
    rosters: {
      view: () => ({ kind: 'any', lists: [], counts: { known: 0, refused: 0, unknown: 0, cameBack: 0 } }),
      alarm: () => null,
      import: (site, lines) => {
        asked.push(`roster import ${site.name} ${lines.join(' ')}`);
        return { taken: lines.length, bad: [] };
      },
      forget: (site, addresses) => {
        asked.push(`roster forget ${site.name} ${addresses?.join(' ') ?? 'all'}`);
        return 1;
      },
    },
    config: () => config,
    listeners: () => [{ protocol: 'smtp', address: '127.0.0.1', port: 2525 }],
    courier: () => {
      throw new Error('not in this fake');
    },
    brought: openKeyed(':memory:').table('brought'),
    reload: async () => fake.reloaded,
  };
  return fake;
}

function fakeSpool(entries: Fake['entries'], asked: string[]): Spool {
  const all = () => [...entries.values()].map((kept) => kept.entry);
  const summary = (queue: string) => {
    const there = all().filter((entry) => entry.queue === queue);
    return {
      queue,
      count: there.length,
      held: there.filter((entry) => entry.hold).length,
      deferred: there.filter((entry) => entry.attempts > 0).length,
      bytes: there.reduce((sum, entry) => sum + entry.size, 0),
      oldest: there[0]?.arrived ?? null,
    };
  };
  const not = () => Promise.reject(new Error('not in this fake'));
  return {
    draft: not,
    lease: not,
    move: not,
    summary,
    queues: () => [...new Set(all().map((entry) => entry.queue))].map(summary),
    async *find(query: EntryQuery) {
      yield* all().filter(
        (entry) =>
          (!query.ids || query.ids.includes(entry.id)) &&
          (query.queue === undefined || entry.queue === query.queue) &&
          (query.sender === undefined || entry.envelope.sender === query.sender) &&
          (query.arrivedBefore === undefined || entry.arrived < query.arrivedBefore),
      );
    },
    read: async (id) => entries.get(id)?.entry ?? { kind: 'gone' },
    open: async (id) => {
      const kept = entries.get(id);
      return kept ? contentOf(kept.content) : { kind: 'gone' };
    },
    async operate(ids: readonly EntryId[], act: OperatorAct) {
      asked.push(`spool ${act.kind} ${ids.join(' ')}`);
      if (act.kind === 'remove') for (const id of ids) entries.delete(id);
      return ids;
    },
    onArrival: () => () => {},
    health: () => ({ state: 'ok', room: 5e9, entries: entries.size, bytes: 1234, corrupt: 0 }),
    close: async () => {},
  };
}

function contentOf(text: string): Content {
  return {
    size: Buffer.byteLength(text),
    async *chunks() {
      yield Buffer.from(text.slice(0, 10));
      yield Buffer.from(text.slice(10));
    },
    close: async () => {},
  };
}
