import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { engineOptions } from '../../../test/support/smtp-engine.ts';
import { TestSession } from '../../../test/support/smtp-session.ts';
import { TestClient } from '../../../test/support/smtp-transcript.ts';
import { SystemClock } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import type { Peer } from '../engine.ts';
import { createSmtpServer } from '../smtp/server/server.ts';
import { clientKey, plainAddress } from './address.ts';
import { type ListenAddress, type Listeners, type ListenOptions, listen } from './listen.ts';

const opened: { stop(grace: number): Promise<void> }[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listeners of opened.splice(0)) await listeners.stop(0);
});

async function open(options: Partial<ListenOptions> = {}) {
  const peers: Peer[] = [];
  const sessions: TestSession[] = [];
  const listeners = await listen({
    at: [{ host: '127.0.0.1', port: 0 }],
    engine: createSmtpServer(() => ({
      ...engineOptions(new TestSession()),
      openSession: (peer) => {
        const session = new TestSession();
        peers.push(peer);
        sessions.push(session);
        return session;
      },
    })),
    connections: 10,
    perClient: 10,
    isPeer: () => false,
    clock: new SystemClock(),
    log: silent,
    ...options,
  });
  assert.ok(listeners.kind === 'listening');
  opened.push(listeners);
  return { listeners, peers, sessions };
}

function dial(listeners: Listeners, host = '127.0.0.1', which = 0): TestClient {
  const socket = connect(listeners.bound[which]?.port ?? 0, host);
  sockets.push(socket);
  return new TestClient(socket);
}

describe('listeners', () => {
  test('refuse with 421 what is over the total, and take again when one has gone', async () => {
    const { listeners } = await open({ connections: 2 });
    const first = dial(listeners);
    const second = dial(listeners);
    assert.match(await first.reply(), /^220/);
    assert.match(await second.reply(), /^220/);
    const third = dial(listeners);
    assert.match(await third.reply(), /^421 4\.7\.0/);
    assert.equal(await third.remains(), '');
    await first.send('QUIT\r\n');
    assert.match(await first.reply(), /^221/);
    first.end();
    await first.remains();
    while (listeners.connections > 1) await new Promise((wake) => setTimeout(wake, 1));
    assert.match(await dial(listeners).reply(), /^220/);
  });

  test('refuse what is over the number of one client, and take others', async () => {
    const { listeners } = await open({ perClient: 1 });
    assert.match(await dial(listeners).reply(), /^220/);
    assert.match(await dial(listeners).reply(), /^421/);
    const socket = connect({
      port: listeners.bound[0]?.port ?? 0,
      host: '127.0.0.1',
      localAddress: '127.0.0.2',
    });
    sockets.push(socket);
    assert.match(await new TestClient(socket).reply(), /^220/);
  });

  test('count no connections of a fellow secondary', async () => {
    const { listeners } = await open({ perClient: 1, isPeer: (address) => address === '127.0.0.1' });
    assert.match(await dial(listeners).reply(), /^220/);
    assert.match(await dial(listeners).reply(), /^220/);
  });

  test('take IPv6, and show IPv4 on a double listener as IPv4', async () => {
    const at: ListenAddress[] = [{ host: '::', port: 0 }];
    const { listeners, peers } = await open({ at });
    await dial(listeners, '127.0.0.1').reply();
    await dial(listeners, '::1').reply();
    assert.deepEqual(
      peers.map((p) => [p.address, p.localAddress]),
      [
        ['127.0.0.1', '127.0.0.1'],
        ['::1', '::1'],
      ],
    );
  });

  test('for both families stand side by side on one port', async () => {
    const { listeners } = await open();
    const port = listeners.bound[0]?.port ?? 0;
    await listeners.stop(0);
    const both = await open({
      at: [
        { host: '0.0.0.0', port },
        { host: '::', port },
      ],
    });
    assert.equal(both.listeners.bound.length, 2);
    assert.match(await dial(both.listeners, '::1', 1).reply(), /^220/);
    assert.match(await dial(both.listeners, '127.0.0.1', 0).reply(), /^220/);
  });

  test('say which address cannot be had, and leave nothing open', async () => {
    const { listeners } = await open();
    const port = listeners.bound[0]?.port ?? 0;
    const failed = await listen({
      at: [
        { host: '127.0.0.2', port },
        { host: '127.0.0.1', port },
      ],
      engine: createSmtpServer(() => engineOptions(new TestSession())),
      connections: 1,
      perClient: 1,
      isPeer: () => false,
      clock: new SystemClock(),
      log: silent,
    });
    assert.ok(failed.kind === 'failed');
    assert.equal(failed.at.host, '127.0.0.1');
    const socket = connect(port, '127.0.0.2');
    sockets.push(socket);
    await new Promise<void>((refused) => socket.once('error', () => refused()));
  });

  test('stop: no new ones, idle ones 421, mail under way ends, the rest is cut at the deadline', async () => {
    const { listeners, sessions } = await open();
    const port = listeners.bound[0]?.port ?? 0;
    const idle = dial(listeners);
    await idle.reply();
    const busy = dial(listeners);
    await busy.reply();
    const stuck = dial(listeners);
    await stuck.reply();
    for (const client of [busy, stuck]) {
      await client.send('HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n');
      for (let i = 0; i < 4; i++) await client.reply();
    }
    const stopped = listeners.stop(300);
    assert.match(await idle.reply(), /^421 4\.3\.2/);
    idle.end();
    const late = connect(port, '127.0.0.1');
    sockets.push(late);
    await new Promise<void>((refused) => late.once('error', () => refused()));
    await busy.send('x\r\n.\r\n');
    assert.match(await busy.reply(), /^250 2\.0\.0 Kept/);
    assert.match(await busy.reply(), /^421 4\.3\.2/);
    busy.end();
    await stopped;
    assert.equal(listeners.connections, 0);
    assert.deepEqual(
      sessions.map((s) => s.kept.length),
      [0, 1, 0],
    );
    assert.ok(sessions.every((s) => s.calls.at(-1) === 'closed'));
  });
});

describe('addresses', () => {
  test('mapped ones are IPv4, zones are dropped', () => {
    assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
    assert.equal(plainAddress('2001:DB8:0::1'), '2001:db8::1');
  });

  test('one IPv6 /64 is one client', () => {
    assert.equal(clientKey('2001:db8::1'), clientKey('2001:db8::ffff:1'));
    assert.notEqual(clientKey('2001:db8::1'), clientKey('2001:db8:0:1::1'));
    assert.notEqual(clientKey('192.0.2.1'), clientKey('192.0.2.2'));
  });
});

describe('a declared proxy', () => {
  const isProxy = (address: string) => address === '127.0.0.1';

  test('tells who its client is, and what follows its header is the dialog', async () => {
    const { listeners, peers } = await open({ isProxy });
    const client = dial(listeners);
    await client.send('PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n');
    assert.match(await client.reply(), /^220/);
    await client.send('EHLO x.example\r\n');
    assert.match(await client.reply(), /^250/);
    const via = { by: 'PROXY', address: '127.0.0.1' };
    const ends = { address: '198.51.100.7', port: 4711, localAddress: '192.0.2.25', localPort: 25 };
    assert.deepEqual(peers, [{ ...ends, via }]);
  });

  test('speaks for itself with LOCAL', async () => {
    const { listeners, peers } = await open({ isProxy });
    const client = dial(listeners);
    await client.send('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0');
    assert.match(await client.reply(), /^220/);
    assert.equal(peers[0]?.address, '127.0.0.1');
    assert.equal(peers[0]?.via, undefined);
  });

  test('without a header is closed unheard; it counts by its client', async () => {
    const { listeners, peers } = await open({ isProxy, perClient: 1 });
    const bad = dial(listeners);
    await bad.send('EHLO x.example\r\n');
    assert.equal(await bad.remains(), '');
    assert.equal(peers.length, 0);
    for (const [address, said] of [
      ['198.51.100.7', /^220/],
      ['198.51.100.8', /^220/],
      ['198.51.100.7', /^421/],
    ] as const) {
      const client = dial(listeners);
      await client.send(`PROXY TCP4 ${address} 192.0.2.25 4711 25\r\n`);
      assert.match(await client.reply(), said);
    }
  });

  test('that says nothing does not hold up a stop', async () => {
    const { listeners } = await open({ isProxy });
    const silent = dial(listeners);
    await new Promise((wake) => setTimeout(wake, 20));
    await listeners.stop(0);
    assert.equal(await silent.remains(), '');
  });

  test('is nobody else', async () => {
    const { listeners } = await open({ isProxy: () => false });
    const client = dial(listeners);
    assert.match(await client.reply(), /^220/);
    await client.send('PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n');
    assert.match(await client.reply(), /^500/);
  });
});
