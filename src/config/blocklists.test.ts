import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SECOND } from '../base/clock.ts';
import { codeOf } from './blocklist-schema.ts';
import { showProblem } from './config.ts';
import { parseConfig } from './load.ts';

const FILE = '/etc/restante/restante.yaml';
const load = (blocklists: string) =>
  parseConfig(
    `hostname: mx2.example.net\nblocklists: ${blocklists}\nsites: { a: { domains: [a.example] } }\n`,
    FILE,
  );

function good(blocklists: string) {
  const loaded = load(blocklists);
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  return loaded.config.blocklists;
}

function problems(blocklists: string): string[] {
  const loaded = load(blocklists);
  return loaded.kind === 'ok' ? [] : loaded.problems.map((p) => showProblem(p).slice(FILE.length + 1));
}

const FOUR = { sort: 'ipv4', listed: '127.0.0.2', clean: '127.0.0.1' };
const SIX = { sort: 'ipv6', listed: '::ffff:7f00:2', clean: '::ffff:7f00:1' };
const NAME = { sort: 'name', listed: 'test', clean: 'invalid' };

describe('blocklists in the configuration', () => {
  test('a list of names is enough: addresses of IPv4, any one denies', () => {
    assert.deepEqual(good('[zen.example.org, Other.Example.]'), {
      lists: ['zen.example.org', 'other.example'].map((zone) => ({
        use: 'block',
        zone,
        kinds: ['address'],
        points: [FOUR],
        codes: [],
        weight: 1,
      })),
      threshold: 1,
      action: 'reject',
      deadline: 5 * SECOND,
    });
    assert.deepEqual(good('[]').lists, []);
  });

  test('the long form, with names beside maps, and allow lists', () => {
    const built = good(
      '{ lists: [zen.example.org, { zone: dbl.example.org, kind: [helo, sender], weight: 2 }], allow: [dnswl.example.org], threshold: 2, action: defer, deadline: 3s }',
    );
    assert.deepEqual(
      built.lists.map(({ use, zone, kinds, weight }) => [use, zone, kinds, weight]),
      [
        ['block', 'zen.example.org', ['address'], 1],
        ['block', 'dbl.example.org', ['helo', 'sender'], 2],
        ['allow', 'dnswl.example.org', ['address'], 0],
      ],
    );
    assert.deepEqual([built.threshold, built.action, built.deadline], [2, 'defer', 3 * SECOND]);
  });

  test('test points are by kind, or as configured', () => {
    const points = (list: string) => good(`[{ zone: x.example, ${list} }]`).lists[0]?.points;
    assert.deepEqual(points('families: [ipv4, ipv6]'), [FOUR, SIX]);
    assert.deepEqual(points('families: ipv6'), [SIX]);
    assert.deepEqual(points('kind: sender'), [NAME]);
    assert.deepEqual(points('kind: [address, client-name]'), [FOUR, NAME]);
    const own = { sort: 'name', listed: 'dbltest.example', clean: 'example.net' };
    assert.deepEqual(points('kind: [address, helo], test: { listed: DBLtest.example, clean: example.net }'), [
      FOUR,
      own,
    ]);
    assert.deepEqual(
      points(
        'families: [ipv4, ipv6], test: [{ listed: 127.0.0.3, clean: 127.0.0.1 }, { listed: "::FFFF:7F00:3", clean: "::1" }]',
      ),
      [
        { ...FOUR, listed: '127.0.0.3' },
        { sort: 'ipv6', listed: '::ffff:7f00:3', clean: '::1' },
      ],
    );
  });

  test('codes are ranges', () => {
    const [list] = good(
      '[{ zone: x.example, codes: [127.0.0.2, 127.0.0.4-127.0.1.255, 127.0.2.2-11] }]',
    ).lists;
    assert.deepEqual(list?.codes, [
      { from: codeOf('127.0.0.2'), to: codeOf('127.0.0.2') },
      { from: codeOf('127.0.0.4'), to: codeOf('127.0.1.255') },
      { from: codeOf('127.0.2.2'), to: codeOf('127.0.2.11') },
    ]);
  });

  const WRONG: readonly (readonly [string, string, RegExp])[] = [
    [
      'a text',
      'zen.example.org',
      /^2:13: blocklists: a list such as \[zen\.example\.org\], or a map with .* is expected, not the text/,
    ],
    [
      'a name that is none',
      '[zen_example..org]',
      /^2:14: blocklists\[0\]: "zen_example\.\.org" is not a domain/,
    ],
    ['an address', '[192.0.2.1]', /is an IP address, not a domain/],
    ['a leading dot', '[.zen.example.org]', /^2:14: blocklists\[0\]: begins with a dot/],
    [
      'a mistyped key',
      '[{ zone: x.example, code: [] }]',
      /^2:33: blocklists\[0\]\.code: unknown key "code": did you mean "codes"\?/,
    ],
    ['no zone', '[{ weight: 2 }]', /zone: is missing/],
    [
      'a mistyped kind',
      '[{ zone: x.example, kind: adress }]',
      /^2:39: .*kind: "adress" is not known: did you mean "address"\?/,
    ],
    [
      'a mistyped kind in a list',
      '[{ zone: x.example, kind: [helo, sendr] }]',
      /^2:46: .*kind\[1\]: "sendr" is not known: did you mean "sender"/,
    ],
    [
      'a kind that allows nothing',
      '{ lists: [x.example], allow: [{ zone: y.example, kind: helo }] }',
      /"helo" is not known: address or client-name/,
    ],
    [
      'no code',
      '[{ zone: x.example, codes: [127.0.0] }]',
      /^2:41: blocklists\[0\]\.codes\[0\]: "127\.0\.0" is no return code/,
    ],
    ['a code of elsewhere', '[{ zone: x.example, codes: [10.0.0.1] }]', /others are ignored/],
    ['a refusal as a code', '[{ zone: x.example, codes: [127.255.255.0-255] }]', /refuses the question/],
    ['a range backwards', '[{ zone: x.example, codes: [127.0.0.9-2] }]', /ends before it begins/],
    [
      'a threshold that is never reached',
      '{ lists: [x.example], threshold: 2 }',
      /^2:46: blocklists\.threshold: 2 is never reached: all lists together weigh 1$/,
    ],
    ['allow lists alone', '{ allow: [x.example] }', /blocklists\.allow: allow lists exempt/],
    ['a long wait', '{ lists: [x.example], deadline: 5m }', /deadline: is too long/],
    [
      'a pair of two kinds',
      '[{ zone: x.example, test: { listed: 127.0.0.2, clean: invalid } }]',
      /listed and clean are of two kinds/,
    ],
    [
      'a pair of another kind',
      '[{ zone: x.example, test: { listed: test, clean: invalid } }]',
      /^2:39: blocklists\[0\]\.test: the list is not asked about names$/,
    ],
    ['half a pair', '[{ zone: x.example, test: { listed: 127.0.0.2 } }]', /clean: is missing/],
  ];
  for (const [claim, text, problem] of WRONG) {
    test(`is told: ${claim}`, () => {
      const all = problems(text);
      assert.equal(all.length, 1, all.join('\n'));
      assert.match(all[0] ?? '', problem);
    });
  }
});

test('examples/blocklists.yaml and those in docs/blocklists.md can be used', () => {
  const root = join(import.meta.dirname, '../..');
  const page = readFileSync(join(root, 'docs/blocklists.md'), 'utf8');
  const blocks = [...page.matchAll(/```yaml\n([\s\S]+?)```/g)].map((m) => m[1] ?? '');
  assert.ok(blocks.length > 1);
  const frame = 'hostname: mx2.example.net\nsites: { a: { domains: [a.example] } }\n';
  const example = readFileSync(join(root, 'examples/blocklists.yaml'), 'utf8');
  for (const text of [example, ...blocks.map((b) => (b.includes('hostname:') ? b : frame + b))]) {
    const loaded = parseConfig(text, FILE);
    assert.ok(loaded.kind === 'ok', loaded.kind === 'bad' ? loaded.problems.map(showProblem).join('\n') : '');
  }
});
