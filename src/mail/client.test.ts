import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientOf } from './client.ts';
import type { Origin } from './envelope.ts';

type Received = Origin & { kind: 'received' };
const received = (more: Partial<Received> = {}): Received => ({
  kind: 'received',
  peer: '192.0.2.7',
  helo: 'mail.example',
  protocol: 'ESMTPS',
  ...more,
});

describe('the client that gave us a mail', () => {
  test('is the peer', () => {
    const client = { address: '192.0.2.7', helo: 'mail.example', esmtp: true };
    assert.deepEqual(clientOf(received()), client);
    assert.deepEqual(clientOf(received({ name: 'a.example' })), { ...client, name: 'a.example' });
    assert.equal(clientOf(received({ protocol: 'SMTP' }))?.esmtp, false);
  });

  test('is whom a front of ours named by XFORWARD, with nothing of the front', () => {
    const name = 'front.example';
    const told = (forwarded: Record<string, string>) => clientOf(received({ name, forwarded }));
    assert.deepEqual(told({ addr: 'IPV6:2001:db8::7', helo: 'far.example', proto: 'SMTP' }), {
      address: '2001:db8::7',
      helo: 'far.example',
      esmtp: false,
    });
    assert.deepEqual(told({ addr: '192.0.2.9', name: 'far.example' }), {
      address: '192.0.2.9',
      name: 'far.example',
      helo: '',
      esmtp: true,
    });
    assert.equal(told({ helo: 'far.example' })?.address, '192.0.2.7');
    for (const addr of ['far.example', '2001:db8::1%eth0', '10.0.0.1', 'IPV6:::ffff:127.0.0.1']) {
      assert.equal(told({ addr }), null, addr);
    }
  });

  test('is none for what is our own: notices, couriers, mail of sites that send through us, and who is another host elsewhere', () => {
    assert.equal(clientOf({ kind: 'notice', about: 'm1' }), null);
    assert.equal(clientOf(received({ peer: 'leaf', protocol: 'UUCP' })), null);
    for (const peer of [
      '127.0.0.1',
      '::1',
      '10.1.2.3',
      '172.31.0.1',
      '192.168.1.1',
      '100.64.0.1',
      'fd00::1',
      'fe80::1',
    ]) {
      assert.equal(clientOf(received({ peer })), null, peer);
    }
    for (const peer of ['172.32.0.1', '100.128.0.1', '2001:db8::1'])
      assert.ok(clientOf(received({ peer })), peer);
    assert.equal(clientOf(received({ sends: 'acme' })), null);
  });
});
