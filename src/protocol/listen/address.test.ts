import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { clientKey, networkKey, plainAddress } from './address.ts';

const text = (octets: Uint8Array): string => plainAddress(ipaddr.fromByteArray([...octets]).toString());
const address = (octets: number) => fc.uint8Array({ minLength: octets, maxLength: octets }).map(text);

/** Whether two addresses agree in their first bits, by the library. */
const agree = (a: string, b: string, bits: number): boolean => {
  const [one, other] = [ipaddr.parse(a), ipaddr.parse(b)];
  return one.kind() === other.kind() && (one as ipaddr.IPv4).match(other as ipaddr.IPv4, bits);
};

describe('a network', () => {
  for (const [octets, most] of [
    [4, 32],
    [16, 64],
  ] as const) {
    test(`has one key for the addresses of ${octets} octets that agree in its bits, and for no other`, () => {
      const bits = fc.integer({ min: 8, max: most });
      const flipped = fc.integer({ min: 0, max: octets * 8 - 1 });
      fc.assert(
        fc.property(fc.uint8Array({ minLength: octets, maxLength: octets }), bits, flipped, (one, n, bit) => {
          const other = one.slice();
          other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (128 >> (bit & 7));
          const [a, b] = [text(one), text(other)];
          if (a.includes(':') !== b.includes(':')) return;
          const set = { ipv4: n, ipv6: n };
          assert.equal(
            networkKey(a, set) === networkKey(b, set),
            agree(a, b, a.includes(':') ? n : Math.min(n, 32)),
          );
        }),
      );
    });
  }

  test('is the /64 of an IPv6 client, and the address of an IPv4 one, mapped or not', () => {
    fc.assert(fc.property(address(4), (a) => assert.equal(clientKey(a), a)));
    assert.equal(clientKey('::ffff:192.0.2.1'), '192.0.2.1');
    assert.equal(clientKey('2001:db8::1'), clientKey('2001:db8:0:0:ffff::2'));
    assert.notEqual(clientKey('2001:db8::1'), clientKey('2001:db8:0:1::1'));
    assert.equal(clientKey('::1'), clientKey('::2'));
  });
});
