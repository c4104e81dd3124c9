import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildReceived, formatDate, type ReceivedFacts, receivedWith } from './received.ts';

const facts: ReceivedFacts = {
  helo: 'mail.sender.example',
  peer: '192.0.2.7',
  hostname: 'mx2.example.net',
  protocol: 'ESMTPS',
  tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
  id: 'k3m9x2',
  recipients: ['anna@acme.example'],
  key: 'secret',
  now: Date.UTC(2026, 0, 5, 12, 3, 4),
};
// Mostly ASCII with its controls, some of all the rest. (fast-check's own binary strings are slow to make.)
const anything = (maxLength: number) =>
  fc
    .array(fc.oneof({ weight: 4, arbitrary: fc.nat(0x7f) }, { weight: 1, arbitrary: fc.nat(0xffff) }), {
      maxLength,
    })
    .map((units) => String.fromCharCode(...units));
const unfolded = (f: ReceivedFacts): string => buildReceived(f).toString('utf8').replaceAll('\r\n\t', ' ');

describe('our Received field', () => {
  test('has every clause of RFC 5321 §4.4', () => {
    assert.match(
      unfolded(facts),
      /^Received: from mail\.sender\.example \(unknown \[192\.0\.2\.7\]\) by mx2\.example\.net \(Restante [\w-]{4}\) with ESMTPS \(TLSv1\.3 TLS_AES_256_GCM_SHA384\) id k3m9x2 for <anna@acme\.example>; Mon, 05 Jan 2026 12:03:04 \+0000\r\n$/,
    );
  });

  test('writes IPv6 literals with their tag and a verified name instead of unknown', () => {
    assert.match(
      unfolded({ ...facts, peer: '2001:db8::1', rdns: 'm.example' }),
      /\(m\.example \[IPv6:2001:db8::1\]\)/,
    );
  });

  test('names no recipient when there are several', () => {
    const field = unfolded({ ...facts, recipients: ['anna@acme.example', 'otto@acme.example'] });
    assert.doesNotMatch(field, /anna|otto| for /);
    assert.match(field, /\(Restante [\w-]{4} [\w-]{4}\)/);
  });

  test('has no for clause where the address is no path or could not stand in a header', () => {
    for (const odd of ['postmaster', '"a b"@acme.example', '"a>b"@acme.example']) {
      assert.doesNotMatch(unfolded({ ...facts, recipients: [odd] }), / for /, odd);
    }
  });

  test('keeps a HELO that is a literal, turns a U-label into an A-label', () => {
    assert.match(unfolded({ ...facts, helo: '[192.0.2.7]' }), /from \[192\.0\.2\.7\] /);
    assert.match(unfolded({ ...facts, helo: 'bücher.example' }), /from xn--bcher-kva\.example /);
  });

  test('cannot be broken out of by HELO, name or recipient, and is folded', () => {
    fc.assert(
      fc.property(anything(60), anything(40), anything(80), (helo, rdns, local) => {
        const field = buildReceived({ ...facts, helo, rdns, recipients: [`${local}@b.example`] });
        const text = field.toString('utf8');
        assert.match(text, /^Received: [^\r\n]+(\r\n\t[^\r\n]+)*\r\n$/);
        assert.equal(text.match(/;/g)?.length, 1 + (text.match(/<[^>]*;/) ? local.split(';').length - 1 : 0));
        assert.doesNotMatch(text, /\0/);
        for (const line of text.split('\r\n')) {
          assert.ok(line.length <= 78 || !line.trim().includes(' '), `too long: ${line}`);
        }
      }),
    );
  });

  test('with: the names of RFC 3848 and RFC 6531', () => {
    const how = { esmtp: true, tls: false, authenticated: false, smtputf8: false };
    assert.equal(receivedWith(how), 'ESMTP');
    assert.equal(receivedWith({ ...how, tls: true, authenticated: true }), 'ESMTPSA');
    assert.equal(receivedWith({ ...how, tls: true, smtputf8: true }), 'UTF8SMTPS');
    assert.equal(receivedWith({ ...how, esmtp: false, tls: true }), 'SMTP');
  });

  test('dates are those of RFC 5322, in UTC', () => {
    assert.equal(formatDate(0), 'Thu, 01 Jan 1970 00:00:00 +0000');
  });
});
