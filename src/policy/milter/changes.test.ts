import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fieldsOf } from '../../mail/header-edit.ts';
import type { Change } from '../../protocol/milter/answer.ts';
import { make } from './changes.ts';

const HEADER = Buffer.from('From: a@x\r\nX-Two: 1\r\nX-Two: 2\r\nSubject: s\r\n\r\n');
const after = (...changes: Change[]): string => make(changes, HEADER, false).header.toString('latin1');
const value = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('changes to a header', () => {
  test('are made one after the other, counted by name', () => {
    const change = (at: number, text: string): Change => ({
      kind: 'change header',
      at,
      name: 'x-two',
      value: value(text),
    });
    assert.equal(after(change(2, 'new')), 'From: a@x\r\nX-Two: 1\r\nx-two: new\r\nSubject: s\r\n\r\n');
    assert.equal(after(change(1, '')), 'From: a@x\r\nX-Two: 2\r\nSubject: s\r\n\r\n');
    // The second is the first once the first is gone.
    assert.equal(after(change(1, ''), change(1, '')), 'From: a@x\r\nSubject: s\r\n\r\n');
    // As libmilter: one that is not there is added, or is nothing to remove.
    assert.equal(after(change(3, 'new')), `${HEADER.toString().slice(0, -2)}x-two: new\r\n\r\n`);
    assert.equal(after(change(3, '')), HEADER.toString());
  });

  test('insertions count our Received as the first field; additions stand at the end', () => {
    const insert = (at: number): Change => ({ kind: 'insert header', at, name: 'X-I', value: value('i') });
    for (const at of [0, 1]) assert.equal(after(insert(at)), `X-I: i\r\n${HEADER}`);
    assert.equal(after(insert(2)).indexOf('X-I'), 'From: a@x\r\n'.length);
    for (const at of [5, 99, 0xffffffff]) assert.match(after(insert(at)), /Subject: s\r\nX-I: i\r\n\r\n$/);
    assert.match(after({ kind: 'add header', name: 'X-I', value: value('i') }), /s\r\nX-I: i\r\n\r\n$/);
  });

  test("folded values are folded as in SMTP; the blank is the filter's if it was agreed on", () => {
    const add = (text: string): Change => ({ kind: 'add header', name: 'X-F', value: value(text) });
    assert.match(after(add('a\n\tb\r\n c\rd\n\n \ne')), /\r\nX-F: a\r\n\tb\r\n c\r\n\td\r\n\te\r\n\r\n$/);
    assert.match(make([add('tight')], HEADER, true).header.toString(), /\r\nX-F:tight\r\n/);
    assert.ok(
      make([add('caf\xe9')], HEADER, false).header.includes(Buffer.from('X-F: caf\xe9\r\n', 'latin1')),
    );
  });

  test('a header without an end stays one', () => {
    const add: Change = { kind: 'add header', name: 'X-F', value: value('v') };
    assert.equal(make([add], Buffer.from('From: a\r\n'), false).header.toString(), 'From: a\r\nX-F: v\r\n');
    assert.equal(make([add], Buffer.from('\r\n'), false).header.toString(), 'X-F: v\r\n\r\n');
  });

  test('whatever a filter writes, the header stays a header with its other fields as they were', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', ':', ' ', '\t', '\r', '\n', '\0', '\xff', '.'),
      maxLength: 20,
    });
    const octets = text.map((t) => Buffer.from(t.replaceAll('\0', ''), 'latin1'));
    const name = fc.oneof(fc.constantFrom('X-A', 'Subject', 'X-Two', 'no good', '', 'X:', 'X\n'), text);
    const at = fc.nat({ max: 6 });
    const change = fc.oneof(
      fc.record({ kind: fc.constant('add header' as const), name, value: octets }),
      fc.record({ kind: fc.constant('insert header' as const), at, name, value: octets }),
      fc.record({
        kind: fc.constant('change header' as const),
        at: at.map((n) => n + 1),
        name,
        value: octets,
      }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 10 }), fc.boolean(), (changes, leadingSpace) => {
        const { header } = make(changes, HEADER, leadingSpace);
        const written = header.toString('latin1');
        assert.equal(written.indexOf('\r\n\r\n'), written.length - 4, JSON.stringify(written));
        assert.ok(!/[^\r]\n|\r[^\n]|\0/.test(written), JSON.stringify(written));
        const fields = fieldsOf(header.subarray(0, -2));
        assert.ok(
          fields.every((field) => field.name !== ''),
          JSON.stringify(written),
        );
        assert.ok(fields.some((field) => field.octets.toString() === 'From: a@x\r\n'));
      }),
    );
  });
});

describe('another body', () => {
  const body = (...chunks: string[]): string => {
    const changes = chunks.map((chunk): Change => ({ kind: 'replace body', chunk: value(chunk) }));
    return Buffer.concat([...(make(changes, HEADER, false).body ?? [])]).toString('latin1');
  };

  test('has the line ends of SMTP, however it is cut', () => {
    const whole = 'a\nb\r\nc\rd\0e\r\n\r\nend';
    for (let cut = 0; cut <= whole.length; cut++) {
      assert.equal(
        body(whole.slice(0, cut), whole.slice(cut)),
        'a\r\nb\r\nc\r\nde\r\n\r\nend\r\n',
        `cut at ${cut}`,
      );
    }
    assert.equal(body('end\r'), 'end\r\n');
    assert.equal(body(''), '');
  });

  test('recipients go, or are marked; senders stay', () => {
    const made = make(
      [
        { kind: 'delete recipient', address: 'a@x' },
        { kind: 'add recipient', address: 'b@x' },
        { kind: 'change sender', address: '' },
        { kind: 'quarantine', reason: 'odd' },
        { kind: 'add header', name: 'no name:', value: value('') },
      ],
      HEADER,
      false,
    );
    assert.deepEqual(made, {
      edits: [],
      header: HEADER,
      removed: ['a@x'],
      quarantine: 'odd',
      ignored: ['another recipient', 'another sender', 'a field without a name'],
    });
  });
});
