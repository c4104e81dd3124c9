import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import * as packet from 'dns-packet';
import { SimClock } from '../../test/support/sim-clock.ts';
import { SystemClock } from '../base/clock.ts';
import { createResolver, systemServers } from './resolver.ts';
import { canonicalAddress, isAskable } from './wire.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const fn of cleanups.splice(0)) await fn();
});

type Reply = Partial<packet.Packet> & { rcode?: number };
/** null: silence. */
type Answering = (q: packet.Question, query: packet.Packet) => Reply | Buffer | null;

interface FakeDns {
  readonly port: number;
  readonly asked: string[];
  readonly ports: Set<number>;
  readonly byTcp: string[];
}

function encode(query: packet.Packet, reply: Reply): Buffer {
  const { rcode = 0, flags = 0, ...rest } = reply;
  return packet.encode({
    type: 'response',
    ...(query.id !== undefined && { id: query.id }),
    flags: flags | packet.RECURSION_AVAILABLE | rcode,
    ...(query.questions && { questions: query.questions }),
    ...rest,
  });
}

async function fakeDns(answering: Answering, tcp?: Answering): Promise<FakeDns> {
  const udp = createSocket('udp4');
  const fake = { port: 0, asked: [] as string[], ports: new Set<number>(), byTcp: [] as string[] };
  udp.on('message', (octets, from) => {
    const query = packet.decode(octets);
    const q = query.questions?.[0];
    if (!q) return;
    fake.asked.push(`${q.type} ${q.name}`);
    fake.ports.add(from.port);
    const reply = answering(q, query);
    if (reply) udp.send(Buffer.isBuffer(reply) ? reply : encode(query, reply), from.port, from.address);
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  fake.port = udp.address().port;
  cleanups.push(() => void udp.close());
  if (!tcp) return fake;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (octets) => {
      const query = packet.decode(octets.subarray(2));
      const q = query.questions?.[0];
      const reply = q && tcp(q, query);
      if (!q || !reply) return;
      fake.byTcp.push(`${q.type} ${q.name}`);
      const message = Buffer.isBuffer(reply) ? reply : encode(query, reply);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(length);
      socket.write(message.subarray(0, 5));
      setImmediate(() => socket.write(message.subarray(5)));
    });
  });
  server.listen(fake.port, '127.0.0.1');
  await once(server, 'listening');
  assert.equal((server.address() as AddressInfo).port, fake.port);
  cleanups.push(() => void server.close());
  return fake;
}

/** `timeout` is short only where a server is silent: a slow machine must not fail a test. */
const resolver = (fakes: FakeDns | readonly FakeDns[], timeout = 5000) =>
  createResolver({
    servers: [fakes].flat().map(({ port }) => ({ host: '127.0.0.1', port })),
    clock: new SystemClock(),
    timeout,
  });

const mx = (name: string, preference: number, exchange: string, ttl = 60): packet.Answer => ({
  type: 'MX',
  name,
  ttl,
  data: { preference, exchange },
});
const a = (name: string, data: string, ttl = 60): packet.Answer => ({ type: 'A', name, ttl, data });
const soa = (ttl: number, minimum: number): packet.Answer => ({
  type: 'SOA',
  name: 'test',
  ttl,
  data: { mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

describe('answers', () => {
  test('MX records come in lower case without trailing dots; the null MX is an empty name', async () => {
    const fake = await fakeDns((q) =>
      q.name === 'null.test'
        ? { answers: [mx('null.test', 0, '.')] }
        : { answers: [mx('Acme.Test', 10, 'MX1.Acme.test'), mx('acme.test', 20, 'mx2.acme.test')] },
    );
    const r = resolver(fake);
    assert.deepEqual(await r.mx('ACME.test.'), {
      kind: 'found',
      records: [
        { preference: 10, exchange: 'mx1.acme.test' },
        { preference: 20, exchange: 'mx2.acme.test' },
      ],
      ttl: 60,
    });
    const none = await r.mx('null.test');
    assert.deepEqual(none.kind === 'found' && none.records, [{ preference: 0, exchange: '' }]);
  });

  test('addresses of both families come together in canonical form', async () => {
    const fake = await fakeDns((q) =>
      q.type === 'A'
        ? { answers: [a(q.name, '192.0.2.1', 100)] }
        : { answers: [{ type: 'AAAA', name: q.name, ttl: 50, data: '2001:DB8:0:0:0:0:0:1' }] },
    );
    assert.deepEqual(await resolver(fake).addresses('mx.test'), {
      kind: 'found',
      records: ['192.0.2.1', '2001:db8::1'],
      ttl: 50,
    });
  });

  test('one family is enough, even when the other one fails', async () => {
    const fake = await fakeDns((q) =>
      q.type === 'A' ? { answers: [a(q.name, '192.0.2.1')] } : { rcode: 2 },
    );
    assert.equal((await resolver(fake).addresses('mx.test')).kind, 'found');
    const half = await fakeDns((q) => (q.type === 'A' ? {} : { rcode: 2 }));
    assert.equal((await resolver(half).addresses('mx.test')).kind, 'failed');
  });

  test('aliases are followed inside the answer, and circles end', async () => {
    const fake = await fakeDns((q) => ({
      answers:
        q.name === 'round.test'
          ? [
              { type: 'CNAME', name: 'round.test', ttl: 9, data: 'other.test' },
              { type: 'CNAME', name: 'other.test', ttl: 9, data: 'round.test' },
            ]
          : [
              { type: 'CNAME', name: q.name, ttl: 5, data: 'real.test' },
              mx('real.test', 1, 'mx.test', 100),
              mx('unasked.test', 0, 'evil.test', 100),
            ],
    }));
    const r = resolver(fake);
    assert.deepEqual(await r.mx('alias.test'), {
      kind: 'found',
      records: [{ preference: 1, exchange: 'mx.test' }],
      ttl: 5,
    });
    assert.equal((await r.mx('round.test')).kind, 'failed');
  });

  test('no such name, no such record and no answer are told apart', async () => {
    const fake = await fakeDns((q) =>
      q.name === 'no.test' ? { rcode: 3 } : q.name === 'empty.test' ? {} : { rcode: 2 },
    );
    const r = resolver(fake);
    assert.equal((await r.mx('no.test')).kind, 'nxdomain');
    assert.equal((await r.mx('empty.test')).kind, 'nodata');
    const failed = await r.mx('bad.test');
    assert.match(failed.kind === 'failed' ? failed.why : '', /SERVFAIL/);
  });

  test('localhost and literals answer themselves; what cannot be a name does not exist', async () => {
    const fake = await fakeDns(() => null);
    const r = resolver(fake);
    const records = async (host: string) => {
      const got = await r.addresses(host);
      return got.kind === 'found' ? got.records : got.kind;
    };
    assert.deepEqual(await records('localhost'), ['127.0.0.1', '::1']);
    assert.deepEqual(await records('192.0.2.7'), ['192.0.2.7']);
    assert.deepEqual(await records('::FFFF:192.0.2.7'), ['192.0.2.7']);
    assert.deepEqual(await records('[IPv6:2001:DB8::0]'), ['2001:db8::']);
    assert.deepEqual(await records('a..b'), 'nxdomain');
    assert.deepEqual(await records(`${'x'.repeat(64)}.test`), 'nxdomain');
    assert.deepEqual(fake.asked, []);
  });
});

describe('servers', () => {
  test('the next one is asked when one is silent, refuses, or lies about the question', async () => {
    const silent = await fakeDns(() => null);
    const refusing = await fakeDns(() => ({ rcode: 5 }));
    const lying = await fakeDns(() => ({
      questions: [{ type: 'MX', name: 'other.test' }],
      answers: [mx('acme.test', 0, 'evil.test')],
    }));
    const good = await fakeDns(() => ({ answers: [mx('acme.test', 1, 'mx.test')] }));
    const got = await resolver([silent, refusing, lying, good], 300).mx('acme.test');
    assert.deepEqual(got.kind === 'found' && got.records, [{ preference: 1, exchange: 'mx.test' }]);
  });

  test('an answer with another id, or rubbish, is not one', async () => {
    let n = 0;
    const fake = await fakeDns((_q, query) => {
      n++;
      if (n === 1)
        return encode(
          { ...query, id: ((query.id ?? 0) + 1) & 0xffff },
          { answers: [mx('acme.test', 0, 'evil.test')] },
        );
      return Buffer.from('rubbish');
    });
    assert.equal((await resolver(fake, 60).mx('acme.test')).kind, 'failed');
    assert.equal(fake.asked.length, 2);
    assert.equal(fake.ports.size, 2);
  });

  test('all silent: failed after two rounds, and asked anew soon', async () => {
    const fake = await fakeDns(() => null);
    assert.equal((await resolver(fake, 60).mx('acme.test')).kind, 'failed');
    assert.equal(fake.asked.length, 2);
    assert.equal(
      (await createResolver({ servers: [], clock: new SystemClock() }).mx('x.test')).kind,
      'failed',
    );
  });

  test('a truncated answer is asked for again by TCP', async () => {
    const many = Array.from({ length: 90 }, (_, i) => mx('acme.test', i, `mx${i}.a-rather-long-name.test`));
    const fake = await fakeDns(
      () => ({ flags: packet.TRUNCATED_RESPONSE }),
      () => ({ answers: many }),
    );
    const got = await resolver(fake).mx('acme.test');
    assert.equal(got.kind === 'found' && got.records.length, 90);
    assert.deepEqual(fake.byTcp, ['MX acme.test']);
  });

  test('a server that knows no EDNS is asked without it', async () => {
    const fake = await fakeDns((_q, query) =>
      query.additionals?.length ? { rcode: 1 } : { answers: [mx('acme.test', 1, 'mx.test')] },
    );
    assert.equal((await resolver(fake).mx('acme.test')).kind, 'found');
  });
});

describe('the cache', () => {
  async function cached(answering: Answering) {
    const fake = await fakeDns(answering);
    const clock = new SimClock();
    const r = createResolver({ servers: [{ host: '127.0.0.1', port: fake.port }], clock });
    return { fake, clock, r };
  }

  test('keeps an answer for its TTL, at most an hour', async () => {
    const { fake, clock, r } = await cached((q) => ({
      answers: [mx(q.name, 1, 'mx.test', q.name === 'long.test' ? 999999 : 10)],
    }));
    await r.mx('short.test');
    await clock.advance(9_000);
    const again = await r.mx('short.test');
    assert.equal(again.kind === 'found' && again.ttl, 1);
    assert.equal(fake.asked.length, 1);
    await clock.advance(2_000);
    await r.mx('short.test');
    assert.equal(fake.asked.length, 2);
    await r.mx('long.test');
    await clock.advance(3_601_000);
    await r.mx('long.test');
    assert.equal(fake.asked.length, 4);
  });

  test('keeps a no as long as the zone says, at most five minutes; a failure for seconds', async () => {
    const { fake, clock, r } = await cached((q) =>
      q.name === 'bad.test'
        ? { rcode: 2 }
        : { rcode: 3, authorities: [soa(9999, q.name === 'brief.test' ? 20 : 9999)] },
    );
    const asks = async (name: string) => {
      const before = fake.asked.length;
      await r.mx(name);
      return fake.asked.length - before;
    };
    assert.equal(await asks('brief.test'), 1);
    assert.equal(await asks('no.test'), 1);
    await clock.advance(19_000);
    assert.equal(await asks('brief.test'), 0);
    await clock.advance(2_000);
    assert.equal(await asks('brief.test'), 1);
    assert.equal(await asks('no.test'), 0);
    await clock.advance(300_000);
    assert.equal(await asks('no.test'), 1);
    assert.equal(await asks('bad.test'), 2);
    assert.equal(await asks('bad.test'), 0);
    await clock.advance(4_000);
    assert.equal(await asks('bad.test'), 2);
  });

  test('the same question at the same time goes out once', async () => {
    const { fake, r } = await cached((q) => ({ answers: [mx(q.name, 1, 'mx.test', 0)] }));
    await Promise.all(Array.from({ length: 20 }, () => r.mx('acme.test')));
    assert.equal(fake.asked.length, 1);
    await r.mx('acme.test');
    assert.equal(fake.asked.length, 2);
  });

  test('many different questions get their turn', async () => {
    const { r } = await cached((q) => ({ answers: [mx(q.name, 1, 'mx.test')] }));
    const got = await Promise.all(Array.from({ length: 500 }, (_, i) => r.mx(`d${i}.test`)));
    assert.ok(got.every((g) => g.kind === 'found'));
  });
});

test('names are checked before they are asked', () => {
  assert.ok(isAskable('a.test') && isAskable('_smtp.x'));
  assert.ok(
    !isAskable('') &&
      !isAskable('a b') &&
      !isAskable('a.') &&
      !isAskable('ü.test') &&
      !isAskable('a.'.repeat(130)),
  );
});

test('what only looks like an address is none', () => {
  assert.deepEqual(
    ['1', '0x7f.1', '1.2.3', '1.2.3.4.5', 'a:b', '999.1.1.1'].map(canonicalAddress),
    new Array(6).fill(null),
  );
});

test('the servers of the system are addresses with ports', () => {
  for (const { host, port } of systemServers()) assert.ok(canonicalAddress(host) && port > 0);
});
