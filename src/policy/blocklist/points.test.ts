import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestPoints } from '../../config/blocklists.ts';
import type { Said } from './answer.ts';
import { type Answers, freshLabels, labelsOf, questionsOf, verdictOf } from './points.ts';

const FOUR: TestPoints = { sort: 'ipv4', listed: '127.0.0.2', clean: '127.0.0.1' };
const SIX: TestPoints = { sort: 'ipv6', listed: '::ffff:7f00:2', clean: '::ffff:7f00:1' };
const LISTED: Said = { kind: 'listed', codes: ['127.0.0.2'] };
const CLEAN: Said = { kind: 'clean' };
const FOREIGN: Said = { kind: 'foreign', address: '192.0.2.80' };
const REFUSED: Said = { kind: 'refused', code: '127.255.255.254' };
const SILENT: Said = { kind: 'silent', why: 'timeout' };
const answers = (listed: Said, clean: Said, fresh: Said = clean, points = FOUR): Answers => ({
  points,
  listed,
  clean,
  fresh,
});

describe('test points', () => {
  test('are asked as clients are, IPv6 ones by their nibbles', () => {
    assert.equal(questionsOf(FOUR).listed, '2.0.0.127');
    assert.equal(questionsOf(FOUR).clean, '1.0.0.127');
    assert.match(questionsOf(SIX).listed, /^2\.0\.0\.0\.0\.0\.f\.7\.f\.f\.f\.f(\.0){20}$/);
    assert.equal(labelsOf('name', 'test'), 'test');
  });

  test('what was never asked is nobody’s address or name', () => {
    for (const random of [() => 0, () => 0.5, () => 0.999999]) {
      assert.match(freshLabels('ipv4', random), /^\d+\.\d+\.[1-9]\d*\.127$/);
      assert.match(freshLabels('ipv6', random), /^([0-9a-f]\.){6}f\.7\.f\.f\.f\.f(\.0){20}$/);
      assert.match(freshLabels('name', random), /^\d+-\d+-\d+\.invalid$/);
    }
  });

  const TABLE: readonly (readonly [string, readonly Answers[], string, RegExp])[] = [
    ['as it has to be', [answers(LISTED, CLEAN)], 'good', /^$/],
    ['it lists everything', [answers(LISTED, LISTED)], 'lists everything', /127\.0\.0\.1 is there/],
    ['it lists nothing', [answers(CLEAN, CLEAN)], 'lists nothing', /127\.0\.0\.2 is not there/],
    ['it refuses', [answers(REFUSED, REFUSED)], 'refused', /public resolver/],
    ['it is silent', [answers(SILENT, SILENT)], 'silent', /does not answer: timeout/],
    ['it is silent and the cache is not', [answers(LISTED, CLEAN, SILENT)], 'silent', /does not answer/],
    [
      'its domain was sold',
      [answers(FOREIGN, FOREIGN)],
      'foreign',
      /127\.0\.0\.2 is answered with 192\.0\.2\.80/,
    ],
    [
      'a resolver makes up answers',
      [answers(LISTED, FOREIGN)],
      'good',
      /what is not there is answered with 192/,
    ],
    [
      'IPv6 lists everything',
      [answers(LISTED, CLEAN), answers(LISTED, LISTED, CLEAN, SIX)],
      'lists everything',
      /7f00:1/,
    ],
    [
      'IPv6 lists nothing',
      [answers(LISTED, CLEAN), answers(CLEAN, CLEAN, CLEAN, SIX)],
      'lists nothing',
      /7f00:2/,
    ],
    ['everything is worse than silence', [answers(SILENT, LISTED)], 'lists everything', /127\.0\.0\.1/],
  ];
  for (const [claim, all, kind, why] of TABLE) {
    test(`verdict: ${claim}`, () => {
      const event = verdictOf(all);
      if (event.kind === 'test good') {
        assert.equal(kind, 'good');
        assert.match(event.remark ?? '', why);
      } else {
        assert.equal(event.trouble.kind, kind);
        assert.match(event.trouble.why, why);
      }
    });
  }
});
