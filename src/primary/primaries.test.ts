import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { FakePrimary } from '../../test/support/fake-primary.ts';
import { SystemClock } from '../base/clock.ts';
import { type Keyed, openKeyed } from '../base/keyed.ts';
import { silent } from '../base/log.ts';
import { MemoryResolver } from '../dns/memory.ts';
import type { Site } from '../site/site.ts';
import { dial } from './dial.ts';
import { Limit } from './limit.ts';
import { Ourselves } from './ourselves.ts';
import { Primaries } from './primaries.ts';
import { alternating, shuffled } from './reach.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const fn of cleanups.splice(0)) await fn();
});

const ourselves = new Ourselves({
  hostname: 'mx2.test',
  names: [],
  addresses: [],
  token: 't',
  interfaces: () => ['127.0.0.1'],
});
const never = new AbortController().signal;

const acme = (more: Partial<Site> = {}): Site => ({
  name: 'acme',
  domains: ['acme.test'],
  collect: { kind: 'push' },
  primary: { kind: 'mx' },
  tls: { kind: 'none' },
  recipients: { kind: 'any' },
  whileUp: 'accept',
  passClient: 'none',
  hold: 1,
  warn: [],
  connections: 5,
  probe: 1,
  ...more,
});

function memory(): Keyed {
  const keyed = openKeyed(':memory:');
  cleanups.push(() => keyed.close());
  return keyed;
}

const primaries = (resolver: MemoryResolver, mxPort: number, keyed = memory()) =>
  new Primaries({
    clock: new SystemClock(),
    log: silent,
    keyed,
    ourselves,
    random: () => 0,
    resolver,
    mxPort,
    stagger: 20,
  });

/** Servers at several loopback addresses with one port, as exchangers have. */
async function servers(
  hosts: Record<string, string[]>,
): Promise<{ port: number; at: Record<string, FakePrimary> }> {
  const at: Record<string, FakePrimary> = {};
  let port = 0;
  for (const [host, keywords] of Object.entries(hosts)) {
    const fake = await FakePrimary.start({ host, keywords, name: `at-${host}` }, port);
    port = fake.port;
    at[host] = fake;
    cleanups.push(() => fake.stop());
  }
  return { port, at };
}

const three = () =>
  new MemoryResolver()
    .setMx('acme.test', [10, 'a.test'], [20, 'b.test'], [30, 'mx2.test'])
    .setAddresses('a.test', '127.0.0.2')
    .setAddresses('b.test', '127.0.0.3')
    .setAddresses('mx2.test', '127.0.0.1');

async function reached(p: Primaries, site = acme()): Promise<string> {
  const got = await p.connect(site, never);
  if (got.kind === 'trouble') return `${got.cause}: ${got.text}`;
  got.opened.wire.end();
  return `${got.exchanger.host} ${got.address}${got.exchanger.best ? ' best' : ''}`;
}

describe('a conversation with the primary', () => {
  test('is with the best that can be had, else with a fellow, never with us', async () => {
    const { port, at } = await servers({ '127.0.0.1': [], '127.0.0.2': [], '127.0.0.3': [] });
    const p = primaries(three(), port);
    assert.equal(await reached(p), 'a.test 127.0.0.2 best');
    await at['127.0.0.2']?.stop();
    assert.equal(await reached(p), 'b.test 127.0.0.3');
    await at['127.0.0.3']?.stop();
    assert.match(await reached(p), /^connect: a\.test\[127\.0\.0\.2\]/);
    assert.equal(at['127.0.0.1']?.connections, 0);
  });

  test('ends where a host shows our token: what is behind it is not better than us', async () => {
    const { port, at } = await servers({ '127.0.0.2': ['XRESTANTE t'], '127.0.0.3': [] });
    assert.match(await reached(primaries(three(), port)), /^loop: /);
    assert.equal(at['127.0.0.3']?.connections, 0);
  });

  test('tries the next address of a host when one is dead, and when one is unwell', async () => {
    const { port, at } = await servers({ '127.0.0.3': [] });
    const dns = three().setAddresses('a.test', '127.0.0.2', '127.0.0.3');
    assert.equal(await reached(primaries(dns, port)), 'a.test 127.0.0.3 best');
    const sick = await FakePrimary.start(
      { host: '127.0.0.2', script: () => '554 unwell' },
      at['127.0.0.3']?.port,
    );
    cleanups.push(() => sick.stop());
    assert.equal(await reached(primaries(dns, port)), 'a.test 127.0.0.3 best');
  });

  test('what was learned outlives a restart and a failure of DNS', async () => {
    const { port } = await servers({ '127.0.0.2': ['SIZE 77', 'DSN'], '127.0.0.3': [] });
    const keyed = memory();
    await reached(primaries(three(), port, keyed));
    const again = primaries(new MemoryResolver().fail(), port, keyed);
    assert.equal(again.capabilities('acme')?.size, 77);
    assert.deepEqual(again.addressesOf('acme'), ['127.0.0.2', '127.0.0.3']);
    assert.deepEqual(again.sitesAt('127.0.0.2'), ['acme']);
    assert.deepEqual(again.sitesAt('127.0.0.1'), []);
    assert.equal(await reached(again), 'a.test 127.0.0.2 best');
  });

  test('a fellow does not tell what the primary offers', async () => {
    const { port } = await servers({ '127.0.0.3': ['SIZE 5'] });
    const p = primaries(three(), port);
    assert.equal(await reached(p), 'b.test 127.0.0.3');
    assert.equal(p.capabilities('acme'), undefined);
  });

  test('an address that moved is forgotten', async () => {
    const { port } = await servers({ '127.0.0.2': [], '127.0.0.3': [] });
    const dns = three();
    const p = primaries(dns, port);
    await reached(p);
    dns.setAddresses('a.test', '127.0.0.4').setMx('acme.test', [10, 'a.test']);
    await reached(p);
    assert.deepEqual(p.sitesAt('127.0.0.2'), []);
    assert.deepEqual(p.sitesAt('127.0.0.4'), ['acme']);
  });
});

describe('whose exchangers a site has', () => {
  const where = async (dns: MemoryResolver, domains: string[]) => {
    const got = await primaries(dns, 25).route(acme({ domains }));
    return got.kind === 'route' ? got.exchangers.map((e) => e.host).join(' ') : got.why;
  };

  test('those of the first domain that has any better than us; a wildcard stands for its parent', async () => {
    const dns = three().setMx('second.test', [10, 'b.test']).setMx('bare.test', [10, 'mx2.test']);
    assert.equal(await where(dns, ['acme.test', 'second.test']), 'a.test b.test');
    assert.equal(await where(dns, ['gone.test', 'second.test']), 'b.test');
    assert.equal(await where(dns, ['bare.test', 'second.test']), 'b.test');
    assert.equal(await where(dns, ['.acme.test']), 'a.test b.test');
    assert.equal(await where(dns, ['.second.test', 'acme.test']), 'a.test b.test');
    assert.equal(await where(dns, ['bare.test', 'gone.test']), 'ourselves');
  });

  test('no better host is trouble, never a loop; no DNS is trouble too', async () => {
    assert.match(
      await reached(
        primaries(
          new MemoryResolver().setMx('acme.test', [10, 'mx2.test']).setAddresses('mx2.test', '127.0.0.1'),
          25,
        ),
      ),
      /^ourselves: /,
    );
    for (const dns of [
      new MemoryResolver(),
      new MemoryResolver().fail(),
      new MemoryResolver().setMx('acme.test', [0, '']),
    ]) {
      assert.match(await reached(primaries(dns, 25)), /^dns: /);
    }
  });

  test('named hosts are resolved at each connection, tried in order, and the last good address helps', async () => {
    const { port } = await servers({ '127.0.0.2': [], '127.0.0.3': [] });
    const dns = new MemoryResolver()
      .setAddresses('home.test', '127.0.0.2')
      .setAddresses('other.test', '127.0.0.3');
    const p = primaries(dns, 25);
    const site = acme({
      primary: {
        kind: 'hosts',
        hosts: [
          { host: 'home.test', port },
          { host: 'other.test', port },
        ],
      },
    });
    assert.equal(await reached(p, site), 'home.test 127.0.0.2 best');
    dns.setAddresses('home.test', '127.0.0.9');
    assert.equal(await reached(p, site), 'other.test 127.0.0.3 best');
    dns.fail();
    assert.equal(await reached(p, site), 'other.test 127.0.0.3 best');
    dns.fail(false).forget('home.test').forget('other.test');
    assert.match(await reached(p, site), /^dns: /);
  });
});

describe('dialling', () => {
  test('a silent address does not keep the next one waiting', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const options = { clock: new SystemClock(), timeout: 5000, stagger: 5, signal: never };
    // 192.0.2.0/24 is routed nowhere: it fails or is silent, and both must do.
    const got = await dial(
      [
        { address: '192.0.2.1', port },
        { address: '127.0.0.1', port },
      ],
      options,
    );
    assert.ok(got.kind === 'connected' && got.target.address === '127.0.0.1');
    if (got.kind === 'connected') got.socket.destroy();
  });

  test('nothing to dial, or a signal, ends at once', async () => {
    const options = { clock: new SystemClock(), timeout: 5000, stagger: 5, signal: never };
    assert.deepEqual(await dial([], options), { kind: 'failed', failures: [] });
    const got = await dial([{ address: '127.0.0.1', port: 1 }], { ...options, signal: AbortSignal.abort() });
    assert.equal(got.kind, 'failed');
  });

  test('families take turns, beginning with the first', () => {
    assert.deepEqual(alternating(['1.1.1.1', '1.1.1.2', '::1', '::2', '::3']), [
      '1.1.1.1',
      '::1',
      '1.1.1.2',
      '::2',
      '::3',
    ]);
    assert.deepEqual(alternating(['::1', '1.1.1.1']), ['::1', '1.1.1.1']);
    assert.deepEqual(alternating([]), []);
  });

  test('equal hosts come in an order that chance decides', () => {
    const orders = new Set<string>();
    for (let i = 0; i < 200; i++) orders.add(shuffled(['a', 'b', 'c'], Math.random).join(''));
    assert.equal(orders.size, 6);
  });
});

describe('the limit', () => {
  test('is kept, turns come in order, giving up frees the place in the row', async () => {
    const limit = new Limit();
    const first = await limit.acquire('s', 1, never);
    const order: string[] = [];
    const stop = new AbortController();
    const wait = async (name: string, signal: AbortSignal) => {
      const release = await limit.acquire('s', 1, signal);
      order.push(release ? name : 'none');
      return release;
    };
    const given = wait('given', stop.signal);
    const second = wait('second', never);
    const third = wait('third', never);
    assert.ok(await limit.acquire('other', 1, never));
    stop.abort();
    await given;
    first?.();
    first?.();
    (await second)?.();
    (await third)?.();
    assert.deepEqual(order, ['none', 'second', 'third']);
    assert.ok(await limit.acquire('s', 1, never));
  });
});
