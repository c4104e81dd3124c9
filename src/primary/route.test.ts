import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MemoryResolver } from '../dns/memory.ts';
import { Ourselves } from './ourselves.ts';
import { type Known, type NoRoute, type Route, routeOf } from './route.ts';

const ourselves = new Ourselves({
  hostname: 'mx2.us.test',
  names: ['Other.us.test'],
  addresses: ['203.0.113.9', '2001:DB8::9'],
  token: 't',
  interfaces: () => ['192.0.2.99'],
});
const route = (dns: MemoryResolver, last?: Known) =>
  routeOf('acme.test', { resolver: dns, ourselves, port: 25 }, last);
const hosts = (r: Route | NoRoute) =>
  r.kind === 'route' ? r.exchangers.map((e) => `${e.host}${e.best ? '*' : ''}`).join(' ') : r.why;

function dns(...mx: readonly (readonly [number, string])[]): MemoryResolver {
  const r = new MemoryResolver().setMx('acme.test', ...mx);
  for (const [i, [, host]] of mx.entries()) r.setAddresses(host, `192.0.2.${i + 1}`);
  return r;
}

describe('which exchangers', () => {
  const table: readonly (readonly [string, MemoryResolver, string])[] = [
    ['all, by preference, if we are not among them', dns([20, 'b.test'], [10, 'a.test']), 'a.test* b.test'],
    ['those preferred to us by name', dns([10, 'a.test'], [20, 'mx2.us.test'], [30, 'c.test']), 'a.test*'],
    ['those preferred to us by another name', dns([10, 'a.test'], [20, 'other.US.test']), 'a.test*'],
    ['none of equal preference', dns([10, 'a.test'], [20, 'b.test'], [20, 'mx2.us.test']), 'a.test*'],
    [
      'a fellow secondary is not the best',
      dns([10, 'a.test'], [20, 'b.test'], [30, 'mx2.us.test']),
      'a.test* b.test',
    ],
    ['two best ones', dns([10, 'a.test'], [10, 'b.test'], [30, 'mx2.us.test']), 'a.test* b.test*'],
    ['none, if we are the best', dns([10, 'mx2.us.test'], [20, 'b.test']), 'ourselves'],
    ['none, if we are the only one', dns([10, 'mx2.us.test']), 'ourselves'],
    [
      'us by a configured address',
      dns([10, 'a.test'], [20, 'nat.test']).setAddresses('nat.test', '203.0.113.9'),
      'a.test*',
    ],
    [
      'us by an IPv6 address',
      dns([10, 'a.test'], [20, 'nat.test']).setAddresses('nat.test', '2001:db8::9'),
      'a.test*',
    ],
    [
      'us by an interface',
      dns([10, 'nat.test'], [20, 'b.test']).setAddresses('nat.test', '192.0.2.99'),
      'ourselves',
    ],
    [
      'the domain itself without MX',
      new MemoryResolver().setAddresses('acme.test', '192.0.2.1'),
      'acme.test*',
    ],
    ['us as the domain itself', new MemoryResolver().setAddresses('acme.test', '203.0.113.9'), 'ourselves'],
    ['null MX', new MemoryResolver().setMx('acme.test', [0, '']), 'null mx'],
    ['a null MX among others counts for nothing', dns([10, 'a.test'], [0, '']), 'a.test*'],
    ['no such domain', new MemoryResolver(), 'nxdomain'],
    ['neither MX nor address', new MemoryResolver().setMx('acme.test'), 'nothing'],
    ['exchangers without addresses', new MemoryResolver().setMx('acme.test', [10, 'gone.test']), 'nothing'],
    ['exchangers whose addresses nobody tells', dns([10, 'a.test']).fail(true, 'a.test'), 'failed'],
    ['DNS gone', new MemoryResolver().fail(), 'failed'],
    [
      'a best one without an address is still the best',
      dns([10, 'a.test'], [20, 'b.test']).forget('a.test'),
      'a.test* b.test',
    ],
  ];
  for (const [what, resolver, expected] of table) {
    test(`${what}: ${expected}`, async () => assert.equal(hosts(await route(resolver)), expected));
  }

  test('whatever the list, no exchanger at or behind our own place is used', async () => {
    const entry = fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.constantFrom('a.test', 'b.test', 'c.test', 'mx2.us.test'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 6 }), async (mx) => {
        const got = await route(dns(...mx));
        const ours = Math.min(...mx.filter(([, h]) => h === 'mx2.us.test').map(([p]) => p));
        const better = mx.filter(([p]) => p < ours);
        if (got.kind !== 'route') return assert.equal(better.length, 0);
        assert.deepEqual(
          got.exchangers.map((e) => e.preference),
          better.map(([p]) => p).sort((x, y) => x - y),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('when DNS fails', () => {
  async function known(): Promise<Known> {
    const good = await route(dns([10, 'a.test'], [20, 'mx2.us.test']));
    assert.ok(good.kind === 'route' && good.known);
    return good.known;
  }

  test('the last good exchangers and addresses are used, and not kept anew', async () => {
    const got = await route(new MemoryResolver().fail(), await known());
    assert.equal(hosts(got), 'a.test*');
    assert.ok(got.kind === 'route');
    assert.deepEqual(got.exchangers[0]?.addresses, ['192.0.2.1']);
    assert.equal(got.known, null);
  });

  test('last good exchangers whose addresses are fresh are not kept anew either', async () => {
    const got = await route(dns([10, 'a.test']).fail(true, 'acme.test'), await known());
    assert.equal(hosts(got), 'a.test*');
    assert.ok(got.kind === 'route' && got.known === null);
  });

  test('a last good address is used for a host whose address fails alone', async () => {
    const got = await route(dns([10, 'a.test']).fail(true, 'a.test'), await known());
    assert.ok(got.kind === 'route');
    assert.deepEqual(got.exchangers[0]?.addresses, ['192.0.2.1']);
  });

  test('a domain that ceased to exist, or says it takes no mail, is not a failure of DNS', async () => {
    assert.equal(hosts(await route(new MemoryResolver(), await known())), 'nxdomain');
    assert.equal(
      hosts(await route(new MemoryResolver().setMx('acme.test', [0, '']), await known())),
      'null mx',
    );
  });

  test('what was known of another domain is not used', async () => {
    const other = { ...(await known()), domain: 'other.test' };
    assert.equal(hosts(await route(new MemoryResolver().fail(), other)), 'failed');
  });
});
