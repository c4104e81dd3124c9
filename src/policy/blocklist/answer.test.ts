import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodeRange, codeOf } from '../../config/blocklist-schema.ts';
import type { Answer } from '../../dns/port.ts';
import { readAnswer, refusalText, type Said } from './answer.ts';

const found = (...records: string[]): Answer<string> => ({ kind: 'found', records, ttl: 60 });
const range = (from: string, to: string): CodeRange => ({ from: codeOf(from), to: codeOf(to) });
const SOME = [range('127.0.0.2', '127.0.0.4'), range('127.0.1.0', '127.0.1.255')];

const TABLE: readonly (readonly [string, Answer<string>, readonly CodeRange[], Said])[] = [
  ['no such name: clean', { kind: 'nxdomain' }, [], { kind: 'clean' }],
  ['no A record: clean', { kind: 'nodata' }, [], { kind: 'clean' }],
  ['a failure is silence', { kind: 'failed', why: 'SERVFAIL' }, [], { kind: 'silent', why: 'SERVFAIL' }],
  ['any code counts', found('127.0.0.9'), [], { kind: 'listed', codes: ['127.0.0.9'] }],
  ['a selected code counts', found('127.0.1.77'), SOME, { kind: 'listed', codes: ['127.0.1.77'] }],
  ['another does not', found('127.0.0.5'), SOME, { kind: 'clean' }],
  [
    'only those that count are named',
    found('127.0.0.10', '127.0.0.4'),
    SOME,
    { kind: 'listed', codes: ['127.0.0.4'] },
  ],
  ['an address of elsewhere is no hit', found('192.0.2.1'), [], { kind: 'foreign', address: '192.0.2.1' }],
  ['nor in a selection', found('192.0.2.1'), SOME, { kind: 'foreign', address: '192.0.2.1' }],
  [
    'beside a code it is ignored',
    found('192.0.2.1', '127.0.0.2'),
    [],
    { kind: 'listed', codes: ['127.0.0.2'] },
  ],
  ...['127.255.255.252', '127.255.255.254', '127.255.255.255', '127.255.255.0'].map(
    (code) => [`${code} is a refusal`, found(code), [], { kind: 'refused', code }] as const,
  ),
  [
    'a refusal beside a code',
    found('127.0.0.2', '127.255.255.254'),
    [],
    { kind: 'refused', code: '127.255.255.254' },
  ],
  ['127.255.254.1 is a code', found('127.255.254.1'), [], { kind: 'listed', codes: ['127.255.254.1'] }],
];

for (const [claim, answer, counts, said] of TABLE) {
  test(`an answer: ${claim}`, () => assert.deepEqual(readAnswer(answer, counts), said));
}

test('refusals are told apart', () => {
  const texts = [252, 254, 255, 7].map((octet) => refusalText(`127.255.255.${octet}`));
  assert.equal(new Set(texts).size, 4);
});
