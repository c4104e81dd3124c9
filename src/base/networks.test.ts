import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkSet } from './networks.ts';

test('an address is in a network of its own family', () => {
  const has = networkSet(['192.0.2.0/24', '2001:db8::/32', '198.51.100.7/32']);
  for (const inside of ['192.0.2.255', '2001:db8:1::1', '198.51.100.7'])
    assert.equal(has(inside), true, inside);
  for (const outside of ['192.0.3.0', '2001:db9::1', '198.51.100.8', '::1']) {
    assert.equal(has(outside), false, outside);
  }
});

test('an empty set has nobody', () => assert.equal(networkSet([])('192.0.2.1'), false));
