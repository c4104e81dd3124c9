import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reversed, reversedSix, reverseName } from './reverse.ts';

test('an IPv4 address by octets, an IPv6 address by nibbles', () => {
  assert.equal(reversed('192.0.2.1'), '1.2.0.192');
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa');
  const six = '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2';
  assert.equal(reversed('2001:db8::1'), six);
  assert.equal(reverseName('2001:db8::1'), `${six}.ip6.arpa`);
});

test('an IPv4-mapped address is an IPv4 address', () => {
  assert.equal(reversed('::ffff:192.0.2.1'), '1.2.0.192');
});

test('unless it is asked for by its nibbles', () => {
  const zeros = `${'0.'.repeat(19)}0`;
  assert.equal(reversedSix('::ffff:7f00:2'), `2.0.0.0.0.0.f.7.f.f.f.f.${zeros}`);
});
