import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DotStuffer, Inspector } from './content.ts';
import { ReplyParser } from './reply.ts';

/** Lines of the characters that matter, cut anywhere. */
const content = fc
  .array(fc.string({ unit: fc.constantFrom('.', 'a', ' '), maxLength: 4 }), { maxLength: 8 })
  .map((lines) => lines.join('\r\n'));

function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const whole = Buffer.from(text);
  const at = [0, ...cuts.map((c) => c % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((end, i) => whole.subarray(at[i], end));
}

const cuts = fc.array(fc.nat(60), { maxLength: 6 });

test('stuffed content, however it is cut, comes back the same and ends once', () => {
  fc.assert(
    fc.property(content, cuts, (text, at) => {
      const stuffer = new DotStuffer();
      const out: Uint8Array[] = [];
      for (const piece of pieces(text, at)) stuffer.stuff(piece, (o) => out.push(o));
      out.push(stuffer.end());
      const wire = Buffer.concat(out).toString();
      const lines = wire.split('\r\n');
      assert.equal(lines.pop(), '');
      assert.equal(lines.indexOf('.'), lines.length - 1);
      const back = lines.slice(0, -1).map((l) => (l.startsWith('.') ? l.slice(1) : l));
      const expected = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
      assert.equal(back.map((l) => `${l}\r\n`).join(''), expected);
    }),
    { numRuns: 1000 },
  );
});

test('a chunk in which no line begins with a dot is passed on without a copy', () => {
  const chunk = Buffer.from('a.b\r\nc\r\n');
  const out: Uint8Array[] = [];
  new DotStuffer().stuff(chunk, (o) => out.push(o));
  assert.equal(out.length, 1);
  assert.equal(out[0]?.buffer, chunk.buffer);
});

test('the inspector finds what is bare, however it is cut, and nothing else', () => {
  const any = fc.string({ unit: fc.constantFrom('\r', '\n', '\0', 'a', '\t', '\r\n'), maxLength: 12 });
  fc.assert(
    fc.property(any, cuts, (text, at) => {
      const inspector = new Inspector();
      let clean = true;
      for (const piece of pieces(text, at)) clean = inspector.clean(piece) && clean;
      const bare = /\0|\r(?!\n)|(?<!\r)\n/.test(text);
      assert.equal(clean && inspector.cleanEnd, !bare);
    }),
    { numRuns: 2000 },
  );
});

test('replies are the same however the octets are cut', () => {
  const wire =
    '220 hi\r\n250-a.test\r\n250-SIZE 10\r\n250 DSN\r\n550-5.1.1 no\r\n550 5.1.1 really\r\n250\r\n451 5.1.1 x\n';
  const expected = [
    { code: 220, text: ['hi'] },
    { code: 250, text: ['a.test', 'SIZE 10', 'DSN'] },
    { code: 550, enhanced: '5.1.1', text: ['no', 'really'] },
    { code: 250, text: [''] },
    { code: 451, text: ['5.1.1 x'] },
  ];
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 9 }), (at) => {
      const parser = new ReplyParser();
      const got: unknown[] = [];
      for (const piece of pieces(wire, at))
        assert.equal(
          parser.push(piece, (r) => got.push(r)),
          null,
        );
      assert.deepEqual(got, expected);
      assert.equal(parser.inside, false);
    }),
  );
});

test('what is no reply, a line or a reply without end is refused', () => {
  const wrong = (text: string) => new ReplyParser().push(Buffer.from(text), () => {});
  assert.match(wrong('hello\r\n') ?? '', /not a reply/);
  assert.match(wrong('150 x\r\n') ?? '', /not a reply/);
  assert.match(wrong('2500 x\r\n') ?? '', /not a reply/);
  assert.match(wrong('x'.repeat(5000)) ?? '', /too long/);
  assert.match(wrong('250-x\r\n'.repeat(300)) ?? '', /too many lines/);
});

test('control characters of a peer do not get into our logs', () => {
  const got: string[] = [];
  new ReplyParser().push(Buffer.from('550 5.1.1 \x1b[31mno\x07\r\n'), (r) => got.push(...r.text));
  assert.deepEqual(got, ['[31mno ']);
});
