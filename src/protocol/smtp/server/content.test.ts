import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DataDecoder, LineCheck } from './content.ts';

interface Decoded {
  readonly content: string | null;
  /** Octets up to and with the end; -1 without one. */
  readonly used: number;
}

/** Cut at the given places. */
function decode(text: string, cuts: readonly number[] = []): Decoded {
  const decoder = new DataDecoder();
  const parts: string[] = [];
  const points = [0, ...cuts, text.length];
  for (let i = 1; i < points.length; i++) {
    const from = points[i - 1] ?? 0;
    const chunk = Buffer.from(text.slice(from, points[i]), 'latin1');
    const used = decoder.decode(chunk, (part) => parts.push(part.toString('latin1')));
    if (used >= 0) return { content: decoder.foul ? null : parts.join(''), used: from + used };
  }
  return { content: decoder.foul ? null : parts.join(''), used: -1 };
}

/** The same by the letter of RFC 5321 §4.5.2, slowly. */
function model(text: string): Decoded {
  const at = `\r\n${text}`.indexOf('\r\n.\r\n');
  const content = at < 0 ? text : text.slice(0, at);
  const foul = /\0|\r(?!\n)|(?<!\r)\n/.test(at < 0 ? text.replace(/\r$/, '') : content);
  return { content: foul ? null : content.replace(/(^|\r\n)\./g, '$1'), used: at < 0 ? -1 : at + 3 };
}

describe('end of DATA', () => {
  const text = fc.array(
    fc.constantFrom('\r', '\n', '\r\n', '.', '.\r\n', '\r\n.\r\n', 'a', '\0', '\t', '\xff'),
    {
      maxLength: 14,
    },
  );

  test('is found where RFC 5321 says, and nowhere else; bare CR, LF and NUL are foul', () => {
    fc.assert(
      fc.property(text, (pieces) => {
        const all = pieces.join('');
        const expected = model(all);
        const found = decode(all);
        assert.equal(found.used, expected.used);
        // Without an end, a dot that began the last line may yet be either.
        if (found.used >= 0) assert.equal(found.content, expected.content);
      }),
      { numRuns: 3000 },
    );
  });

  test('does not depend on how it is cut', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(40), { maxLength: 6 }), (pieces, places) => {
        const all = pieces.join('');
        const cuts = places.filter((p) => p <= all.length).sort((a, b) => a - b);
        const whole = decode(all);
        const cut = decode(all, cuts);
        assert.equal(cut.used, whole.used);
        assert.equal(cut.content, whole.content);
      }),
      { numRuns: 2000 },
    );
  });

  test('a chunk without dots at line starts is given on as one part', () => {
    const chunk = Buffer.from(`${'x.y'.repeat(30)}\r\n`.repeat(500));
    const parts: Buffer[] = [];
    new DataDecoder().decode(chunk, (part) => parts.push(part));
    assert.equal(parts.length, 1);
    assert.equal(parts[0]?.buffer, chunk.buffer);
  });
});

describe('line ends in BDAT', () => {
  test('are judged as in DATA, however they are cut', () => {
    const piece = fc.constantFrom('\r', '\n', '\r\n', 'a', '\0', '.', '\t');
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 4 }), { maxLength: 4 }), (chunks) => {
        const check = new LineCheck();
        for (const chunk of chunks) check.look(Buffer.from(chunk.join('')));
        const lacks = check.finish();
        const all = chunks.flat().join('');
        assert.equal(check.foul, /\0|\r(?!\n)|(?<!\r)\n/.test(all), JSON.stringify(all));
        if (!check.foul) assert.equal(lacks, all === '' || all.endsWith('\n') ? 'nothing' : 'crlf');
      }),
      { numRuns: 2000 },
    );
  });
});

test('an octet means the same wherever it stands, and wherever its chunk begins in memory', () => {
  const all = Buffer.alloc(64);
  for (let from = 0; from < 4; from++) {
    for (let at = 0; at < 24; at++) {
      for (let octet = 0; octet < 256; octet++) {
        // Around it stand octets that a look beyond the chunk would stumble over.
        all.fill(0);
        const chunk = all.subarray(from, from + 26);
        chunk.fill(0x80 + (octet & 0x7f));
        chunk[at] = octet;
        chunk.write('\r\n', 24, 'latin1');
        const isFoul = octet === 0x00 || octet === 0x0a || octet === 0x0d;
        const data = new DataDecoder();
        let given = 0;
        data.decode(chunk, (part) => (given += part.length));
        assert.deepEqual(
          [data.foul, given],
          [isFoul, isFoul ? 0 : 26 - (at === 0 && octet === 0x2e ? 1 : 0)],
        );
        const bdat = new LineCheck();
        bdat.look(chunk);
        assert.equal(bdat.foul, isFoul);
      }
    }
  }
});
