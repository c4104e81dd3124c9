import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClientName } from '../../../dns/client-name.ts';
import type { Client } from '../../../mail/client.ts';
import { reply } from '../../../mail/reply.ts';
import { helloOf, offersXclient, xclientLines, xforwardLines } from './attributes.ts';
import { type Offer, offerOf } from './open.ts';

const offer = (...lines: string[]): Offer => offerOf(reply(250, undefined, 'primary.test', ...lines), true);
const ALL = offer(
  'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT',
  'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE',
);
const NONE: ClientName = { kind: 'none' };
const client = (more: Partial<Client> = {}): Client => ({
  address: '192.0.2.7',
  helo: 'mail.example',
  esmtp: true,
  ...more,
});

describe('XCLIENT', () => {
  test('tells all that it may, the address last; what is ours alone is unavailable', () => {
    assert.deepEqual(xclientLines(ALL, client(), { kind: 'found', name: 'a.example' }), [
      'XCLIENT HELO=mail.example PROTO=ESMTP LOGIN=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=a.example ADDR=192.0.2.7',
    ]);
  });

  test('tells only what is listed, in any case', () => {
    const few = offer('XCLIENT name addr');
    assert.deepEqual(xclientLines(few, client({ address: '2001:db8::7' }), NONE), [
      'XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7',
    ]);
    assert.deepEqual(xclientLines(few, client(), { kind: 'failed' }), [
      'XCLIENT NAME=[TEMPUNAVAIL] ADDR=192.0.2.7',
    ]);
    assert.ok(offersXclient(few));
    assert.ok(!offersXclient(offer('XCLIENT NAME HELO')));
    assert.ok(!offersXclient(offer('XFORWARD NAME ADDR')));
  });

  test('values are xtext; what servers would not take is unavailable', () => {
    const helo = (text: string) => xclientLines(offer('XCLIENT HELO'), client({ helo: text }), NONE)[0];
    assert.equal(helo('a+b=c'), 'XCLIENT HELO=a+2Bb+3Dc');
    for (const text of ['', 'bücher', 'a b', 'a\tb', 'a\r\nMAIL FROM:<>', `${'+'.repeat(86)}`]) {
      assert.equal(helo(text), 'XCLIENT HELO=[UNAVAILABLE]', text);
    }
    assert.equal(helo('+'.repeat(85)), `XCLIENT HELO=${'+2B'.repeat(85)}`);
    const name = (text: string) =>
      xclientLines(offer('XCLIENT NAME'), client(), { kind: 'found', name: text })[0];
    assert.equal(name('a_b.1.example'), 'XCLIENT NAME=a_b.1.example');
    for (const text of ['a/b.example', 'a..b', '1234', `${'x'.repeat(64)}.example`]) {
      assert.equal(name(text), 'XCLIENT NAME=[UNAVAILABLE]', text);
    }
  });

  test('lines stay below 512 octets, and the address is in the last', () => {
    const long = `${`${'x'.repeat(62)}.`.repeat(4)}xy`;
    const lines = xclientLines(ALL, client({ helo: long }), { kind: 'found', name: long });
    assert.equal(lines.length, 2);
    assert.ok(lines.every((line) => line.startsWith('XCLIENT ') && line.length + 2 <= 512));
    assert.match(lines[1] ?? '', /^XCLIENT NAME=x+[.x]+y ADDR=192\.0\.2\.7$/);
    assert.match(lines[0] ?? '', /HELO=x/);
  });

  test('EHLO is said with his own name, or his address where he has none that can be said', () => {
    assert.equal(helloOf(client()), 'mail.example');
    for (const helo of ['', 'a b', 'bücher.example', 'a\r\nb', 'x'.repeat(256)]) {
      assert.equal(helloOf(client({ helo })), '[192.0.2.7]');
      assert.equal(helloOf(client({ helo, address: '2001:db8::7' })), '[IPv6:2001:db8::7]');
    }
  });
});

describe('XFORWARD', () => {
  test('tells of the client, and of the mail by its name here', () => {
    assert.deepEqual(xforwardLines(ALL, client({ name: 'a.example', esmtp: false }), 'm1'), [
      'XFORWARD NAME=a.example ADDR=192.0.2.7 PORT=[UNAVAILABLE] PROTO=SMTP HELO=mail.example IDENT=m1 SOURCE=REMOTE',
    ]);
  });

  test('of our own mail tells that there is no client, so that none of before is left', () => {
    assert.deepEqual(xforwardLines(offer('XFORWARD NAME ADDR PROTO HELO IDENT SOURCE'), null), [
      'XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] IDENT=[UNAVAILABLE] SOURCE=REMOTE',
    ]);
  });

  test('says nothing to a server that lists nothing', () => {
    assert.deepEqual(xforwardLines(offer('XFORWARD'), client()), []);
    assert.deepEqual(xforwardLines(offer('PIPELINING'), client()), []);
  });
});
