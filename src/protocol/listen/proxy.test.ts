import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { memoryPair } from '../../../test/support/smtp-pair.ts';
import { HEADER_DEADLINE, HEADER_LIMIT, parseProxy, readProxy } from './proxy.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const v1 = (text: string) => Buffer.from(text, 'latin1');
const v2 = (hex: string) => Buffer.from((SIGNATURE + hex).replaceAll(' ', ''), 'hex');

const IPV4 = '21 11 000c c6336407 c0000219 1267 0019';
const IPV6 = '21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000025 1267 0019';
const good: [name: string, octets: Buffer, ends: string | null][] = [
  ['1, IPv4', v1('PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n'), '198.51.100.7 4711 192.0.2.25 25'],
  ['1, IPv6', v1('PROXY TCP6 2001:DB8:0::7 2001:db8::25 4711 25\r\n'), '2001:db8::7 4711 2001:db8::25 25'],
  [
    '1, IPv4 in IPv6',
    v1('PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.25 1 25\r\n'),
    '198.51.100.7 1 192.0.2.25 25',
  ],
  ['1, unknown', v1('PROXY UNKNOWN\r\n'), null],
  ['1, unknown with more', v1(`PROXY UNKNOWN ${'f'.repeat(80)}\r\n`), null],
  ['2, IPv4', v2(IPV4), '198.51.100.7 4711 192.0.2.25 25'],
  ['2, IPv6', v2(IPV6), '2001:db8::7 4711 2001:db8::25 25'],
  [
    '2, TLVs',
    v2('21 11 0013 c6336407 c0000219 1267 0019 04 0004 00000000'),
    '198.51.100.7 4711 192.0.2.25 25',
  ],
  ['2, LOCAL', v2('20 00 0000'), null],
  ['2, LOCAL with addresses', v2('20 11 000c c6336407 c0000219 1267 0019'), null],
  ['2, unspecified', v2('21 00 0002 ffff'), null],
];

describe('a PROXY header', () => {
  for (const [name, octets, ends] of good) {
    test(`of version ${name}: is read, and nothing behind it, however it is cut`, () => {
      const whole = Buffer.concat([octets, Buffer.from('EHLO x\r\n')]);
      for (let cut = 0; cut < octets.length; cut++) {
        assert.equal(parseProxy(whole.subarray(0, cut)).kind, 'more', `${cut}`);
      }
      const header = parseProxy(whole);
      assert.ok(header.kind === 'header');
      assert.equal(header.length, octets.length);
      const { address, port, localAddress, localPort } = header.ends ?? {};
      assert.equal(header.ends && `${address} ${port} ${localAddress} ${localPort}`, ends);
    });
  }

  const bad: [name: string, octets: Buffer][] = [
    ['SMTP', v1('EHLO x\r\n')],
    ['lower case', v1('proxy TCP4 198.51.100.7 192.0.2.25 4711 25\r\n')],
    ['another family', v1('PROXY TCP4 2001:db8::7 192.0.2.25 4711 25\r\n')],
    ['a port too high', v1('PROXY TCP4 198.51.100.7 192.0.2.25 65536 25\r\n')],
    ['a port with a zero before it', v1('PROXY TCP4 198.51.100.7 192.0.2.25 025 25\r\n')],
    ['an address that is none', v1('PROXY TCP4 198.51.100 192.0.2.25 1 25\r\n')],
    ['a word more', v1('PROXY TCP4 198.51.100.7 192.0.2.25 4711 25 x\r\n')],
    ['no end', v1(`PROXY UNKNOWN ${'f'.repeat(200)}`)],
    ['an end too late', v1(`PROXY UNKNOWN ${'f'.repeat(100)}\r\n`)],
    ['version 3', v2('31 11 000c c6336407 c0000219 1267 0019')],
    ['an unknown command', v2('22 11 000c c6336407 c0000219 1267 0019')],
    ['UDP', v2('21 12 000c c6336407 c0000219 1267 0019')],
    ['a socket file', v2(`21 31 00d8 ${'00'.repeat(216)}`)],
    ['addresses too short', v2('21 11 000b c6336407 c0000219 1267 00')],
    ['too much', v2(`21 11 ${(HEADER_LIMIT - 15).toString(16).padStart(4, '0')}`)],
  ];
  for (const [name, octets] of bad) {
    test(`is none: ${name}`, () => assert.equal(parseProxy(octets).kind, 'bad'));
  }

  test('is waited for in all for five seconds, and its stream ends in order', async () => {
    const clock = new SimClock();
    const [near, far] = memoryPair();
    let why = '';
    void readProxy(far, clock).then((read) => void (why = read.kind === 'bad' ? read.why : 'read'));
    near.write('PROXY ');
    await clock.advance(HEADER_DEADLINE - 1);
    near.write('TCP4');
    await clock.settle();
    assert.equal(why, '');
    await clock.advance(1);
    assert.equal(why, 'no PROXY header in time');
    assert.equal(clock.armed, 0);
  });

  test('leaves what comes behind it in the stream', async () => {
    const clock = new SimClock();
    const [near, far] = memoryPair();
    const reading = readProxy(far, clock);
    near.write('PROXY UNKNOWN\r\nEHLO');
    assert.deepEqual(await reading, { kind: 'read', ends: null });
    let rest = '';
    far.on('data', (chunk: Buffer) => (rest += chunk.toString()));
    far.resume();
    near.write(' x\r\n');
    await clock.settle();
    assert.equal(rest, 'EHLO x\r\n');
    assert.equal(clock.armed, 0);
  });
});
