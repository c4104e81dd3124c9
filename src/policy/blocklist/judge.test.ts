import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ListSettings } from '../../config/blocklists.ts';
import { describe as words } from '../../mail/reply.ts';
import type { Said } from './answer.ts';
import { denial, type Judgement, judge, type Reply, type Subject } from './judge.ts';

const ADDRESS: Subject = { kind: 'address', sort: 'ipv4', text: '192.0.2.66', labels: '66.2.0.192' };
const HELO: Subject = { kind: 'helo', sort: 'name', text: 'bad.example', labels: 'bad.example' };
const LISTED: Said = { kind: 'listed', codes: ['127.0.0.4', '127.0.0.10'] };
const SILENT: Said = { kind: 'silent', why: 'timeout' };
const list = (zone: string, weight: number, use: ListSettings['use'] = 'block'): ListSettings => ({
  use,
  zone,
  kinds: ['address', 'helo'],
  points: [],
  codes: [],
  weight,
});
const [ONE, TWO, GOOD] = [list('one.test', 1), list('two.test', 2), list('good.test', 0, 'allow')];
const says = (list: ListSettings, said: Said, subject = ADDRESS): Reply => ({ list, subject, said });

function denied(...replies: Reply[]): Extract<Judgement, { kind: 'denied' }> {
  const judged = judge(replies, 1);
  assert.ok(judged.kind === 'denied');
  return judged;
}

describe('what the lists say together', () => {
  test('no hit is nothing, whatever else was said', () => {
    const others: Said[] = [
      SILENT,
      { kind: 'clean' },
      { kind: 'unasked' },
      { kind: 'refused', code: '127.255.255.254' },
    ];
    assert.deepEqual(
      judge(
        others.map((said) => says(ONE, said)),
        1,
      ),
      { kind: 'clean' },
    );
    assert.deepEqual(judge([], 1), { kind: 'clean' });
  });

  test('weights are added up; below the threshold they are a mark', () => {
    const both = [says(ONE, LISTED), says(TWO, LISTED, HELO)];
    assert.equal(judge(both, 3).kind, 'denied');
    assert.deepEqual(judge(both, 4), {
      kind: 'marked',
      mark:
        'two.test lists the EHLO name bad.example as 127.0.0.4, 127.0.0.10; ' +
        'one.test lists 192.0.2.66 as 127.0.0.4, 127.0.0.10; score 3 of 4',
    });
  });

  test('a list counts once, though it lists both address and name', () => {
    const twice = [says(ONE, LISTED), says(ONE, LISTED, HELO)];
    assert.equal(judge(twice, 2).kind, 'marked');
    assert.equal(denied(...twice).first.subject, ADDRESS, 'and tells what it was asked first');
  });

  test('an allow list exempts, and says so', () => {
    const judged = judge([says(ONE, LISTED), says(GOOD, LISTED)], 1);
    assert.ok(judged.kind === 'marked');
    assert.equal(judged.allowedBy, 'good.test');
    assert.match(judged.mark, /score 1 of 1; but good\.test lists 192\.0\.2\.66/);
    assert.deepEqual(judge([says(GOOD, LISTED)], 1), { kind: 'clean', allowedBy: 'good.test' });
  });

  test('an allow list that was not heard makes a denial temporary; one that is out of use does not', () => {
    const doubtful = denial(denied(says(ONE, LISTED), says(GOOD, SILENT)), 'reject', undefined);
    assert.equal(doubtful.kind, 'defer');
    assert.match(doubtful.why, /for now, since the allow list good\.test was not heard/);
    const refusing: Said = { kind: 'refused', code: '127.255.255.254' };
    assert.equal(denial(denied(says(ONE, LISTED), says(GOOD, refusing)), 'reject', undefined).kind, 'defer');
    assert.equal(
      denial(denied(says(ONE, LISTED), says(GOOD, { kind: 'unasked' })), 'reject', undefined).kind,
      'reject',
    );
  });
});

describe('a denial', () => {
  const wire = (reason: string | undefined) =>
    words(denial(denied(says(ONE, LISTED)), 'reject', reason).reply);

  test('tells who, by whom and why', () => {
    assert.equal(wire(undefined), '550 5.7.1 Denied: 192.0.2.66 is listed by one.test');
    assert.equal(wire('see http://one.test/?192.0.2.66').slice(-33), ': see http://one.test/?192.0.2.66');
    const later = denial(denied(says(TWO, LISTED, HELO), says(ONE, LISTED)), 'defer', 'spam');
    assert.equal(
      words(later.reply),
      '450 4.7.1 Denied: the EHLO name bad.example is listed by two.test: spam',
    );
    assert.match(later.why, /^two\.test lists the EHLO name bad\.example as 127\.0\.0\.4, .*; score 3 of 1$/);
  });

  test('passes on no control characters, nothing beyond ASCII, and no more than fits', () => {
    assert.equal(
      wire('a\r\n250 ok\0\t\x1b[31m  b\x7f é'),
      '550 5.7.1 Denied: 192.0.2.66 is listed by one.test: a 250 ok [31m b ?',
    );
    assert.equal(wire('\r\n \x00'), '550 5.7.1 Denied: 192.0.2.66 is listed by one.test');
    for (const long of ['x'.repeat(100_000), ' '.repeat(100_000), 'é'.repeat(100_000)])
      assert.ok(wire(long).length < 300);
    const subject = { ...HELO, text: `${'a.'.repeat(120)}example` };
    const zone = `${'b.'.repeat(120)}example`;
    const longest = denial(denied(says(list(zone, 1), LISTED, subject)), 'reject', 'x'.repeat(500));
    assert.ok(words(longest.reply).length <= 510);
  });
});
