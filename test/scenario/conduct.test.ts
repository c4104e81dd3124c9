/**
 * Conduct through the engine and `receive`: what a stranger sees on the wire, and what the log says of it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SECOND } from '../../src/base/clock.ts';
import { openKeyed } from '../../src/base/keyed.ts';
import { networkSet } from '../../src/base/networks.ts';
import { conduct } from '../../src/policy/conduct/conduct.ts';
import { createSmtpServer } from '../../src/protocol/smtp/server/server.ts';
import { rulesOf } from '../support/conduct-house.ts';
import { SimClock } from '../support/sim-clock.ts';
import { memoryPair } from '../support/smtp-pair.ts';
import { TestClient } from '../support/smtp-transcript.ts';
import { HOSTNAME, House, makeSite, peerAt, SETTINGS } from './receive-harness.ts';

function world(lines: string) {
  const clock = new SimClock();
  const rules = rulesOf(lines);
  const checks = conduct({
    clock,
    rules: () => rules,
    allowed: networkSet(rules.allow),
    settings: () => SETTINGS,
    primaries: { sitesAt: () => [] },
    standings: { standing: () => undefined },
    resolver: { addresses: async () => ({ kind: 'nxdomain' }), mx: async () => ({ kind: 'nxdomain' }) },
    kept: openKeyed(':memory:').table('greylist'),
  });
  const { connectionLimits, greeting, helo, mailLimits, greylist } = checks;
  const order = [connectionLimits, greeting, helo, mailLimits, greylist];
  const house = new House([makeSite('acme', ['acme.example'])], {}, undefined, order);
  const engine = createSmtpServer(() => ({
    hostname: HOSTNAME,
    token: 'token',
    sizeLimit: 1e6,
    maxRecipients: 1000,
    isFront: (address) => address === '192.0.2.99',
    clock,
    log: {
      debug() {},
      info() {},
      warn() {},
      error: (...line) => assert.fail(String(line)),
      child: () => assert.fail(),
    },
    openSession: house.receiver,
  }));
  const call = (address: string) => {
    const [near, far] = memoryPair();
    engine.serve(far, peerAt(address));
    return new TestClient(near);
  };
  return { clock, house, call };
}

async function say(client: TestClient, line: string): Promise<string> {
  await client.send(`${line}\r\n`);
  return client.reply();
}

describe('a stranger', () => {
  test('is greeted after two seconds, and at once when he comes again with mail behind him', async () => {
    const { clock, house, call } = world('');
    const client = call('198.51.100.7');
    const greeting = client.reply();
    await clock.advance(2 * SECOND);
    assert.match(await greeting, /^220/);
    await say(client, 'EHLO sender.example');
    await say(client, 'MAIL FROM:<a@sender.example>');
    await say(client, 'RCPT TO:<joe@acme.example>');
    await say(client, 'DATA');
    assert.match(await say(client, 'Subject: x\r\n\r\nx\r\n.'), /^250 2\.0\.0/);
    assert.equal(house.spool.mails.length, 1);
    assert.match(await call('198.51.100.7').reply(), /^220/);
  });

  test('who pipelines before the greeting is refused before the first command is looked at', async () => {
    const { clock, house, call } = world('');
    const client = call('198.51.100.7');
    await clock.advance(SECOND);
    await client.send('EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<joe@acme.example>\r\nDATA\r\n');
    assert.match(await client.reply(), /^554 5\.5\.1/);
    assert.equal(await client.remains(), '');
    const [line] = house.logged('client refused');
    assert.equal(line?.why, 'it spoke before the greeting');
    assert.equal(line?.peer, '198.51.100.7');
  });

  test('who calls himself by our name is refused at RCPT, where the log has all of it, but reaches the postmaster', async () => {
    const { house, call } = world('greeting_delay: none');
    const client = call('198.51.100.7');
    await client.reply();
    assert.match(await say(client, `EHLO ${HOSTNAME}`), /^250/);
    assert.match(await say(client, 'MAIL FROM:<a@sender.example>'), /^250/);
    assert.match(await say(client, 'RCPT TO:<joe@acme.example>'), /^550 5\.7\.1/);
    assert.match(await say(client, 'RCPT TO:<postmaster@acme.example>'), /^250/);
    const [line] = house.logged('recipient refused');
    assert.deepEqual(
      [line?.sender, line?.recipient, line?.why],
      ['a@sender.example', 'joe@acme.example', `helo ${HOSTNAME}: our own name`],
    );
  });

  test('who comes too often hears 421 instead of the greeting', async () => {
    const { call } = world('greeting_delay: none\nlimits: { client: { connections: 2/m } }');
    assert.match(await call('198.51.100.7').reply(), /^220/);
    assert.match(await call('198.51.100.7').reply(), /^220/);
    const third = call('198.51.100.7');
    assert.match(await third.reply(), /^421 4\.7\.0/);
    assert.equal(await third.remains(), '');
  });

  test('behind a front is the one that is looked at; the front’s XFORWARD is written down', async () => {
    const { house, call } = world('greeting_delay: none\nlimits: { client: { connections: 1/m } }');
    const front = call('192.0.2.99');
    await front.reply();
    await say(front, 'EHLO front.example');
    assert.match(await say(front, `XCLIENT ADDR=198.51.100.7 HELO=${HOSTNAME}`), /^220/);
    await say(front, 'EHLO front.example');
    assert.match(await say(front, 'XFORWARD NAME=real.example ADDR=203.0.113.5 IDENT=Q1'), /^250/);
    await say(front, 'MAIL FROM:<a@sender.example>');
    assert.match(await say(front, 'RCPT TO:<joe@acme.example>'), /^550 5\.7\.1/);
    await say(front, 'RCPT TO:<postmaster@acme.example>');
    await say(front, 'DATA');
    assert.match(await say(front, 'Subject: x\r\n\r\nx\r\n.'), /^250/);
    // It has had its one connection.
    assert.match(await say(front, 'XCLIENT ADDR=198.51.100.7'), /^421 4\.7\.0/);
    const [held] = house.spool.mails;
    assert.match(held?.head ?? '', /\[198\.51\.100\.7\]/);
    const origin = held?.entries[0]?.origin;
    assert.ok(origin?.kind === 'received');
    assert.deepEqual(origin.forwarded, { name: 'real.example', addr: '203.0.113.5', ident: 'Q1' });
    assert.deepEqual(origin.marks, ['helo: our own name']);
    const vias = house.logged('connection').map((line) => line.via ?? '');
    assert.deepEqual(vias, ['', 'XCLIENT 192.0.2.99', 'XCLIENT 192.0.2.99']);
  });
});
