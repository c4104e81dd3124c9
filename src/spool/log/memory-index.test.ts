import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Extent } from '../../mail/envelope.ts';
import { MemoryIndex } from './memory-index.ts';
import { NO_EXTENT } from './record.ts';
import { EntryTable, FLAG, type Row } from './table.ts';

const extent = { recipients: 1, octets: 30 };

interface Model {
  mail: number;
  suffix: number;
  arrived: number;
  queue: string;
  nextTry: number;
  warned: number;
  held: boolean;
  until: number;
  out: boolean;
  row: Row;
}

const byArrival = (a: Model, b: Model): number =>
  a.arrived - b.arrived || a.mail - b.mail || a.suffix - b.suffix;
const isFree = (m: Model): boolean => !m.out && !m.held;
const nextOf = (m: Model): number => (m.out ? Infinity : m.held ? Math.max(m.until, m.nextTry) : m.nextTry);

/** Answers of the index and of a plain list, compared. */
function compare(index: MemoryIndex, all: readonly Model[], now: number): void {
  assert.equal(index.count, all.length);
  for (const name of ['a', 'b']) {
    const mine = all.filter((m) => m.queue === name).sort(byArrival);
    const queue = index.queue(name);
    assert.equal(queue.count, mine.length);
    assert.equal(queue.held, mine.filter((m) => m.held).length);
    assert.equal(queue.order.firstReady(now), mine.find((m) => nextOf(m) <= now)?.row ?? -1);
    assert.equal(queue.order.earliest(), Math.min(Infinity, ...mine.map(nextOf)));
    assert.equal(queue.order.firstWithFewer(2), mine.find((m) => isFree(m) && m.warned < 2)?.row ?? -1);
    const middle = mine[Math.floor(mine.length / 2)];
    const behind = mine.filter((m) => middle && byArrival(m, middle) > 0).map((m) => m.row);
    assert.deepEqual(queue.order.after(middle ?? null, 1e9), behind);
    assert.equal(index.summary(name).oldest, mine[0]?.arrived ?? null);
  }
  for (const m of all) assert.equal(index.table.find(m.mail, m.suffix), m.row);
}

const step = fc.record({
  op: fc.constantFrom('add', 'add', 'add', 'addOld', 'remove', 'defer', 'hold', 'out', 'move', 'hasten'),
  n: fc.nat(),
  time: fc.integer({ min: 0, max: 5000 }),
});

function run(index: MemoryIndex, all: Model[], s: { op: string; n: number; time: number }, i: number): void {
  const m = all[s.n % Math.max(1, all.length)];
  if (s.op === 'add' || s.op === 'addOld' || !m) {
    const arrived = s.op === 'addOld' ? s.time : 10_000 + i;
    const one = {
      mail: 2 ** 30 * (1 + (s.n % 5)) + i,
      suffix: 1 + (s.n % 3),
      arrived,
      queue: s.n % 2 ? 'a' : 'b',
    };
    const row = index.add({ ...one, size: 1, segment: 1, offset: 0, large: false, extent });
    all.push({ ...one, nextTry: 0, warned: 0, held: false, until: Infinity, out: false, row });
    return;
  }
  if (s.op === 'remove') {
    index.remove(m.row);
    all.splice(all.indexOf(m), 1);
    return;
  }
  if (s.op === 'out') {
    m.out = !m.out;
    index.setOut(m.row, m.out);
    return;
  }
  if (s.op === 'hasten') {
    index.queue(m.queue).order.hasten(s.time);
    for (const other of all)
      if (other.queue === m.queue && nextOf(other) !== Infinity)
        other.nextTry = Math.min(other.nextTry, s.time);
    return;
  }
  if (s.op === 'defer') m.nextTry = s.time;
  if (s.op === 'defer') m.warned = s.n % 4;
  if (s.op === 'hold') m.held = !m.held;
  if (s.op === 'hold') m.until = m.held && s.n % 2 ? s.time : Infinity;
  if (s.op === 'move') m.queue = m.queue === 'a' ? 'b' : 'a';
  const { queue, nextTry, warned, until } = m;
  index.setState(m.row, {
    queue,
    nextTry,
    warned,
    until,
    attempts: 1,
    hold: m.held ? 'operator' : 'none',
    extent,
  });
}

describe('memory index', () => {
  test('it answers as a plain list would, whatever happens to its entries', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 5000 }), (steps, now) => {
        const index = new MemoryIndex();
        const all: Model[] = [];
        steps.forEach((s, i) => {
          run(index, all, s, i);
        });
        compare(index, all, now);
      }),
      { numRuns: 300 },
    );
  });

  test('so it does with many entries, in many chunks', () => {
    const index = new MemoryIndex();
    const all: Model[] = [];
    const ops = ['add', 'add', 'add', 'addOld', 'remove', 'defer', 'hold', 'out', 'move', 'defer'];
    let x = 12_345;
    for (let i = 0; i < 6000; i++) {
      x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
      const op = i % 1000 === 999 ? 'hasten' : (ops[(x >>> 8) % ops.length] ?? 'add');
      run(index, all, { op, n: x >>> 4, time: x % 5000 }, i);
      if (i % 500 === 499) compare(index, all, 2500);
    }
    for (const m of [...all]) run(index, all, { op: 'remove', n: all.indexOf(m), time: 0 }, 0);
    compare(index, [], 0);
    assert.deepEqual([...index.queues()], []);
  });

  test('the first that is ready is found wherever it stands, when chunks have split and gone', () => {
    const index = new MemoryIndex();
    const all: { row: Row; arrived: number; nextTry: number; warned: number }[] = [];
    // The later it came, the sooner it may be tried: each chunk has minima of its own.
    const add = (mail: number, arrived: number): void => {
      const [nextTry, warned] = [100_000 - arrived, 200 - Math.floor(arrived / 200)];
      const place = { size: 1, segment: 1, offset: 0, large: false, extent };
      const row = index.add({ mail, suffix: 1, queue: 'a', arrived, ...place });
      index.setState(row, {
        queue: 'a',
        attempts: 1,
        nextTry,
        warned,
        hold: 'none',
        until: Infinity,
        extent,
      });
      all.push({ row, arrived, nextTry, warned });
    };
    for (let i = 0; i < 3000; i++) add(i, 10 * i);
    for (let i = 1000; i < 1700; i++) add(10_000 + i, 10 * i + 5);
    all.sort((a, b) => a.arrived - b.arrived);
    for (const { row } of all.splice(300, 900)) index.remove(row);
    const { order } = index.queue('a');
    for (const { nextTry, warned } of all.filter((_, i) => i % 29 === 0)) {
      assert.equal(order.firstReady(nextTry), all.find((m) => m.nextTry <= nextTry)?.row);
      assert.equal(order.firstWithFewer(warned + 1), all.find((m) => m.warned <= warned)?.row);
    }
  });

  test('a row costs 57 octets, and 66 with its share of hash and order', () => {
    const { table } = new MemoryIndex();
    const columns = Object.values(table).filter((c) => ArrayBuffer.isView(c));
    const octets = columns.reduce((sum, c) => sum + c.byteLength, 0) / table.mail.length;
    // The hash is between 3/8 and 3/4 full: 10.7 to 5.3 octets; the order has 4.
    assert.equal(octets, 57);
  });

  test('lengths of addresses are those of the row, and their room is used again', () => {
    const table = new EntryTable();
    const each = fc.array(fc.nat(255), { minLength: 1, maxLength: 14 });
    const extents = fc.tuple(fc.nat(0xffff), each).map(([octets, lengths]): Extent => {
      const { length } = lengths;
      return length === 1 ? { recipients: 1, octets } : { recipients: length, octets, each: lengths };
    });
    const rows = Array.from({ length: 400 }, (_, i) => table.add(1 + i, 1));
    const known = new Map<number, Extent>();
    let most = 0;
    fc.assert(
      fc.property(fc.nat(399), fc.option(extents, { freq: 3 }), (n, extent) => {
        const row = rows[n] ?? -1;
        table.setExtent(row, extent ?? NO_EXTENT);
        if (extent) known.set(row, extent);
        else known.delete(row);
        most = Math.max(most, table.lengths.byteLength);
        for (const one of rows) assert.deepEqual(table.extent(one), known.get(one));
      }),
      { numRuns: 2000 },
    );
    for (const row of rows) table.remove(row);
    const again = rows.map((_, i) => table.add(1000 + i, 1));
    for (const [i, extent] of [...known.values()].entries()) table.setExtent(again[i] ?? -1, extent);
    assert.equal(table.lengths.byteLength, most);
    assert.deepEqual(
      again.slice(0, known.size).map((row) => table.extent(row)),
      [...known.values()],
    );
  });

  test('flags of a row that is used again are clear', () => {
    const index = new MemoryIndex();
    const entry = {
      mail: 7,
      suffix: 1,
      queue: 'a',
      arrived: 1,
      size: 1,
      segment: 1,
      offset: 0,
      large: true,
      extent,
    };
    const row = index.add(entry);
    index.setOut(row, true);
    index.remove(row);
    assert.equal(index.add({ ...entry, mail: 8, large: false }), row);
    assert.equal(index.table.has(row, FLAG.out | FLAG.large), false);
    assert.deepEqual(index.table.extent(row), extent);
  });
});
