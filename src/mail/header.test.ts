import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HEADER_SCAN_LIMIT, HeaderCollector, passesOf, scanHeader } from './header.ts';
import { buildReceived, recipientTag } from './received.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
const ours = (...recipients: string[]): string =>
  buildReceived({
    helo: 'a.example',
    peer: '192.0.2.1',
    hostname: 'mx2.example.net',
    protocol: 'ESMTP',
    id: 'x1',
    recipients,
    key: 'secret',
    now: 0,
  }).toString('latin1');

describe('the header scan', () => {
  test('counts Received fields, in any case, folded or with a space before the colon', () => {
    const scan = scanHeader(
      bytes('Received: a\r\n\tb\r\nRECEIVED: c\r\nreceived : d\r\nX-Received: e\r\n\r\nReceived: f\r\n'),
    );
    assert.equal(scan.received, 3);
  });

  test('ends at the first empty line, also when that is the first line', () => {
    assert.equal(scanHeader(bytes('A: b\r\n\r\nbody')).end, 8);
    assert.equal(scanHeader(bytes('\r\nReceived: x\r\n')).end, 2);
    assert.equal(scanHeader(bytes('\r\nReceived: x\r\n')).received, 0);
    assert.equal(scanHeader(bytes('A: b\r\n')).end, null);
  });

  test('tells how often a recipient passed us, one of many or alone, and nobody else', () => {
    const many = Array.from({ length: 40 }, (_, i) => `user${i}@site.example`);
    const scan = scanHeader(bytes(`${ours(...many)}${ours('user7@site.example')}Subject: x\r\n\r\n`));
    assert.equal(scan.received, 2);
    assert.equal(passesOf(scan, recipientTag('secret', 'User7@SITE.example')), 2);
    assert.equal(passesOf(scan, recipientTag('secret', 'user8@site.example')), 1);
    assert.equal(passesOf(scan, recipientTag('secret', 'other@site.example')), 0);
    assert.equal(passesOf(scan, recipientTag('another', 'user7@site.example')), 0);
  });

  test('tells ASCII from UTF-8 from anything else, and looks at the header only', () => {
    assert.equal(scanHeader(bytes('A: b\r\n\r\nä')).charset, 'ascii');
    assert.equal(scanHeader(bytes('A: ä\r\n\r\n')).charset, 'utf8');
    assert.equal(scanHeader(Buffer.from('A: \xe4\r\n\r\n', 'latin1')).charset, 'other');
  });

  test('stops at its bound', () => {
    const line = 'X: y\r\n';
    const scan = scanHeader(bytes(`${line.repeat(HEADER_SCAN_LIMIT / line.length + 1)}Received: x\r\n\r\n`));
    assert.deepEqual([scan.end, scan.received], [null, 0]);
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => scanHeader(b).received >= 0));
  });

  test('gathers a header out of chunks, however it is cut', () => {
    const mail = bytes(`${ours('a@b.example')}Subject: x\r\n\r\nbody\r\n\r\nmore`);
    fc.assert(
      fc.property(fc.array(fc.nat(mail.length), { maxLength: 12 }), (cuts) => {
        const collector = new HeaderCollector();
        let wanted = true;
        const points = [0, ...cuts.sort((a, b) => a - b), mail.length];
        for (let i = 1; i < points.length && wanted; i++) {
          wanted = collector.add(mail.subarray(points[i - 1], points[i]));
        }
        assert.equal(wanted, false);
        assert.deepEqual(collector.scan(), scanHeader(mail));
      }),
    );
  });

  test('a collector of a mail without a header is satisfied at once', () => {
    const collector = new HeaderCollector();
    assert.equal(collector.add(bytes('\r')), true);
    assert.equal(collector.add(bytes('\nbody')), false);
    assert.equal(collector.scan().end, 2);
  });
});
