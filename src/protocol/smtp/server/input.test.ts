import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Input, LINE_LIMIT } from './input.ts';

function lines(input: Input): string[] {
  const found: string[] = [];
  for (let line = input.line(); line; line = input.line()) {
    found.push(line.kind === 'line' ? line.bytes.toString() : line.why);
  }
  return found;
}

describe('the input', () => {
  test('gives the same lines however they are cut', () => {
    const text = `NOOP\r\n\r\nbare\n${'x'.repeat(LINE_LIMIT + 5)}\r\nQUIT\r\nrest`;
    const expected = ['NOOP', '', 'bare LF', 'too long', 'QUIT'];
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 10 }), (places) => {
        const input = new Input();
        const found: string[] = [];
        const points = [0, ...places.sort((a, b) => a - b), text.length];
        points.slice(1).forEach((to, i) => {
          input.push(Buffer.from(text.slice(points[i], to)));
          if (i % 2) found.push(...lines(input));
        });
        found.push(...lines(input));
        assert.deepEqual(found, expected);
        assert.equal(input.size, 4);
        assert.equal(input.take(100).toString(), 'rest');
      }),
    );
  });

  test('keeps nothing of an endless line', () => {
    const input = new Input();
    for (let i = 0; i < 100; i++) {
      input.push(Buffer.alloc(1000, 'x'));
      assert.equal(input.line(), undefined);
      assert.ok(input.size <= LINE_LIMIT + 1000);
    }
    input.push(Buffer.from('\r\nNOOP\r\n'));
    assert.deepEqual(lines(input), ['too long', 'NOOP']);
  });

  test('takes octets by count and takes back what was too much', () => {
    const input = new Input();
    input.push(Buffer.from('abcdef'));
    input.push(Buffer.from('gh'));
    assert.equal(input.take(4).toString(), 'abcd');
    input.untake(Buffer.from('cd'));
    assert.equal(input.size, 6);
    assert.equal(input.take(10).toString() + input.take(10) + input.take(10), 'cdefgh');
    assert.equal(input.size, 0);
  });
});
