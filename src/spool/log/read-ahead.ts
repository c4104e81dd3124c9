/**
 * Reads the records of several entries with few calls: a queue that is worked through in order of arrival
 * mostly stands in its segments in that order. A help only: what it cannot read, or what is no longer
 * where it was, is left to `view.ts`, which reads, judges and counts damage.
 */

import type { Segment } from './segment.ts';
import type { LogStore } from './store.ts';
import { FLAG, type Row } from './table.ts';
import { messageIn } from './view.ts';

/** Larger mails are read when they are opened. */
const LARGEST = 64 * 1024;
/** Octets read in one call, and by one call of `readAhead`. */
const SPAN = 256 * 1024;
const MOST = 1024 * 1024;
/** Octets between two records that are read for nothing. */
const GAP = 4096;
/** A record without its content, more or less; one that is longer is read alone. */
const RECORD = 1024;

interface Wanted {
  readonly segment: Segment;
  readonly offset: number;
  readonly mail: number;
  readonly suffix: number;
  /** Where it ends, more or less. */
  readonly end: number;
}

/** Puts the records of `rows` into the cache, with their content. */
export async function readAhead(store: LogStore, rows: readonly Row[]): Promise<void> {
  const spans = spansOf(wanted(store, rows)).filter((span) => span.length > 1);
  await Promise.all(spans.map((span) => readSpan(store, span).catch(() => {})));
}

function wanted(store: LogStore, rows: readonly Row[]): Wanted[] {
  const { table } = store.index;
  const found: Wanted[] = [];
  let octets = 0;
  for (const row of rows) {
    const size = table.size[row] ?? 0;
    if (size > LARGEST || table.has(row, FLAG.large)) continue;
    const { mail, suffix } = store.key(row);
    const segment = store.segmentOf(row);
    const offset = table.offset[row] ?? 0;
    if (store.cache.get(mail, segment.number, offset)?.data) continue;
    octets += size;
    if (octets > MOST) break;
    found.push({ segment, offset, mail, suffix, end: offset + size + RECORD });
  }
  return found.sort((a, b) => a.segment.number - b.segment.number || a.offset - b.offset);
}

function spansOf(sorted: readonly Wanted[]): Wanted[][] {
  const spans: Wanted[][] = [];
  let span: Wanted[] = [];
  for (const one of sorted) {
    const [first] = span;
    const last = span.at(-1);
    const joins =
      first?.segment === one.segment &&
      last &&
      one.offset - last.end <= GAP &&
      one.end - first.offset <= SPAN;
    if (!joins) spans.push((span = []));
    span.push(one);
  }
  return spans;
}

async function readSpan(store: LogStore, span: readonly Wanted[]): Promise<void> {
  const [first] = span;
  const last = span.at(-1);
  if (!first || !last) return;
  const { segment } = first;
  const octets = await segment.readRaw(first.offset, last.end - first.offset);
  for (const { offset, mail, suffix } of span) {
    const read = segment.recordIn(offset, octets.subarray(offset - first.offset));
    const found = read?.data && messageIn(read.items, mail, suffix);
    if (!read?.data || !found) continue;
    segment.checkData(offset, read.frame, read.data);
    const { item, detail } = found;
    // A view: the span is hardly more than what is wanted of it.
    const data = [read.data.subarray(item.dataAt, item.dataAt + item.dataLength)];
    store.cache.put({ segment: segment.number, offset, item, detail, data });
  }
}
