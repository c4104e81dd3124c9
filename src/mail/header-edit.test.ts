import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { editHeader, type HeaderEdit } from './header-edit.ts';

const HEADER = 'From: a@b.example\r\nX-A: 1\r\nx-a: 2\r\n folded\r\nSubject: s\r\n\r\n';
const edit = (header: string, ...edits: HeaderEdit[]): string =>
  editHeader(Buffer.from(header), edits).toString();

describe('editHeader', () => {
  test('removes the field of that name and number, with its folded lines', () => {
    const wanted = 'From: a@b.example\r\nX-A: 1\r\nSubject: s\r\n\r\n';
    assert.equal(edit(HEADER, { kind: 'remove', name: 'X-A', at: 2 }), wanted);
  });

  test('replaces in place', () => {
    const wanted = 'From: a@b.example\r\nX-A: new\r\nx-a: 2\r\n folded\r\nSubject: s\r\n\r\n';
    assert.equal(edit(HEADER, { kind: 'replace', name: 'X-A', at: 1, value: ' new' }), wanted);
  });

  test('inserts on top, between and at the end', () => {
    const insert = (before: number) =>
      edit('A: 1\r\nB: 2\r\n\r\n', { kind: 'insert', name: 'X', value: ' y', before });
    assert.equal(insert(0), 'X: y\r\nA: 1\r\nB: 2\r\n\r\n');
    assert.equal(insert(1), 'A: 1\r\nX: y\r\nB: 2\r\n\r\n');
    assert.equal(insert(99), 'A: 1\r\nB: 2\r\nX: y\r\n\r\n');
  });

  test('what is not there is passed over', () => {
    assert.equal(edit(HEADER, { kind: 'remove', name: 'X-A', at: 3 }), HEADER);
    assert.equal(edit(HEADER, { kind: 'remove', name: 'From ', at: 1 }), HEADER);
  });

  test('edits are made one after the other', () => {
    const wanted = 'From: a@b.example\r\nSubject: s\r\n\r\n';
    const first: HeaderEdit = { kind: 'remove', name: 'x-a', at: 1 };
    assert.equal(edit(HEADER, first, first), wanted);
  });

  test('an empty header and one without its end', () => {
    const insert: HeaderEdit = { kind: 'insert', name: 'X', value: ' y', before: 0 };
    assert.equal(edit('\r\n', insert), 'X: y\r\n\r\n');
    assert.equal(edit('', insert), 'X: y\r\n');
    assert.equal(edit('A: 1\r\n', insert), 'X: y\r\nA: 1\r\n');
  });

  test('all that is no field stays octet for octet', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const header = Buffer.from(octets);
        const same = editHeader(header, [{ kind: 'remove', name: 'no-such-field-here', at: 1 }]);
        assert.ok(same.equals(header));
      }),
      { numRuns: 500 },
    ));
});
