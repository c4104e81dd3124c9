import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeMeta, encodeMeta, type Item, NO_EXTENT } from './record.ts';

const extent = { recipients: 2, octets: 300, each: [255, 20] };
const ONE = { recipients: 1, octets: 80 };
const message: Item = {
  kind: 'message',
  mail: 4711,
  arrived: 1,
  size: 2,
  dataAt: 3,
  dataLength: 4,
  large: true,
  top: 1,
  entries: [{ suffix: 1, queue: 'bücher', extent }],
};
const state: Item = {
  kind: 'state',
  mail: 4711,
  suffix: 1,
  version: 1,
  attempts: 2,
  nextTry: 3,
  warned: 1,
  hold: 'none',
  until: Infinity,
  queue: 'bücher',
  extent,
};
const ITEM = 4;

/** The meta part of one item without detail, its fields cut by `octets`. */
function cut(item: Item, octets: number): Buffer {
  const meta = encodeMeta([{ item }]);
  meta.writeUInt32LE(meta.readUInt32LE(0) - octets, 0);
  meta.writeUInt32LE(meta.readUInt32LE(ITEM + 1) - octets, ITEM + 1);
  return meta.subarray(0, meta.length - octets);
}

describe('items of a record', () => {
  test('come back as they were written', () => {
    const several = {
      ...message,
      entries: [extent, ONE, extent].map((e, i) => ({ suffix: 1 + i, queue: `q${i}`, extent: e })),
    };
    const items: Item[] = [
      message,
      several,
      state,
      { ...state, extent: ONE },
      { kind: 'dead', mail: 4711, suffix: 2 },
    ];
    const found = decodeMeta(encodeMeta(items.map((item) => ({ item }))));
    assert.deepEqual(
      found.map((f) => f.item),
      items,
    );
  });

  test('from before there were extents are read, and theirs are not known', () => {
    const since = 3 + 1 + 2;
    const [first] = decodeMeta(cut(message, since));
    assert.deepEqual(first?.item, {
      ...message,
      entries: [{ suffix: 1, queue: 'bücher', extent: NO_EXTENT }],
    });
    assert.deepEqual(decodeMeta(cut(state, since))[0]?.item, { ...state, extent: NO_EXTENT });
  });

  test('from before each recipient was told are read, and the sums are known', () => {
    const sum = { recipients: 2, octets: 300 };
    const [first] = decodeMeta(cut(message, 3));
    assert.deepEqual(first?.item, { ...message, entries: [{ suffix: 1, queue: 'bücher', extent: sum }] });
    assert.deepEqual(decodeMeta(cut(state, 3))[0]?.item, { ...state, extent: sum });
  });

  test('have no extent that its fields cannot hold', () => {
    for (const big of [
      { recipients: 256, octets: 1 },
      { recipients: 1, octets: 65_536 },
    ]) {
      const [found] = decodeMeta(encodeMeta([{ item: { ...state, extent: big } }]));
      assert.deepEqual(found?.item, { ...state, extent: NO_EXTENT });
    }
  });
});
