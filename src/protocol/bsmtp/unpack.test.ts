import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { UnpackFault, unpack } from './unpack.ts';

async function* one(octets: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size);
}
async function all(from: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of from) parts.push(part);
  return Buffer.concat(parts);
}

const TEXT = Buffer.from('EHLO x\r\nQUIT\r\n'.repeat(500));
const CHECKED = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const BOUNDS = { free: 100_000, factor: 10, most: 1_000_000 };

describe('unpacking', () => {
  for (const size of [1, 3, 1000]) {
    test(`plain, gzip and zstd are told by their first octets, in chunks of ${size}`, async () => {
      for (const packed of [TEXT, gzipSync(TEXT), zstdCompressSync(TEXT)]) {
        assert.deepEqual(await all(unpack(one(packed, size))), TEXT);
      }
    });
  }

  test('nothing is nothing', async () => assert.equal((await all(unpack(one(Buffer.alloc(0))))).length, 0));

  test('a bomb is cut', async () => {
    const bomb = Buffer.alloc(50_000_000);
    for (const packed of [gzipSync(bomb), zstdCompressSync(bomb)]) {
      let out = 0;
      await assert.rejects(async () => {
        for await (const part of unpack(one(packed), BOUNDS)) out += part.length;
      }, UnpackFault);
      assert.ok(out <= 500_000, `${out}`);
    }
  });

  test('damage and half a batch are faults', async () => {
    for (const packed of [gzipSync(TEXT), zstdCompressSync(TEXT, CHECKED)]) {
      await assert.rejects(all(unpack(one(packed.subarray(0, packed.length - 5)))), UnpackFault);
      const damaged = Buffer.from(packed);
      damaged.fill(0x55, 12, 24);
      await assert.rejects(all(unpack(one(damaged))), UnpackFault);
    }
    await assert.rejects(all(unpack(one(Buffer.from('1f9d90', 'hex')))), /use gzip or zstd/);
  });
});
