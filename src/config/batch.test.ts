import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR, MINUTE } from '../base/clock.ts';
import { showProblem } from './config.ts';
import { parseConfig } from './load.ts';

const FILE = '/etc/restante/restante.yaml';
const file = (...lines: string[]) =>
  [
    'hostname: mx2.example.net',
    'sites:',
    '  acme:',
    '    domains: [acme.example, .acme.example]',
    ...lines.map((line) => `    ${line}`),
    '',
  ].join('\n');

function site(...lines: string[]) {
  const loaded = parseConfig(file(...lines), FILE);
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  const [one] = loaded.config.sites;
  assert.ok(one);
  return one;
}

function commandOf(batch: string): string {
  const { collect } = site('collect: batch', `batch: ${batch}`);
  assert.ok(collect.kind === 'batch');
  return collect.batch.command.join(' ');
}

function problems(...lines: string[]): string[] {
  const loaded = parseConfig(file(...lines), FILE);
  return loaded.kind === 'ok' ? [] : loaded.problems.map((p) => showProblem(p).slice(FILE.length + 1));
}

const COMMANDS: readonly (readonly [string, string])[] = [
  ['{ uucp: leaf }', 'uux -p -r -n leaf!rmail ({recipients})'],
  [
    '{ uucp: leaf, config: uucp/config }',
    'uux -I /etc/restante/uucp/config -p -r -n leaf!rmail ({recipients})',
  ],
  ['{ uucp: leaf, form: bsmtp }', 'uux -p -r -n leaf!rcsmtp'],
  ['{ uucp: leaf, form: bsmtp, compress: none }', 'uux -p -r -n leaf!rsmtp'],
  ['{ nncp: leaf }', 'nncp-exec -quiet leaf rmail {recipients}'],
  ['{ nncp: leaf, config: /etc/n.hjson, form: bsmtp }', 'nncp-exec -cfg /etc/n.hjson -quiet leaf rsmtp'],
  ['{ nncp: leaf, form: bsmtp, compress: zstd }', 'nncp-exec -quiet leaf rcsmtp'],
  ['{ command: [ssh, leaf, rmail, "{recipients}"] }', 'ssh leaf rmail {recipients}'],
  ['{ command: [cp, "{file}", /mnt/usb/], form: bsmtp }', 'cp {file} /mnt/usb/'],
];

const WRONG: readonly (readonly [string, string, RegExp])[] = [
  ['no command', '{ size: 1MB }', /needs one of uucp, nncp and command/],
  ['two commands', '{ uucp: a, nncp: b }', /needs one of uucp, nncp and command/],
  ['a system that is an option', '{ uucp: "-x9" }', /"-x9" is no name of a system or node/],
  ['a system with a path', '{ uucp: "a!b" }', /"a!b" is no name/],
  ['rmail to nobody', '{ command: [rmail] }', /says nowhere who gets the mail/],
  ['recipients of a batch', '{ command: [x, "{recipients}"], form: bsmtp }', /a batch has many/],
  ['an unknown place', '{ command: [x, "{recipient}", "{recipients}"] }', /\{recipient\} is not known/],
  [
    'a program that a mail chooses',
    '{ command: ["{sender}", "{recipients}"] }',
    /the program itself is fixed/,
  ],
  ['a compressed rmail', '{ uucp: leaf, compress: gzip }', /rmail takes mail as it is/],
  [
    'a configuration of nothing',
    '{ command: [x, "{recipients}"], config: y }',
    /here it is a word of the command/,
  ],
];

describe('batch and send in the configuration', () => {
  for (const [written, words] of COMMANDS) {
    test(`${written} runs ${words}`, () => assert.equal(commandOf(written), words));
  }

  for (const [claim, written, told] of WRONG) {
    test(`refused: ${claim}`, () => {
      const found = problems('collect: batch', `batch: ${written}`);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', told);
    });
  }

  test('a batch without its command is refused', () => {
    assert.match(problems('collect: batch').join('\n'), /^5:14: sites.acme.collect: needs the command/);
  });

  test('what is not written has the value of the reference', () => {
    const { collect } = site('collect: batch', 'batch: { uucp: leaf }');
    assert.ok(collect.kind === 'batch');
    const { command: _, ...rest } = collect.batch;
    const times = { every: HOUR, timeout: 10 * MINUTE };
    const bounds = { size: 1_000_000, count: 100, ...times };
    assert.deepEqual(rest, { form: 'rmail', compress: 'none', words: 'shell', ...bounds });
  });

  test('who brings its mail is the system that it is given to, or who is named', () => {
    assert.deepEqual(site('batch: { uucp: leaf }').neighbour, { by: 'uucp', name: 'leaf' });
    assert.deepEqual(site('batch: { nncp: a, from: { nncp: ABC } }').neighbour, { by: 'nncp', name: 'ABC' });
    assert.deepEqual(site('batch: { from: { uucp: leaf } }').neighbour, { by: 'uucp', name: 'leaf' });
    assert.equal(site('batch: { command: [x, "{recipients}"] }').neighbour, undefined);
  });

  test('a neighbour belongs to one site', () => {
    const two = `${file('batch: { uucp: leaf }')}  other: { domains: [b.example], batch: { uucp: LEAF } }\n`;
    const loaded = parseConfig(two, FILE);
    assert.ok(loaded.kind === 'bad');
    assert.match(loaded.problems[0]?.text ?? '', /brings the mail of the site "acme" already/);
  });

  test('a site sends nothing unless it is said; then from its own domains to anybody', () => {
    assert.equal(site().send, undefined);
    assert.equal(site('send: false').send, undefined);
    const domains = ['acme.example', '.acme.example'];
    assert.deepEqual(site('send: true').send, { domains, to: 'any', networks: [] });
    assert.deepEqual(site('send: { domains: [b.example], to: sites, from: [192.0.2.0/24] }').send, {
      domains: ['b.example'],
      to: 'sites',
      networks: ['192.0.2.0/24'],
    });
    assert.match(problems('send: 3')[0] ?? '', /true, or \{ domains/);
  });
});
