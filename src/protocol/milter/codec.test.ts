import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeAnswer } from './answer.ts';
import { agree, offer } from './options.ts';
import { encodePacket, LONGEST, type Packet, PacketReader, uint32 } from './packet.ts';

/** All packets of these octets, cut at these places. */
function read(octets: Buffer, cuts: readonly number[]): { packets: Packet[]; wrong: string | undefined } {
  const packets: Packet[] = [];
  const reader = new PacketReader();
  const places = [...new Set(cuts.map((cut) => cut % (octets.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, octets.length]) {
    const wrong = reader.push(Buffer.from(octets.subarray(from, to)), (packet) => packets.push(packet));
    if (wrong !== undefined) return { packets, wrong };
    from = to;
  }
  return { packets, wrong: undefined };
}

const answer = (code: string, ...parts: (string | Uint8Array)[]) => {
  const { packets } = read(encodePacket(code, ...parts), []);
  const [packet] = packets;
  return packet ? decodeAnswer(packet) : 'no packet';
};

describe('packets', () => {
  test('are the same however they are cut', () => {
    const packet = fc.tuple(fc.integer({ min: 0x20, max: 0x7e }), fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
        const octets = sent.map(([code, data]) => encodePacket(String.fromCharCode(code), data));
        const { packets, wrong } = read(Buffer.concat(octets), cuts);
        assert.equal(wrong, undefined);
        assert.deepEqual(
          packets.map(({ code, data }) => [code, [...data]]),
          sent.map(([code, data]) => [String.fromCharCode(code), [...data]]),
        );
      }),
    );
  });

  test('of no length, or of too much, are none', () => {
    assert.match(read(uint32(0), []).wrong ?? '', /without a code/);
    assert.match(read(uint32(LONGEST + 1), []).wrong ?? '', /octets; at most/);
    assert.match(read(Buffer.from('SSH-2.0-OpenSSH'), []).wrong ?? '', /octets; at most/);
    assert.equal(read(uint32(LONGEST), []).wrong, undefined);
  });

  test('a NUL in a text does not end it early', () => {
    assert.equal(encodePacket('H', 'a\0b').toString('latin1'), '\0\0\0\x04Hab\0');
  });
});

describe('answers', () => {
  test('whatever comes is an answer or a sentence', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 200 }), (code, data) => {
        const decoded = decodeAnswer({ code: String.fromCharCode(code), data: Buffer.from(data) });
        assert.ok(typeof decoded === 'string' ? /^[\x20-\x7e]+$/.test(decoded) : decoded.kind.length > 0);
      }),
      { numRuns: 2000 },
    );
  });

  test('bare ones have no data', () => {
    const kinds = { a: 'accept', c: 'continue', d: 'discard', f: 'shutdown', 4: 'shutdown' };
    for (const [code, kind] of Object.entries({
      ...kinds,
      p: 'progress',
      r: 'reject',
      s: 'skip',
      t: 'tempfail',
    })) {
      assert.deepEqual(answer(code), { kind });
      assert.match(String(answer(code, 'x')), /do not belong to it/);
    }
  });

  test('changes', () => {
    const value = Buffer.from('v');
    assert.deepEqual(answer('h', 'X-A', 'v'), { kind: 'add header', name: 'X-A', value });
    assert.deepEqual(answer('i', uint32(0), 'X-A', 'v'), {
      kind: 'insert header',
      at: 0,
      name: 'X-A',
      value,
    });
    assert.deepEqual(answer('m', uint32(2), 'X-A', 'v'), {
      kind: 'change header',
      at: 2,
      name: 'X-A',
      value,
    });
    // As sendmail: the first, if none is named.
    assert.deepEqual(answer('m', uint32(0), 'X-A', 'v'), {
      kind: 'change header',
      at: 1,
      name: 'X-A',
      value,
    });
    assert.deepEqual(answer('+', '<a@x>'), { kind: 'add recipient', address: 'a@x' });
    assert.deepEqual(answer('2', '<a@x>', 'NOTIFY=NEVER'), { kind: 'add recipient', address: 'a@x' });
    assert.deepEqual(answer('-', 'a@x'), { kind: 'delete recipient', address: 'a@x' });
    assert.deepEqual(answer('e', '<>', 'SIZE=1'), { kind: 'change sender', address: '' });
    assert.deepEqual(answer('q', 'odd\r\n\x1b'), { kind: 'quarantine', reason: 'odd???' });
    assert.deepEqual(answer('b', value), { kind: 'replace body', chunk: value });
    for (const [code, data] of [
      ['h', 'X-A'],
      ['i', Buffer.from([0, 0])],
      ['-', Buffer.from('a@x')],
    ] as const) {
      assert.match(String(answer(code, data)), /cut off/);
    }
  });

  test('replies are SMTP, and the text of nothing else', () => {
    const replyTo = (text: string) => answer('y', text);
    const reply = (code: number, enhanced: string | undefined, ...text: string[]) => ({
      kind: 'reply',
      reply: enhanced === undefined ? { code, text } : { code, enhanced, text },
    });
    assert.deepEqual(replyTo('550 5.7.1 No'), reply(550, '5.7.1', 'No'));
    assert.deepEqual(replyTo('451 100%% sure'), reply(451, undefined, '100% sure'));
    assert.deepEqual(replyTo('550-5.7.1 one\r\n550 5.7.1 two'), reply(550, '5.7.1', 'one', 'two'));
    assert.deepEqual(replyTo('421 4.3.2'), reply(421, '4.3.2', ''));
    assert.deepEqual(replyTo('550 5.7.1 \u001b[31mred'), reply(550, '5.7.1', '?[31mred'));
    for (const odd of ['250 2.0.0 Ok', '550-one\r\n551 two', 'no', '', '550 4.7.1 which?', '55 no']) {
      assert.match(String(replyTo(odd)), /a reply that is none/, odd);
    }
  });
});

describe('negotiation', () => {
  const options = (version: number, actions: number, steps: number, ...more: (string | Uint8Array)[]) => {
    const { packets } = read(encodePacket('O', uint32(version), uint32(actions), uint32(steps), ...more), []);
    return packets[0] ? agree(packets[0]) : 'no packet';
  };

  test('the offer is version 6 with all actions, and all steps but refused recipients', () => {
    const [packet] = read(offer(), []).packets;
    assert.deepEqual([packet?.code, packet?.data.toString('hex')], ['O', '00000006000001ff001ff7ff']);
  });

  test('older versions have fewer steps', () => {
    const steps = (version: number) => {
      const agreed = options(version, 0, 0);
      if (typeof agreed === 'string') return agreed;
      return (['data', 'unknown', 'mail'] as const).filter((step) => agreed.wants(step)).join(' ');
    };
    assert.deepEqual([6, 4, 3, 2].map(steps), [
      'data unknown mail',
      'data unknown mail',
      'unknown mail',
      'mail',
    ]);
    assert.match(steps(1), /version 1/);
    assert.match(steps(7), /version 7/);
  });

  test('actions that nobody knows, and what is cut off, are refused', () => {
    assert.match(String(options(6, 0x200, 0)), /actions that are not known/);
    assert.match(String(options(6, 0, 0, uint32(1))), /cut off/);
    assert.match(String(agree({ code: 'O', data: Buffer.alloc(11) })), /too short/);
    assert.match(String(agree({ code: 'c', data: Buffer.alloc(12) })), /in place of its options/);
  });

  test('macros are named by step; what is not known is passed over', () => {
    const agreed = options(6, 0x100, 0, uint32(1), 'j {my}', uint32(9), 'x', uint32(5), '');
    if (typeof agreed === 'string') throw new Error(agreed);
    assert.deepEqual(
      [...agreed.macros],
      [
        ['helo', ['j', '{my}']],
        ['endOfBody', []],
      ],
    );
  });
});
