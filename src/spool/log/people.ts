/**
 * What people and reloads ask of the spool: find, read, operate, move. Works without a lease.
 */
import { domainOf } from '../../mail/address.ts';
import type { Corrupt, Entry, EntryId, EntryQuery, Gone, OperatorAct, QueueName } from '../port.ts';
import { entryText, mailText, parseEntryId } from './ids.ts';
import type { Leases } from './lease.ts';
import type { Queue } from './memory-index.ts';
import { changeTo, isOver, operated, withHold } from './settle.ts';
import type { Birth, Change, LogStore } from './store.ts';
import { FLAG, type Row } from './table.ts';
import { type Loaded, load, readMessage } from './view.ts';

/** Entries looked at between two reads. */
const PAGE = 64;

/** In order of arrival, over one queue or all. */
export async function* find(store: LogStore, query: EntryQuery): AsyncGenerator<Entry> {
  let left = query.limit ?? Infinity;
  const matches = matcher(query);
  for (const page of query.ids ? pagesOfIds(store, query.ids) : pages(store, query)) {
    const loaded = await Promise.all(
      page.filter((row) => maybe(store, row, query)).map((row) => load(store, row)),
    );
    for (const one of loaded) {
      if (one.kind !== 'entry' || !matches(one.entry)) continue;
      if (left-- <= 0) return;
      yield one.entry;
    }
    if (left <= 0) return;
  }
}

export async function read(store: LogStore, row: Row): Promise<Entry | Corrupt | Gone> {
  if (row < 0) return { kind: 'gone' };
  const loaded = await load(store, row);
  return loaded.kind === 'entry' ? loaded.entry : loaded;
}

export async function operate(
  store: LogStore,
  ids: readonly EntryId[],
  act: OperatorAct,
): Promise<readonly EntryId[]> {
  const applied: EntryId[] = [];
  const queues = new Set<QueueName>();
  for (let i = 0; i < ids.length; i += PAGE) {
    const page = [...new Set(ids.slice(i, i + PAGE))];
    const changes: Change[] = [];
    const now = store.clock.now();
    const loaded = act.kind === 'remove' ? new Map<EntryId, Loaded>() : await loadAll(store, page);
    for (const id of page) {
      const row = rowOf(store, id);
      if (row < 0) continue;
      const queue = store.index.queueOf(row).name;
      if (act.kind === 'remove') {
        // Not read: what is damaged can be removed too.
        changes.push({ kind: 'dead', row });
        store.log.info('mail removed', { mail: mailText(store.key(row).mail), entry: id, queue, by: act.by });
      } else {
        const before = loaded.get(id);
        if (!before) continue;
        const next = operated(before.entry, act, now);
        if (next.kind === 'entry') changes.push(changeTo(row, next.entry));
        store.log.info('operator acted', { mail: before.entry.mail, entry: id, queue, act: act.kind });
      }
      applied.push(id);
      queues.add(queue);
    }
    await store.change(changes, []);
  }
  if (act.kind === 'release' || act.kind === 'hasten') for (const queue of queues) store.arrival(queue);
  return applied;
}

export async function move(
  store: LogStore,
  leases: Leases,
  id: EntryId,
  to: QueueName,
  recipients?: readonly number[],
): Promise<void> {
  const before = (await loadAll(store, [id])).get(id);
  if (!before) return;
  const { row, entry } = before;
  const going = (recipients ?? []).filter((i) => entry.recipients[i]?.state === 'pending');
  if (recipients && going.length === 0) return;
  const stays = entry.recipients.some((r, i) => r.state === 'pending' && !going.includes(i));
  if (recipients && stays) {
    await split(store, leases, before, to, going);
  } else {
    if (entry.queue === to) return;
    const moved = { ...entry, queue: to, nextTry: 0 };
    await store.change(
      [changeTo(row, entry.hold?.kind === 'site removed' ? withHold(moved, undefined) : moved)],
      [],
    );
  }
  store.log.info('mail moved', { mail: entry.mail, entry: id, queue: to, from: entry.queue });
  store.arrival(to);
}

/** Some recipients become an entry of their own: the content is stored once more, in one record with the change. */
async function split(
  store: LogStore,
  leases: Leases,
  first: Loaded,
  to: QueueName,
  going: readonly number[],
): Promise<void> {
  const { mail, suffix } = store.key(first.row);
  const { table } = store.index;
  const offset = table.offset[first.row] ?? 0;
  const record = await readMessage(store, store.segmentOf(first.row), offset, mail, suffix, true);
  // Read again: the entry may have changed while its content was read.
  const { row, entry } = (await loadAll(store, [first.entry.id])).get(first.entry.id) ?? first;
  if (table.find(mail, suffix) !== row || !record.data) return;
  const indexes = going.filter((i) => entry.recipients[i]?.state === 'pending');
  if (indexes.length === 0) return;
  const top = Math.max(record.item.top, store.sharing.get(mail)?.top ?? 1) + 1;
  store.share(mail, store.sharing.has(mail) ? 0 : 1, top);
  const envelope = {
    ...entry.envelope,
    recipients: entry.envelope.recipients.filter((_, i) => indexes.includes(i)),
  };
  const { hold } = entry;
  const birth: Birth = {
    mail,
    entries: [
      {
        queue: to,
        envelope,
        origin: entry.origin,
        suffix: top,
        // What a person, or a check, holds stays held, wherever it goes.
        ...(hold && hold.kind !== 'site removed' && { hold }),
      },
    ],
    arrived: entry.arrived,
    head: record.data,
    top,
    ...(record.detail.body ? { body: record.detail.body } : {}),
  };
  const left = entry.recipients.map((r, i) => (indexes.includes(i) ? { state: 'moved' as const } : r));
  const change: Change = isOver(left, entry.hold)
    ? { kind: 'dead', row }
    : changeTo(row, { ...entry, recipients: left });
  const done = store.change([change], [birth]);
  await done;
  leases.follow(entry.id, entryText(mail, top), indexes);
}

/** All that can be read, each as it is when this resolves, with no change under way. */
async function loadAll(store: LogStore, ids: readonly EntryId[]): Promise<Map<EntryId, Loaded>> {
  const { table } = store.index;
  const loaded = new Map<EntryId, Loaded>();
  const isCurrent = (id: EntryId, row: Row): boolean => {
    const one = loaded.get(id);
    return one?.row === row && one.version === table.version[row] && !store.inFlight(row);
  };
  for (;;) {
    const stale = ids.filter((id) => {
      const row = rowOf(store, id);
      if (row < 0 || table.has(row, FLAG.corrupt)) loaded.delete(id);
      return row >= 0 && !table.has(row, FLAG.corrupt) && !isCurrent(id, row);
    });
    if (stale.length === 0) return loaded;
    await Promise.all(
      stale.map(async (id) => {
        const row = rowOf(store, id);
        const one = row < 0 ? null : await load(store, row);
        if (one?.kind === 'entry') loaded.set(id, one);
      }),
    );
  }
}

function rowOf(store: LogStore, id: EntryId): Row {
  const key = parseEntryId(id);
  return key ? store.index.table.find(key.mail, key.suffix) : -1;
}

function* pagesOfIds(store: LogStore, ids: readonly EntryId[]): Generator<Row[]> {
  const rows = [...new Set(ids.map((id) => rowOf(store, id)))].filter((row) => row >= 0);
  yield* inPages(
    store,
    rows.sort((a, b) => store.index.table.compare(a, b)),
  );
}

/** Between two pages time goes by: what is gone then, or is another entry's row, is left out. */
function* inPages(store: LogStore, rows: readonly Row[]): Generator<Row[]> {
  const { table } = store.index;
  const keys = rows.map((row) => ({ row, ...store.key(row) }));
  for (let i = 0; i < keys.length; i += PAGE) {
    const page = keys.slice(i, i + PAGE);
    yield page.filter((k) => table.find(k.mail, k.suffix) === k.row).map((k) => k.row);
  }
}

/** Pages of rows, looked up in rounds; a round begins behind the last key of the one before. */
function* pages(store: LogStore, query: EntryQuery): Generator<Row[]> {
  const { table } = store.index;
  let last: { arrived: number; mail: number; suffix: number } | null = null;
  for (;;) {
    const batches = queuesOf(store, query).map((queue) => queue.order.after(last, PAGE));
    // A full batch may go on behind its end: what is there comes before the later rows of the others.
    const ends = batches.filter((b) => b.length === PAGE).map((b) => b[PAGE - 1] ?? 0);
    const end = ends.sort((a, b) => table.compare(a, b))[0];
    const rows = batches.flat().filter((row) => end === undefined || table.compare(row, end) <= 0);
    rows.sort((a, b) => table.compare(a, b));
    const final = rows.at(-1);
    if (final === undefined) return;
    last = { arrived: table.arrived[final] ?? 0, ...store.key(final) };
    yield* inPages(store, rows);
    if (query.arrivedBefore !== undefined && last.arrived > query.arrivedBefore) return;
    if (end === undefined) return;
  }
}

function queuesOf(store: LogStore, query: EntryQuery): Queue[] {
  const all = [...store.index.queues()];
  return query.queue === undefined ? all : all.filter((queue) => queue.name === query.queue);
}

/** What the index alone can say. */
function maybe(store: LogStore, row: Row, query: EntryQuery): boolean {
  const { table } = store.index;
  if (query.queue !== undefined && store.index.queueOf(row).name !== query.queue) return false;
  if (query.arrivedBefore !== undefined && (table.arrived[row] ?? 0) > query.arrivedBefore) return false;
  return query.held !== true || table.hold(row) !== 0;
}

function matcher(query: EntryQuery): (entry: Entry) => boolean {
  const sender = query.sender === undefined ? null : addressMatcher(query.sender);
  const recipient = query.recipient === undefined ? null : addressMatcher(query.recipient);
  return (entry) =>
    (query.held === undefined || (entry.hold !== undefined) === query.held) &&
    (sender === null || sender(entry.envelope.sender)) &&
    (recipient === null || entry.envelope.recipients.some((r) => recipient(r.address)));
}

function addressMatcher(wanted: string): (address: string) => boolean {
  if (wanted.startsWith('@')) {
    const domain = domainOf(wanted);
    return (address) => domainOf(address) === domain;
  }
  const lower = wanted.toLowerCase();
  return (address) => address.toLowerCase() === lower;
}
