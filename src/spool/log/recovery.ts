/**
 * The start: makes the index anew from side files and segments. Replay is by id, in any order: a final
 * outcome wins over everything, a later state over an earlier, a later copy of a message over an earlier.
 * Nothing is written to an old segment; damaged octets are kept in `quarantine/`.
 *
 * The last group of a segment that was not ended in order may not be on the disk, though it can be read: the
 * process was killed before its sync, or the sync had failed. Nobody can tell from a file that is read, and a
 * new sync would not tell either. So it is written once more, to a segment of its own, before anything is built
 * on it: what a start has shown stays.
 */
import { type Files, reading, writeAll } from '../../base/files.ts';
import { mailText } from './ids.ts';
import { lengthOf, OpenSegment, type Piece } from './open-segment.ts';
import { type DeadItem, decodeMeta, type MessageItem, NO_EXTENT, type StateItem } from './record.ts';
import { type Damage, scan } from './scan.ts';
import { DEATH_WEIGHT, messageWeight, type Segment, STATE_WEIGHT } from './segment.ts';
import { type IndexedRecord, readSideFile, type SideFile, writeSideFile } from './side-file.ts';
import type { LogStore } from './store.ts';
import { SYNC } from './syncs.ts';
import { FLAG, type Row } from './table.ts';

export async function recover(store: LogStore, files: Files, dir: string): Promise<void> {
  try {
    // What a killed process has removed or renamed: nothing is built on it before it is durable.
    await files.syncDir(dir, SYNC.seenNames);
  } catch (error) {
    store.log.warn('spool folder not synced', { dir, why: String(error) });
  }
  const replay = new Replay(store);
  const unproved: Unproved[] = [];
  let damaged = 0;
  for (const segment of await store.segments.load()) {
    replay.segment(segment, await recordsOf(store, files, dir, segment, replay, unproved));
    damaged += segment.corrupt;
  }
  await prove(store, files, unproved, replay);
  replay.finish();
  store.corrupt = damaged;
  const lost = replay.unreadable.length > 0 ? 'for now' : damaged > 0 ? 'for good' : 'nothing';
  await sweepFiles(store, files, dir, lost);
  // What was read is garbage by now, of the last segment every octet: given back at once (--expose-gc, `bin/restante`).
  globalThis.gc?.();
}

async function recordsOf(
  store: LogStore,
  files: Files,
  dir: string,
  segment: Segment,
  replay: Replay,
  later: Unproved[],
): Promise<Iterable<IndexedRecord>> {
  const indexed = await readSideFile(files, segment);
  if (indexed) return indexed;
  const { records, side, damages, unproved, torn, unreadable } = await scan(files, segment);
  if (torn > 0) store.log.info('torn tail', { file: segment.path, octets: torn });
  let isKept = !unreadable;
  for (const damage of damages) if (!(await quarantine(store, files, dir, segment, damage))) isKept = false;
  if (unreadable) {
    replay.unreadable.push(segment);
    store.log.error('spool cannot be read', { file: segment.path });
  }
  // It stays, for the next start to look at again.
  if (!isKept) segment.pinned++;
  if (unproved.length > 0) later.push({ segment, pieces: unproved, side: isKept ? side : null });
  else if (isKept) await tellOf(store, files, segment, side);
  return records;
}

async function tellOf(store: LogStore, files: Files, segment: Segment, side: SideFile): Promise<void> {
  try {
    await writeSideFile(files, segment, side);
  } catch (error) {
    store.log.warn('side file not written', { file: segment.sidePath, why: String(error) });
  }
}

/** What may not be on the disk of a segment, and what its side file will say. */
interface Unproved {
  readonly segment: Segment;
  readonly pieces: readonly Piece[];
  readonly side: SideFile | null;
}

/** Writes it once more. If that cannot be, a sync has to do, and it is copied as soon as possible. */
async function prove(
  store: LogStore,
  files: Files,
  unproved: readonly Unproved[],
  replay: Replay,
): Promise<void> {
  const pieces = unproved.flatMap((one) => one.pieces);
  if (pieces.length === 0) return;
  const copy = await rewrite(store, pieces);
  if (copy) {
    replay.segment(copy.segment, copy.records);
    for (const { segment, side } of unproved) if (side) await tellOf(store, files, segment, side);
    return;
  }
  for (const { segment } of unproved) {
    segment.state = 'doubtful';
    await reading(files, segment.path, (file) => file.datasync(SYNC.seen)).catch((error: unknown) => {
      store.log.error('segment is doubtful', { file: segment.path, why: String(error) });
    });
  }
}

async function rewrite(
  store: LogStore,
  pieces: readonly Piece[],
): Promise<{ segment: Segment; records: IndexedRecord[] } | null> {
  const { segments, log } = store;
  try {
    const open = await OpenSegment.create(segments);
    const result = await open.append(pieces);
    await open.seal(segments, log, result.kind === 'doubtful');
    if (result.kind !== 'durable') throw result.error;
    log.info('last records written once more', { file: open.segment.path, records: pieces.length });
    const records = pieces.map((piece, i) => ({
      offset: result.offsets[i] ?? 0,
      length: lengthOf(piece),
      items: decodeMeta(piece.meta),
    }));
    return { segment: open.segment, records };
  } catch (error) {
    log.warn('last records not written once more', { why: String(error) });
    return null;
  }
}

/** Before anything else becomes of the segment. False: they are only where they were. */
async function quarantine(
  store: LogStore,
  files: Files,
  dir: string,
  segment: Segment,
  damage: Damage,
): Promise<boolean> {
  const path = `${dir}/quarantine/${segment.number}-${damage.from}`;
  store.log.error('spool damaged', {
    file: segment.path,
    offset: damage.from,
    octets: damage.octets.length,
    kept: path,
  });
  try {
    await files.remove(path).catch(() => {});
    const file = await files.open(path, 'create');
    try {
      await writeAll(file, [damage.octets], 0);
      await file.datasync(SYNC.quarantine);
    } finally {
      await file.close();
    }
    await files.syncDir(`${dir}/quarantine`, SYNC.quarantineName);
    return true;
  } catch (error) {
    store.log.warn('damaged octets not kept', { file: path, why: String(error) });
    return false;
  }
}

class Replay {
  readonly #store: LogStore;
  /** Segments with places that could not be read this time. */
  readonly unreadable: Segment[] = [];
  /** Highest suffix of mails that had more than one. */
  readonly #tops = new Map<number, number>();

  constructor(store: LogStore) {
    this.#store = store;
  }

  segment(segment: Segment, records: Iterable<IndexedRecord>): void {
    for (const { offset, items } of records) {
      for (const { item } of items) {
        if (item.kind === 'message') this.#message(segment, offset, item);
        else if (item.kind === 'state') this.#state(segment, offset, item);
        else this.#dead(segment, item);
      }
    }
  }

  finish(): void {
    const { index, segments } = this.#store;
    const { table } = index;
    for (let row = 0; row < table.top; row++) {
      const isMessage = table.has(row, FLAG.message);
      if (table.has(row, FLAG.dead) && isMessage) {
        // It stays on disk for as long as the message does.
        segments.bySlot(table.stateSegment[row] ?? 0).speak(this.#store.segmentOf(row).number);
      }
      if (!isMessage && this.unreadable.length > 0) this.#keepForLater(row);
      if (table.has(row, FLAG.dead) || !isMessage) index.discard(row);
      else this.#live(row);
    }
    for (const queue of [...index.allQueues()]) index.drop(queue);
  }

  /** What it is about may be in a place that cannot be read, and be there again at another start. */
  #keepForLater(row: Row): void {
    const { index, segments } = this.#store;
    const segment = segments.bySlot(index.table.stateSegment[row] ?? 0);
    if (index.table.has(row, FLAG.dead)) for (const { number } of this.unreadable) segment.speak(number);
    else segment.pinned++;
  }

  #live(row: Row): void {
    const store = this.#store;
    const { table } = store.index;
    table.set(row, FLAG.message, false);
    store.index.enter(row);
    const segment = store.segmentOf(row);
    segment.used++;
    segment.live += store.weight(row);
    const state = store.stateSegmentOf(row);
    if (state) {
      state.used++;
      state.live += STATE_WEIGHT;
    }
    const { mail } = store.key(row);
    const large = table.has(row, FLAG.large);
    const top = this.#tops.get(mail) ?? 1;
    if (large || top > 1) store.share(mail, 1, top);
  }

  #message(segment: Segment, offset: number, item: MessageItem): void {
    const { index } = this.#store;
    const { table } = index;
    this.#seen(item.mail, item.top);
    for (const entry of item.entries) {
      segment.written += messageWeight(item.size, item.large);
      const row = this.#row(item.mail, entry.suffix);
      if (table.has(row, FLAG.message)) {
        // A copy. Segments come in rising order, so this is the later one; the earlier must go first.
        const earlier = this.#store.segmentOf(row);
        if (earlier !== segment) segment.copiedFrom.add(earlier.number);
      }
      const { mail, arrived, size, large } = item;
      // A state that was found already knows a later extent.
      const extent = table.stateSegment[row] === 0 ? entry.extent : (table.extent(row) ?? NO_EXTENT);
      index.fill(row, { mail, ...entry, extent, arrived, size, large, segment: segment.slot, offset });
      table.set(row, FLAG.message, true);
      // A state that was found already knows a later queue.
      if (table.stateSegment[row] === 0) table.queue[row] = index.queue(entry.queue).id;
    }
  }

  #state(segment: Segment, offset: number, item: StateItem): void {
    const { index } = this.#store;
    const { table } = index;
    segment.written += STATE_WEIGHT;
    this.#seen(item.mail, item.suffix);
    const row = this.#row(item.mail, item.suffix);
    if (table.has(row, FLAG.dead)) return;
    const known = table.stateSegment[row] !== 0;
    // Serial numbers (RFC 1982); a carried copy of the same version is as good.
    if (known && ((item.version - (table.version[row] ?? 0)) & 0xffff) >= 0x8000) return;
    table.version[row] = item.version;
    table.stateSegment[row] = segment.slot;
    table.stateOffset[row] = offset;
    table.queue[row] = index.queue(item.queue).id;
    index.fillState(row, item);
  }

  #dead(segment: Segment, item: DeadItem): void {
    const { table } = this.#store.index;
    segment.written += DEATH_WEIGHT;
    this.#seen(item.mail, item.suffix);
    const row = this.#row(item.mail, item.suffix);
    table.set(row, FLAG.dead, true);
    table.stateSegment[row] = segment.slot;
  }

  #row(mail: number, suffix: number): Row {
    const { table } = this.#store.index;
    const row = table.find(mail, suffix);
    return row >= 0 ? row : table.add(mail, suffix);
  }

  #seen(mail: number, suffix: number): void {
    if (suffix > 1) this.#tops.set(mail, Math.max(suffix, this.#tops.get(mail) ?? 1));
  }
}

/** Files that no living entry names: drafts that were not committed, what was to be removed. */
async function sweepFiles(
  store: LogStore,
  files: Files,
  dir: string,
  lost: 'nothing' | 'for now' | 'for good',
): Promise<void> {
  const { table } = store.index;
  const named = new Map<string, number>();
  for (let row = 0; row < table.top; row++) {
    if (table.mail[row] !== -1 && table.has(row, FLAG.large)) {
      named.set(mailText(table.mail[row] ?? 0), table.size[row] ?? 0);
    }
  }
  for (const name of await files.list(store.large.dir)) {
    const size = named.get(name);
    if (size !== undefined) {
      store.large.bytes += size;
      continue;
    }
    // What cannot be read now may name it, and be read at another start.
    if (lost === 'for now') continue;
    const path = `${store.large.dir}/${name}`;
    // Where records were lost, one of them may have named it.
    await tidy(store, path, () =>
      lost === 'for good' ? files.rename(path, `${dir}/quarantine/${name}`) : files.remove(path),
    );
  }
  const numbers = new Set(store.segments.all().map((s) => s.sidePath));
  for (const name of await files.list(dir)) {
    const isSide = name.endsWith('.idx') && !numbers.has(`${dir}/${name}`);
    const path = `${dir}/${name}`;
    if (isSide || name.endsWith('.new')) await tidy(store, path, () => files.remove(path));
  }
}

/** Trouble with it stops nobody: the next start tries again. */
async function tidy(store: LogStore, path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    store.log.warn('left lying about', { file: path, why: String(error) });
  }
}
