import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConductHouse, SITE } from '../../../test/support/conduct-house.ts';

const NONE = 'greeting_delay: none';

async function said(helo: string, mode = 'usual', address = '198.51.100.7', more = {}): Promise<string> {
  const house = new ConductHouse(`${NONE}\nhelo: "${mode}"`);
  house.names.set('there.example', { kind: 'found', records: ['192.0.2.77'], ttl: 60 });
  house.names.set('mail.example', { kind: 'nodata' });
  house.exchangers.add('mail.example');
  house.names.set('empty.example', { kind: 'nodata' });
  house.names.set('broken.example', { kind: 'failed', why: 'timeout' });
  house.primaries.add('203.0.113.1');
  const client = house.come(address, more);
  client.helo = helo;
  const answer = await client.send();
  return [answer, ...client.marks].join(', ');
}

describe('HELO', () => {
  const TABLE: [helo: string, usual: string, strict: string][] = [
    // RFC 5321 §4.1.4: what does not match is no reason.
    ['there.example', 'ok', 'ok'],
    ['there.example.', 'ok', 'ok'],
    ['[198.51.100.7]', 'ok', 'ok'],
    ['nowhere.example', 'ok', '450 4.7.1'],
    ['broken.example', 'ok', 'ok'],
    // A domain of mail only.
    ['mail.example', 'ok', 'ok'],
    ['empty.example', 'ok', '450 4.7.1'],
    ['under_score.example', 'ok', '450 4.7.1'],
    // Odd, and let pass.
    ['localhost', 'ok, helo: no full host name', '450 4.7.1, helo: no full host name'],
    [
      '198.51.100.7',
      'ok, helo: its address without brackets or tag',
      'ok, helo: its address without brackets or tag',
    ],
    ['[10.0.0.5]', 'ok, helo: a private address', 'ok, helo: a private address'],
    // Lies.
    ['mx2.example.net', '550 5.7.1, helo: our own name', '550 5.7.1, helo: our own name'],
    ['MX2.Example.NET.', '550 5.7.1, helo: our own name', '550 5.7.1, helo: our own name'],
    ['[203.0.113.9]', '550 5.7.1, helo: our own address', '550 5.7.1, helo: our own address'],
    ['203.0.113.9', '550 5.7.1, helo: our own address', '550 5.7.1, helo: our own address'],
    ['[IPv6:::ffff:203.0.113.9]', '550 5.7.1, helo: our own address', '550 5.7.1, helo: our own address'],
    // Against the syntax.
    [
      '8.8.8.8',
      '450 4.7.1, helo: an address without brackets',
      '550 5.7.1, helo: an address without brackets',
    ],
    ['[8.8.8.8]', "450 4.7.1, helo: another's address", "550 5.7.1, helo: another's address"],
    ['[8.8.8]', '450 4.7.1, helo: no valid address literal', '550 5.7.1, helo: no valid address literal'],
    ['[]', '450 4.7.1, helo: no valid address literal', '550 5.7.1, helo: no valid address literal'],
    ['8.8.8', '450 4.7.1, helo: no host name', '550 5.7.1, helo: no host name'],
    ['a b', '450 4.7.1, helo: no host name', '550 5.7.1, helo: no host name'],
    ['a..b', '450 4.7.1, helo: no host name', '550 5.7.1, helo: no host name'],
    ['<script>', '450 4.7.1, helo: no host name', '550 5.7.1, helo: no host name'],
    ['bücher.example', '450 4.7.1, helo: no host name', '550 5.7.1, helo: no host name'],
  ];
  for (const [helo, usual, strict] of TABLE) {
    test(`${helo}: ${usual}`, async () => {
      assert.equal(await said(helo), usual);
      assert.equal(await said(helo, 'strict'), strict);
      const [, ...marks] = usual.split(', ');
      assert.equal(await said(helo, 'off'), ['ok', ...marks].join(', '));
    });
  }

  test('an IPv6 address has a tag before it', async () => {
    assert.equal(await said('[IPv6:2001:DB8:0::7]', 'usual', '2001:db8::7'), 'ok');
    const untagged = 'ok, helo: its address without brackets or tag';
    assert.equal(await said('[2001:db8::7]', 'usual', '2001:db8::7'), untagged);
  });

  test('the address that it connected to is ours if it is a public one', async () => {
    const literal = (localAddress: string) =>
      said(`[${localAddress}]`, 'usual', '198.51.100.7', { localAddress });
    assert.equal(await literal('8.8.4.4'), '550 5.7.1, helo: our own address');
    assert.equal(await literal('10.0.0.25'), 'ok, helo: a private address');
  });

  test('is nobody else’s business: peers, this machine, primaries, hosts of ours', async () => {
    assert.equal(await said('mx2.example.net', 'usual', '198.51.100.7', { trusted: true }), 'ok');
    for (const address of ['127.0.0.1', '203.0.113.1', '203.0.113.9', '192.0.2.25']) {
      assert.equal(await said('mx2.example.net', 'usual', address), 'ok');
    }
  });

  test('keeps nobody from a postmaster, and nobody who has logged in', async () => {
    const client = new ConductHouse(NONE).come('198.51.100.7');
    client.helo = 'mx2.example.net';
    await client.mail();
    assert.equal(await client.rcpt('postmaster@acme.example', SITE, true), 'ok');
    assert.equal(await client.rcpt(), '550 5.7.1');
    assert.equal(client.why, 'helo mx2.example.net: our own name');
    assert.equal(await client.send('a@acme.example', { login: true }), 'ok');
  });

  test('counts as it was said last', async () => {
    const client = new ConductHouse(NONE).come('198.51.100.7');
    client.helo = '8.8.8.8';
    assert.equal(await client.send(), '450 4.7.1');
    client.helo = 'there.example';
    assert.equal(await client.send(), 'ok');
  });
});
