import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE } from '../base/clock.ts';
import { showProblem } from './config.ts';
import { loadConfig, parseConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
writeFileSync(join(folder, 'acme.txt'), 'bob@acme.example\n');
writeFileSync(join(folder, 'secret'), 'hunter2\nsecond line\n');
writeFileSync(join(folder, 'empty'), '');
const FILE = join(folder, 'restante.yaml');
const BASE = 'hostname: mx2.example.net\n';
const SITE = 'sites:\n  acme:\n    domains: [acme.example]\n';

/** "LINE:COLUMN: text" for each problem. */
function problems(text: string): string[] {
  const loaded = parseConfig(text, FILE);
  return loaded.kind === 'ok' ? [] : loaded.problems.map((p) => showProblem(p).slice(FILE.length + 1));
}

function good(text: string) {
  const loaded = parseConfig(text, FILE);
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  return loaded.config;
}

/** A site with these lines below its domains, each at column 5; the first is line 5. */
const withSite = (...lines: string[]) => `${BASE}${SITE}${lines.map((line) => `    ${line}\n`).join('')}`;
/** These lines behind the hostname, the first is line 2. */
const withTop = (...lines: string[]) => `${BASE}${lines.join('\n')}\n${SITE}`;

describe('configuration', () => {
  test('a hostname and one site with domains is enough; all else has a default', () => {
    const config = good(BASE + SITE);
    assert.equal(config.spool, '/var/spool/restante');
    assert.deepEqual(config.listen.smtp, [
      { host: '0.0.0.0', port: 25 },
      { host: '::', port: 25 },
    ]);
    assert.deepEqual(config.sites, [
      {
        name: 'acme',
        domains: ['acme.example'],
        collect: { kind: 'push' },
        primary: { kind: 'mx' },
        tls: { kind: 'may' },
        recipients: {
          kind: 'roster',
          lists: [],
          verify: { good: 31 * DAY, bad: 3 * HOUR, unknown: 'return' },
          delimiter: '+',
        },
        whileUp: 'accept',
        passClient: 'none',
        hold: 30 * DAY,
        warn: [4 * HOUR, 4 * DAY],
        connections: 10,
        probe: MINUTE,
      },
    ]);
    assert.ok(Object.isFrozen(config.sites[0]?.domains));
  });

  test('a mailbox is one copy under X-Envelope-To unless told otherwise, and warns nobody of a delay', () => {
    const listen = 'listen: { pop3s: ["0.0.0.0"] }\n';
    const usual = good(`${BASE}${listen}${SITE}    collect: mailbox\n`);
    assert.deepEqual(usual.listen.pop3s, [{ host: '0.0.0.0', port: 995 }]);
    const [acme] = usual.sites;
    assert.deepEqual(acme?.collect, { kind: 'mailbox', copies: 'one', field: 'X-Envelope-To' });
    assert.deepEqual(acme?.warn, []);
    const section = '    collect: mailbox\n    mailbox: { copies: each, field: Delivered-To }\n';
    const [other] = good(`${BASE}${listen}${SITE}${section}`).sites;
    assert.deepEqual(other?.collect, { kind: 'mailbox', copies: 'each', field: 'Delivered-To' });
  });

  test('a site that calls warns nobody of a delay, and takes ETRN from anybody, unless told otherwise', () => {
    const [usual] = good(withSite('collect: etrn')).sites;
    assert.deepEqual(usual?.collect, { kind: 'etrn' });
    assert.deepEqual(usual?.warn, []);
    assert.deepEqual(usual?.etrn, { callers: 'any' });
    const [other] = good(
      withSite(
        'collect: etrn',
        'etrn: { callers: [192.0.2.0/24] }',
        'primary: caller:2525',
        'order: size',
        'largest: 1MB',
        'warn: [4h]',
      ),
    ).sites;
    assert.deepEqual(other?.etrn, { callers: ['192.0.2.0/24'] });
    assert.deepEqual(other?.primary, { kind: 'caller', port: 2525 });
    assert.deepEqual([other?.order, other?.largest, other?.warn], ['size', 1_000_000, [4 * HOUR]]);
    const odmr = 'listen: { odmr: ["127.0.0.1"] }\n';
    const { listen, sites } = good(`${BASE}${odmr}${SITE}    collect: odmr\n`);
    assert.deepEqual(listen.odmr, [{ host: '127.0.0.1', port: 366 }]);
    assert.equal(sites[0]?.etrn, undefined);
  });

  test('recipients: all that is asked, lists that are complete, and who cannot be asked', () => {
    const of = (...lines: string[]) => good(withSite(...lines)).sites[0]?.recipients;
    assert.deepEqual(of('recipients: any'), { kind: 'any' });
    assert.deepEqual(of('collect: etrn'), { kind: 'any' });
    const usual = { good: 31 * DAY, bad: 3 * HOUR, unknown: 'return' };
    assert.deepEqual(of('collect: etrn', 'recipients: verify'), of());
    assert.deepEqual(of('recipients: { verify: true, unknown: accept, delimiter: "" }'), {
      kind: 'roster',
      lists: [],
      verify: { ...usual, unknown: 'accept' },
      delimiter: '',
    });
    const http = 'http: "https://a.example/list", token_file: secret, every: 5m';
    assert.deepEqual(of(`recipients: { file: acme.txt, ${http}, verify: { good: 7d } }`), {
      kind: 'roster',
      lists: [
        { kind: 'file', path: join(folder, 'acme.txt') },
        { kind: 'http', url: 'https://a.example/list', token: 'hunter2', every: 5 * MINUTE },
      ],
      verify: { ...usual, good: 7 * DAY },
      delimiter: '+',
    });
  });

  test('every key is understood', () => {
    const config = good(`
hostname: MX2.Example.NET.
spool: spool
also: { names: [bücher.example], addresses: ["::ffff:203.0.113.9", "2001:DB8:0::1"] }
listen: { smtp: ["127.0.0.1:2525", "[::1]:2525"] }
tls: [{ cert: acme.txt, key: secret }]
resolver: ["127.0.0.1", "[::1]:5353"]
peers: [198.51.100.7, 192.0.2.0/24, "2001:db8::/32"]
outbound: { host: smtp.example.net, user: us, password_file: secret }
notices: { allow: [Ann@Example.ORG, .bücher.example, example.com], undeliverable: 90d }
postmaster: ops@example.net
limits: { size: 64 KiB, connections: 5, connections_per_client: 2, recipients: 100, reserve: 1.5GB, spool: 20000000 }
log: { level: warn }
sites:
  acme:
    domains: [ACME.example, .acme.example, bücher.example]
    collect: push
    primary: [mail.acme.example, "192.0.2.1:2525", "[2001:db8::1]:26", "2001:db8::2"]
    tls: { fingerprint: "${'AB:'.repeat(31)}AB" }
    expect: { ehlo: mail.acme.example }
    recipients: { file: acme.txt }
    while_up: accept
    pass_client: xforward
    hold: 2w
    warn: [90s]
    connections: 3
    probe: 30s
  other: { domains: [other.example], primary: 192.0.2.9, tls: none, warn: [] }
`);
    assert.equal(config.hostname, 'mx2.example.net');
    assert.equal(config.spool, join(folder, 'spool'));
    assert.deepEqual(config.also, {
      names: ['xn--bcher-kva.example'],
      addresses: ['203.0.113.9', '2001:db8::1'],
    });
    assert.deepEqual(config.tls, [{ cert: join(folder, 'acme.txt'), key: join(folder, 'secret') }]);
    assert.deepEqual(config.resolver, [
      { host: '127.0.0.1', port: 53 },
      { host: '::1', port: 5353 },
    ]);
    assert.deepEqual(config.peers, ['198.51.100.7/32', '192.0.2.0/24', '2001:db8::/32']);
    assert.deepEqual(config.outbound, {
      kind: 'smarthost',
      host: 'smtp.example.net',
      port: 587,
      tls: { kind: 'verify' },
      auth: { user: 'us', password: 'hunter2' },
    });
    assert.deepEqual(config.notices, {
      allow: ['Ann@example.org', '.xn--bcher-kva.example', 'example.com'],
      undeliverable: 90 * DAY,
    });
    assert.deepEqual(config.limits, {
      size: 65536,
      connections: 5,
      connectionsPerClient: 2,
      connectionsPerNetwork: 400,
      recipients: 100,
      reserve: 1.5e9,
      spool: 2e7,
    });
    const [acme, other] = config.sites;
    assert.deepEqual(acme?.domains, ['acme.example', '.acme.example', 'xn--bcher-kva.example']);
    assert.deepEqual(acme?.primary, {
      kind: 'hosts',
      hosts: [
        { host: 'mail.acme.example', port: 25 },
        { host: '192.0.2.1', port: 2525 },
        { host: '2001:db8::1', port: 26 },
        { host: '2001:db8::2', port: 25 },
      ],
    });
    assert.equal(acme?.passClient, 'xforward');
    assert.deepEqual(acme?.tls, { kind: 'fingerprint', sha256: ['ab'.repeat(32)] });
    assert.deepEqual(acme?.recipients, {
      kind: 'roster',
      lists: [{ kind: 'file', path: join(folder, 'acme.txt') }],
      delimiter: '+',
    });
    assert.deepEqual(other?.primary, { kind: 'hosts', hosts: [{ host: '192.0.2.9', port: 25 }] });
    assert.deepEqual(other?.warn, []);
  });

  test('logins: of a site, its secrets, and from where passwords come in clear', () => {
    const usual = good(withSite());
    assert.equal(usual.secrets, '/var/spool/restante/secrets');
    assert.deepEqual(usual.auth.cleartext, []);
    assert.equal(usual.sites[0]?.logins, undefined);
    const written = good(
      `${withSite('logins: [acme, Acme.example]')}secrets: kept/logins\nauth: { cleartext: [10.0.0.0/8] }\n`,
    );
    assert.equal(written.secrets, join(folder, 'kept/logins'));
    assert.deepEqual(written.auth.cleartext, ['10.0.0.0/8']);
    assert.deepEqual(written.sites[0]?.logins, ['acme', 'Acme.example']);
  });

  test('the usual warnings yield to a short hold', () => {
    assert.deepEqual(good(withSite('hold: 2d')).sites[0]?.warn, [4 * HOUR]);
  });

  test('a smart host can be named in one word', () => {
    const { outbound } = good(withTop('outbound: relay.example.net:2587'));
    assert.deepEqual(outbound, {
      kind: 'smarthost',
      host: 'relay.example.net',
      port: 2587,
      tls: { kind: 'may' },
    });
  });

  test('all that is wrong is told at once, in order of lines', () => {
    const found = problems('hostname: mx2\nspol: x\nsites:\n  a: { domains: [a@b], hold: 1 }\n');
    assert.deepEqual(
      found.map((p) => p.split(': ', 1)[0]),
      ['1:11', '2:1', '4:18', '4:30'],
    );
  });

  test('a file that is not there, or is a folder, is a problem and no fault', () => {
    const missing = loadConfig(join(folder, 'nowhere.yaml'));
    assert.match(
      missing.kind === 'bad' ? showProblem(missing.problems[0] ?? assert.fail()) : '',
      /nowhere.yaml:1:1: cannot be read: no such file$/,
    );
    assert.equal(loadConfig(folder).kind, 'bad');
  });

  test('a file that may not be read is told', { skip: process.getuid?.() === 0 }, () => {
    writeFileSync(join(folder, 'locked'), 'x');
    chmodSync(join(folder, 'locked'), 0);
    assert.match(problems(withSite('recipients: { file: locked }'))[0] ?? '', /permission denied$/);
  });

  test('the example is good', () => {
    const example = loadConfig(join(import.meta.dirname, '../../examples/restante.yaml'));
    assert.equal(example.kind, 'ok');
  });
});
