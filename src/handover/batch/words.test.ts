import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fillIn, groups, isSafe } from './words.ts';

const SAFE = [
  'joe@acme.example',
  'joe+tag=x@acme.example',
  'prvs=1234abcd/joe@acme.example',
  'SRS0=Ab+c/d=XY=b.example=joe@acme.example',
  '_joe.smith-x%y@sub.acme.example',
  'jörg@bücher.example',
  '用户@例え.example',
];
/** Not for a command line that a shell may read; with the word `exact` where only rmail reads it. */
const UNSAFE: readonly (readonly [address: string, exact: boolean])[] = [
  ["o'brien@acme.example", true],
  ['a$HOME@acme.example', true],
  ['`id`@acme.example', true],
  ['a;b@acme.example', true],
  ['a|b@acme.example', true],
  ['|id@acme.example', true],
  ['a&b@acme.example', true],
  ['a*b@acme.example', true],
  ['a?b@acme.example', true],
  ['a#b@acme.example', true],
  ['a~b@acme.example', true],
  ['~b@acme.example', true],
  ['{a,b}@acme.example', true],
  ['a^b@acme.example', true],
  ['(a)@acme.example', true],
  ['a\\b@acme.example', true],
  ['"ab"@acme.example', true],
  ['<a>@acme.example', true],
  ['/etc/passwd@acme.example', true],
  ['a/../b@acme.example', true],
  ['.a@acme.example', true],
  ['-oQ/tmp@acme.example', false],
  ['-a@acme.example', false],
  ['a!b@acme.example', false],
  ['"a b"@acme.example', false],
  ['a\tb@acme.example', false],
  ['a\nb@acme.example', false],
  ['a\u00a0b@acme.example', false],
  ['a\u2028b@acme.example', false],
  ['joe', false],
  ['joe@', false],
  ['joe@-x.example', false],
  ['joe@[192.0.2.1]', false],
  ['joe@a b', false],
];

const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(...'abcé.+=%/-_!#$&\'*?^`{|}~()<>[]\\";: \t\n,@'), maxLength: 12 }),
);

describe('addresses as words', () => {
  for (const address of SAFE) {
    test(`${address} is safe`, () => assert.ok(isSafe(address, 'shell') && isSafe(address, 'exact')));
  }
  for (const [address, exact] of UNSAFE) {
    test(`${JSON.stringify(address)} is not${exact ? ', but where no shell reads it' : ', anywhere'}`, () => {
      assert.equal(isSafe(address, 'shell'), false);
      assert.equal(isSafe(address, 'exact'), exact);
    });
  }

  test('what is safe comes through a real shell as it is, quoted by nothing', () => {
    const addresses = fc
      .sample(anything, { numRuns: 20_000, seed: 1 })
      .map((local) => `${local}@acme.example`)
      .filter((address) => isSafe(address, 'shell'));
    assert.ok(addresses.length > 300, `${addresses.length}`);
    for (let i = 0; i < addresses.length; i += 400) {
      const some = addresses.slice(i, i + 400);
      const said = execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${some.join(' ')}`], { cwd: '/' });
      assert.deepEqual(said.toString().split('\n').slice(0, -1), some);
    }
  });

  test('what is safe can be no option, no file and no path', () =>
    fc.assert(
      fc.property(anything, (local) => {
        const address = `${local}@acme.example`;
        if (isSafe(address, 'exact')) assert.doesNotMatch(address, /^-|!|\s|[\x00-\x1f\x7f]/);
        if (isSafe(address, 'shell'))
          assert.doesNotMatch(address, /^[/~.]|\/\.\.\/|[^\p{L}\p{M}\p{N}._+=%/@-]/u);
      }),
      { numRuns: 5000 },
    ));

  test('a word with {recipients} becomes one for each; what is put in is not looked at again', () => {
    const places = { recipients: ['{sender}@x', 'b@y'], sender: '', site: 'leaf', file: '/f' };
    assert.deepEqual(fillIn(['uux', '({recipients})', '-f', '{sender}', '{site}:{file}', '{x}'], places), [
      'uux',
      '({sender}@x)',
      '(b@y)',
      '-f',
      'MAILER-DAEMON',
      'leaf:/f',
      '{x}',
    ]);
  });

  test('recipients go in groups that fit a line, in their order, each once', () =>
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 300 }), { maxLength: 60 }), (all) => {
        const made = groups(all);
        assert.deepEqual(made.flat(), all);
        for (const group of made) {
          assert.ok(group.length > 0);
          assert.ok(group.length === 1 || Buffer.byteLength(group.join('   ')) <= 800);
        }
      }),
    ));
});
