import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ToCrlf, ToLf } from './line-ends.ts';
import { type FromLine, fromLine, parseFromLine, readPath, senderOf } from './rmail.ts';

const NOW = Date.UTC(2026, 0, 5, 12, 0, 0);

const PATHS: readonly (readonly [string, string | RegExp])[] = [
  ['joe@acme.example', 'joe@acme.example'],
  ['<joe@acme.example>', 'joe@acme.example'],
  ['b.example!joe', 'joe@b.example'],
  ['a!b.example!joe', 'joe@b.example'],
  ['relay!hub!b.example!joe', 'joe@b.example'],
  ['b.example!joe+tag', 'joe+tag@b.example'],
  ['relay!joe', /relay is no domain name/],
  ['b.example!relay!joe', /relay is no domain name/],
  ['a!b.uucp!joe', /b.uucp is no domain name/],
  ['a!192.0.2.1!joe', /192.0.2.1 is no domain name/],
  ['a!joe@b.example', /two things/],
  ['b.example!joe%c', 'joe%c@b.example'],
  ['b.example!', /empty step/],
  ['!joe', /empty step/],
  ['a!!b.example!joe', /empty step/],
  ['joe smith', /space/],
  ['b.example!jo\ne', /space or a control/],
  ['"a!b"@c.example', '"a!b"@c.example'],
];

const SENDERS: readonly (readonly [string, string | RegExp])[] = [
  ['From joe@b.example Mon Jan  5 12:00:00 2026', 'joe@b.example'],
  ['From joe@b.example Mon Jan  5 12:00:00 2026 remote from relay', 'joe@b.example'],
  ['From <joe@b.example> Mon Jan  5 12:00:00 2026', 'joe@b.example'],
  ['From relay!joe@b.example Mon Jan  5 12:00:00 2026', 'joe@b.example'],
  ['From joe Mon Jan  5 12:00:00 2026 remote from b.example', 'joe@b.example'],
  ['From joe Mon Jan  5 12:00:00 2026 remote from leaf', /leaf is no domain name/],
  ['>From joe Mon Jan  5 12:00:00 2026 remote from b.example', 'joe@b.example'],
  ['From <> Mon Jan  5 12:00:00 2026', ''],
  ['From MAILER-DAEMON Mon Jan  5 12:00:00 2026 remote from leaf', ''],
  ['From leaf!MAILER-DAEMON Mon Jan  5 12:00:00 2026', ''],
  ['From joe@b.example', 'joe@b.example'],
];

describe('rmail', () => {
  for (const [written, means] of PATHS) {
    test(`the path ${JSON.stringify(written)} means ${means}`, () => {
      const path = readPath(written);
      if (typeof means === 'string') assert.deepEqual(path, { kind: 'address', address: means });
      else assert.match(path.kind === 'refused' ? path.why : path.address, means);
    });
  }

  for (const [line, means] of SENDERS) {
    test(`"${line}" has the sender ${means === '' ? 'null' : means}`, () => {
      const parsed = parseFromLine(line);
      assert.ok(parsed);
      const sender = senderOf([parsed]);
      if (typeof means === 'string') assert.deepEqual(sender, { kind: 'address', address: means });
      else assert.match(sender.kind === 'refused' ? sender.why : sender.address, means);
    });
  }

  test('of several From lines the last is the oldest', () => {
    const lines = [
      'From uucp Mon Jan  5 12:00:00 2026 remote from relay',
      '>From joe@b.example Mon remote from leaf',
    ]
      .map(parseFromLine)
      .filter((l): l is FromLine => l !== null);
    assert.deepEqual(senderOf(lines), { kind: 'address', address: 'joe@b.example' });
    assert.equal(senderOf([]).kind, 'refused');
  });

  test('a header field is no From line', () => {
    for (const line of ['From: joe@b.example', 'Subject: x', '', 'From', '>Fromage x']) {
      assert.equal(parseFromLine(line), null, line);
    }
  });

  test('the line that we write is the one that others read: no "remote from", <> for the null sender', () => {
    assert.equal(fromLine('joe@b.example', NOW), 'From joe@b.example Mon Jan  5 12:00:00 2026\n');
    assert.equal(fromLine('', NOW), 'From <> Mon Jan  5 12:00:00 2026\n');
    for (const sender of ['a b@c', 'a\n@b', 'a!b@c', '<a@b>']) assert.equal(fromLine(sender, NOW), null);
  });

  test('a sender that can be written is read again', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (local) => {
        const sender = `${local}@b.example`;
        const line = fromLine(sender, NOW);
        if (line === null) return;
        const parsed = parseFromLine(line.slice(0, -1));
        assert.ok(parsed && !line.slice(0, -1).includes('\n'));
        const read = senderOf([parsed]);
        assert.deepEqual(read, { kind: 'address', address: sender });
      }),
      { numRuns: 2000, examples: [['\u2028"'], ['\u00a0'], ['\u3000x']] },
    ));
});

describe('line ends', () => {
  const cut = (text: string, at: readonly number[]): Buffer[] => {
    const octets = Buffer.from(text, 'latin1');
    const points = [0, ...at.map((p) => p % (octets.length + 1)).sort((a, b) => a - b), octets.length];
    return points.slice(1).map((p, i) => octets.subarray(points[i], p));
  };
  const cuts = fc.array(fc.nat(200), { maxLength: 6 });
  const text = fc
    .array(fc.oneof(fc.constantFrom('\r\n', '\n', '\r', '\0', '\xff'), fc.string({ maxLength: 5 })), {
      maxLength: 20,
    })
    .map((parts) => parts.join('').replace(/[^\x00-\xff]/g, '?'));

  test('CRLF to LF, wherever the chunks end', () =>
    fc.assert(
      fc.property(text, cuts, (t, at) => {
        const to = new ToLf();
        const out = Buffer.concat([...cut(t, at).map((c) => to.convert(c)), to.end()]).toString('latin1');
        assert.equal(out, t.replaceAll('\r\n', '\n'));
      }),
    ));

  test('LF to CRLF, wherever the chunks end; the last line is ended', () =>
    fc.assert(
      fc.property(text, cuts, (t, at) => {
        const to = new ToCrlf();
        const out = Buffer.concat([...cut(t, at).map((c) => to.convert(c)), to.end()]).toString('latin1');
        const lines = t.replace(/\r?\n/g, '\r\n');
        assert.equal(out, t === '' || t.endsWith('\n') ? lines : `${lines}\r\n`);
      }),
    ));
});
