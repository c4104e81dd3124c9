import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { showProblem } from './config.ts';
import { parseConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
writeFileSync(join(folder, 'secret'), 'hunter2\n');
writeFileSync(join(folder, 'empty'), '');
const FILE = join(folder, 'restante.yaml');
const BASE = 'hostname: mx2.example.net\n';
const SITE = 'sites:\n  acme:\n    domains: [acme.example]\n';

/** "LINE:COLUMN: text" for each problem. */
function problems(text: string): string[] {
  const loaded = parseConfig(text, FILE);
  return loaded.kind === 'ok' ? [] : loaded.problems.map((p) => showProblem(p).slice(FILE.length + 1));
}

/** A site with these lines below its domains, each at column 5; the first is line 5. */
const withSite = (...lines: string[]) => `${BASE}${SITE}${lines.map((line) => `    ${line}\n`).join('')}`;
/** These lines behind the hostname, the first is line 2. */
const withTop = (...lines: string[]) => `${BASE}${lines.join('\n')}\n${SITE}`;

describe('problems of a configuration', () => {
  // What is written, and all that is said about it.
  const table: [string, string, RegExp[]][] = [
    ['an empty file', '', [/^1:1: is empty: hostname and sites are expected$/]],
    ['a file of comments', '# nothing\n', [/^\d:1: is empty/]],
    ['no map at all', 'hello\n', [/^1:1: a map with hostname.* is expected, not the text "hello"$/]],
    [
      'a missing hostname',
      SITE,
      [/^1:1: hostname: is missing: a host name such as mx2.example.net is expected$/],
    ],
    ['missing sites', BASE, [/^1:1: sites: is missing: a map of sites/]],
    ['a key without its value', withTop('peers:'), [/^2:1: peers: has no value: .* or leave the key out$/]],
    [
      'a login twice',
      withSite('logins: [a, b, a]'),
      [/^5:20: sites.acme.logins\[2\]: a stands in this list/],
    ],
    ['an empty login', withSite('logins: [""]'), [/^5:14: sites.acme.logins\[0\]: is empty, longer/]],
    [
      'a cleartext network that is none',
      withTop('auth: { cleartext: [lan] }'),
      [/^2:21: auth.cleartext\[0\]: "lan" is no network/],
    ],
    ['a mistyped key', withTop('spol: /x'), [/^2:1: spol: unknown key "spol": did you mean "spool"\?$/]],
    [
      'a mistyped key in a site',
      withSite('domain: x'),
      [/^5:5: sites.acme.domain: unknown key "domain": did you mean "domains"\?$/],
    ],
    ['a hyphen for an underscore', withSite('while-up: accept'), [/did you mean "while_up"/]],
    [
      'a key that nothing is near to',
      withTop('zzz: 1'),
      [/^2:1: zzz: unknown key "zzz": hostname, spool, .* or sites can stand here$/],
    ],
    [
      'a key twice',
      withTop('spool: /a', 'spool: /b'),
      [/^3:1: this key stands here twice: one of them has to go$/],
    ],
    [
      'a site twice',
      `${BASE}${SITE}  acme: { domains: [b.example] }\n`,
      [/^5:3: this key stands here twice/],
    ],
    ['a tab', `${BASE}sites:\n\tacme: {}\n`, [/^3:1: a tab: YAML is indented with spaces$/]],
    ['a bracket left open', withTop('peers: [1.2.3.4'), [/^\d+:\d+: not YAML: /]],
    ['two documents', `${BASE}${SITE}---\na: b\n`, [/^5:1: a second document/]],
    ['an alias of nothing', withTop('spool: *nobody'), [/nobody/]],
    [
      'a number for a name',
      withTop().replace('mx2.example.net', '25'),
      [/^1:11: hostname: a host name .* not the number 25$/],
    ],
    [
      'a short hostname',
      withTop().replace('mx2.example.net', 'mx2'),
      [/^1:11: hostname: "mx2" is not a full host name: .*mx2\.example\.net$/],
    ],
    [
      'a hostname with an underscore',
      withTop().replace('mx2', 'mx_2'),
      [/^1:11: hostname: "mx_2.example.net" is not a host name: .*\("mx_2"\)$/],
    ],
    [
      'an address as hostname',
      withTop().replace('mx2.example.net', '192.0.2.1'),
      [/is an IP address, not a host name/],
    ],
    ['a database', withTop('spool: postgres://x/y'), [/^2:8: spool: a database is not in this version/]],
    [
      'a spool too deep for a socket',
      withTop(`spool: /${'x'.repeat(100)}`),
      [/^2:8: spool: .* is too long for a socket in it: 101 octets, at most 99$/],
    ],
    [
      'a port alone',
      withTop('listen: { smtp: [25] }'),
      [/^2:18: listen.smtp\[0\]: "address:port" in quotes.* not the number 25$/],
    ],
    ['a port out of range', withTop('listen: { smtp: ["0.0.0.0:65536"] }'), [/^2:18: .*"65536" is no port/]],
    [
      'a name to listen at',
      withTop('listen: { smtp: ["mx2:25"] }'),
      [/"mx2" is no IP address; "0.0.0.0:25" and/],
    ],
    [
      'an address out of range',
      withTop('listen: { smtp: ["127.0.0.256:25"] }'),
      [/"127.0.0.256" is no IP address/],
    ],
    [
      'the same listener twice',
      withTop('listen: { smtp: ["127.0.0.1:25", "127.0.0.1:25"] }'),
      [/^2:34: listen.smtp\[1\]: .* already$/],
    ],
    [
      'an address of two protocols',
      withTop('listen: { pop3: ["127.0.0.1:110"], pop3s: ["127.0.0.1:110"] }'),
      [/^2:44: .*127.0.0.1 port 110 stands at listen.pop3 already$/],
    ],
    [
      'a mailbox that nobody could fetch',
      withSite('collect: mailbox'),
      [/^5:14: sites.acme.collect: needs an address at listen.pop3 or listen.pop3s/],
    ],
    [
      'a mailbox for a site that is pushed to',
      withSite('mailbox: { copies: each }'),
      [/^5:14: sites.acme.mailbox: is for "collect: mailbox"$/],
    ],
    [
      'a site that could not call by ODMR',
      withSite('collect: odmr'),
      [/^5:14: sites.acme.collect: needs an address at listen.odmr/],
    ],
    [
      'a token without a listener',
      withSite(`token: ${'a'.repeat(64)}`),
      [/^5:12: sites.acme.token: needs an address at listen.call/],
    ],
    ['a token in clear', withSite('token: secret'), [/^5:12: sites.acme.token: .*is no SHA-256/]],
    [
      'a limit for a thin link on a site that is pushed to',
      withSite('largest: 1MB'),
      [/^5:14: sites.acme.largest: is for sites that call/],
    ],
    [
      'a caller that never calls',
      withSite('primary: caller', 'expect: { ehlo: mail.acme.example }'),
      [/^5:14: sites.acme.primary: needs a call/],
    ],
    [
      'mail pushed to wherever a site once was',
      withSite('primary: caller', 'etrn: { callers: auth }'),
      [/^5:14: sites.acme.primary: would give mail to whoever has the address/],
    ],
    ['nobody who may call', withSite('etrn: { callers: [] }'), [/^5:22: sites.acme.etrn.callers: /]],
    ['no listener', withTop('listen: { smtp: [] }'), [/^2:17: listen.smtp: is empty: without/]],
    [
      'a listener of a later version',
      withTop('listen: { console: ["127.0.0.1:8025"] }'),
      [/^2:11: listen.console: "console" is not in this version/],
    ],
    [
      'a missing certificate',
      withTop('tls: [{ cert: no.pem, key: secret }]'),
      [/^2:15: tls\[0\].cert: there is no file .*no\.pem$/],
    ],
    ['half a certificate', withTop('tls: [{ cert: secret }]'), [/^2:\d+: tls\[0\].key: is missing/]],
    ['a resolver by name', withTop('resolver: [dns.example.net]'), [/"dns.example.net" is no IP address/]],
    [
      'host bits in a network',
      withTop('peers: [192.0.2.1/24]'),
      [/^2:9: peers\[0\]: .*inside the network 192.0.2.0\/24: which one/],
    ],
    ['too many bits', withTop('peers: [192.0.2.0/33]'), [/number of bits is from 0 to 32/]],
    ['an address that is none', withTop('postmaster: nobody'), [/^2:13: postmaster: "nobody" is no address/]],
    [
      'a notice to nobody',
      withTop('notices: { allow: ["a b@c.example"] }'),
      [/^2:20: notices.allow\[0\]: .* before the @/],
    ],
    [
      'a bare number of time',
      withSite('hold: "30"'),
      [/^5:11: sites.acme.hold: "30" is no duration: .* 30s, 30m, 30h or 30d$/],
    ],
    [
      'a number for a time',
      withSite('hold: 30'),
      [/^5:11: sites.acme.hold: a duration such as .* not the number 30$/],
    ],
    ['an unknown unit of time', withSite('probe: 5 fortnights'), [/"5 fortnights" is no duration/]],
    ['a time of nothing', withSite('hold: 0s'), [/too short/]],
    ['an age of the world', withSite('hold: 99999d'), [/too long: at most 3650d/]],
    ['a size that is none', withTop('limits: { size: big }'), [/^2:17: limits.size: "big" is no size/]],
    ['a negative size', withTop('limits: { size: -5 }'), [/limits.size: must be at least 1/]],
    [
      'too few recipients',
      withTop('limits: { recipients: 50 }'),
      [/^2:23: limits.recipients: must be at least 100$/],
    ],
    ['half a connection', withSite('connections: 1.5'), [/a whole number from 1 to 100 is expected/]],
    [
      'an unknown level',
      withTop('log: { level: inf }'),
      [/^2:15: log.level: "inf" is not known: did you mean "info"\?/],
    ],
    [
      'domains as one word',
      `${BASE}sites: { a: { domains: a.example } }\n`,
      [/^2:24: sites.a.domains: a list of domains.* not the text "a.example"$/],
    ],
    ['no domains', `${BASE}sites: { a: { domains: [] } }\n`, [/is empty: a site has at least one domain/]],
    ['a site without anything', `${BASE}sites:\n  a:\n`, [/^3:3: sites.a: has no value: a map with domains/]],
    [
      'a star',
      `${BASE}sites: { a: { domains: ["*.a.example"] } }\n`,
      [/^2:25: .*a leading dot means all below/],
    ],
    [
      'an address for a domain',
      `${BASE}sites: { a: { domains: [bob@a.example] } }\n`,
      [/is an address, not a domain/],
    ],
    [
      'odd characters in a domain',
      `${BASE}sites: { a: { domains: [a..example] } }\n`,
      [/is not a domain: labels are/],
    ],
    [
      'a literal for a domain',
      `${BASE}sites: { a: { domains: ["[192.0.2.1]"] } }\n`,
      [/is an IP address, not a domain/],
    ],
    [
      'a whole public suffix',
      `${BASE}sites: { a: { domains: [.co.uk, com] } }\n`,
      [/\.co\.uk is a public suffix/, /com is a public suffix/],
    ],
    [
      'a domain claimed twice, however it is written',
      `${BASE}sites:\n  a: { domains: [bücher.example, .a.example] }\n  b: { domains: [XN--BCHER-KVA.example., .A.example] }\n`,
      [
        /^4:18: sites.b.domains\[0\]: xn--bcher-kva.example belongs to the site "a" already/,
        /^4:42: .*\.a\.example belongs to the site "a"/,
      ],
    ],
    [
      'a domain twice in one site',
      `${BASE}sites: { a: { domains: [a.example, a.example] } }\n`,
      [/^2:36: .* in this list already$/],
    ],
    [
      'our own hostname as a domain',
      `${BASE}sites: { a: { domains: [mx2.example.net] } }\n`,
      [/is our own hostname/],
    ],
    [
      'the reserved name',
      `${BASE}sites:\n  operator: { domains: [a.example] }\n`,
      [/^3:3: sites.operator: "operator" is the name of a queue of our own/],
    ],
    [
      'a name with odd characters',
      `${BASE}sites:\n  "a b": { domains: [a.example] }\n`,
      [/^3:3: sites.a b: "a b" is no name for a site/],
    ],
    [
      'a way that there is not',
      withSite('collect: pigeon'),
      [/^5:14: sites.acme.collect: "pigeon" is not known/],
    ],
    [
      'a roster that says nothing',
      withSite('recipients: { delimiter: "-" }'),
      [/^5:17: sites.acme.recipients: says nothing: file, http or verify is expected$/],
    ],
    [
      'a word where verify is',
      withSite('recipients: { verify: primary }'),
      [/true, or \{ good: 31d.* expected/],
    ],
    [
      'a rule for those who can not be unknown',
      withSite('recipients: { file: restante.yaml, unknown: accept }'),
      [/there is no file/, /^5:49: sites.acme.recipients.unknown: is for "verify: true"/],
    ],
    [
      'a list in clear from afar',
      withSite('recipients: { http: "http://a.example/list" }'),
      [/^5:25: sites.acme.recipients.http: .* https is expected/],
    ],
    ['no URL', withSite('recipients: { http: a.example }'), [/"a.example" is no https URL/]],
    ['a password in a URL', withSite('recipients: { http: "https://a:b@a.example/" }'), [/holds a password/]],
    [
      'a token without a server',
      withSite('recipients: { verify: true, token: x }'),
      [/^5:40: sites.acme.recipients.token: goes with "http"$/],
    ],
    [
      'a server that is asked all the time',
      withSite('recipients: { http: "https://a.example/", every: 5s }'),
      [/is too often: at least 1m/],
    ],
    [
      'two tokens',
      withSite('recipients: { http: "https://a.example/", token: x, token_file: no }'),
      [/one of both/],
    ],
    [
      'a delimiter that is a letter',
      withSite('recipients: { verify: true, delimiter: x }'),
      [/no delimiter/],
    ],
    [
      'verification of a site that calls by POP3',
      withSite('collect: mailbox', 'recipients: verify'),
      [/listen.pop3/, /verify is for sites with a primary that can be asked, not for "collect: mailbox"/],
    ],
    [
      'an answer for a primary that is up, of a site that calls',
      withSite('while_up: defer', 'collect: etrn'),
      [/^5:15: sites.acme.while_up: is for "collect: push"/],
    ],
    [
      'a client for a primary that we never speak to',
      withSite('pass_client: xclient', 'collect: odmr'),
      [/^5:18: sites.acme.pass_client: is for sites that are handed over to, by push or etrn/, /listen.odmr/],
    ],
    [
      'a missing file of recipients',
      withSite('recipients: { file: no.txt }'),
      [/^5:25: sites.acme.recipients.file: there is no file .*no\.txt$/],
    ],
    ['a folder of recipients', withSite('recipients: { file: . }'), [/is not a file$/]],
    [
      'recipients that are neither',
      withSite('recipients: all'),
      [/^5:17: sites.acme.recipients: "all" is not known: .*any/],
    ],
    [
      'warnings that do not rise',
      withSite('warn: [4d, 4h]'),
      [/^5:16: sites.acme.warn\[1\]: ages have to rise/],
    ],
    [
      'a warning after the failure',
      withSite('hold: 3d', 'warn: [4h, 3d]'),
      [/^6:16: sites.acme.warn\[1\]: is not below hold/],
    ],
    [
      'unknown TLS',
      withSite('tls: verfy'),
      [/^5:10: sites.acme.tls: "verfy" is not known: did you mean "verify"\?/],
    ],
    ['a bad fingerprint', withSite('tls: { fingerprint: abc }'), [/^5:25: .*64 hex digits/]],
    ['two expectations', withSite('expect: { ehlo: a.example, fingerprint: abc }'), [/sites.acme.expect/]],
    [
      'a fingerprint without TLS',
      withSite('tls: none', `expect: { fingerprint: ${'ab'.repeat(32)} }`),
      [/^6:28: .*cannot be seen with "tls: none"/],
    ],
    [
      'a bad port of a primary',
      withSite('primary: "mail.acme.example:0"'),
      [/^5:14: sites.acme.primary: .*"0" is no port/],
    ],
    [
      'a bad host in a list',
      withSite('primary: [mail.acme.example, "a b"]'),
      [/^5:34: sites.acme.primary\[1\]: "a b" is not a host name/],
    ],
    [
      'ourselves as primary',
      withSite('primary: mx2.example.net'),
      [/^5:14: sites.acme.primary: mx2.example.net:25 is this very server/],
    ],
    [
      'a smart host with a password in clear',
      withTop('outbound: { host: a.example, user: u, password: p, tls: may }'),
      [/^2:57: outbound.tls: would show the password/],
    ],
    [
      'a user without a password',
      withTop('outbound: { host: a.example, user: u }'),
      [/outbound.user: needs a password/],
    ],
    [
      'a missing password file',
      withTop('outbound: { host: a.example, user: u, password_file: no }'),
      [/there is no file .*no$/],
    ],
    [
      'an empty password file',
      withTop('outbound: { host: a.example, user: u, password_file: empty }'),
      [/has no first line/],
    ],
  ];
  for (const [what, text, said] of table) {
    test(`is told where it is and what is meant: ${what}`, () => {
      const found = problems(text);
      assert.equal(found.length, said.length, found.join('\n'));
      said.forEach((pattern, i) => {
        assert.match(found[i] ?? '', pattern);
      });
    });
  }
});
