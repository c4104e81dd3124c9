/** Who may call for whose mail, in every form of name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { site as siteFor } from '../../test/support/lines.ts';
import { type Site, SiteDirectory } from '../site/site.ts';
import { atrnRight, type Caller, etrnRight } from './call.ts';

const site = (name: string, domains: string[], more: Partial<Site> = {}): Site => ({
  ...siteFor(25),
  name,
  domains,
  collect: { kind: 'etrn' },
  etrn: { callers: 'any' },
  ...more,
});
const directory = new SiteDirectory([
  site('acme', ['acme.example', '.acme.example']),
  site('Beta', ['xn--bcher-kva.example', 'beta.example'], { etrn: { callers: 'auth' } }),
  site('gamma', ['.gamma.example'], { etrn: { callers: ['192.0.2.0/24'] } }),
  site('delta', ['delta.example'], { primary: { kind: 'caller', port: 25 } }),
  siteFor(25, { name: 'pushed', domains: ['pushed.example'] }),
  siteFor(25, { name: 'relay', domains: ['relay.example'], collect: { kind: 'odmr' } }),
  siteFor(25, { name: 'relay2', domains: ['relay2.example'], collect: { kind: 'odmr' } }),
]);

const stranger: Caller = { address: '198.51.100.1', tls: false };
const neighbour: Caller = { address: '192.0.2.7', tls: false };
const login = (...sites: string[]): Caller => ({ ...stranger, login: { login: sites[0] ?? '', sites } });
const inTls = (caller: Caller): Caller => ({ ...caller, tls: true });

const short = (right: ReturnType<typeof etrnRight>): string =>
  right.kind === 'no' ? String(right.reply.code) : `${right.site.name}${right.known ? ' known' : ''}`;

describe('ETRN', () => {
  const table: [string, string, Caller, string][] = [
    // Every form of a name.
    ['a domain', 'acme.example', stranger, 'acme'],
    ['any case', 'ACME.Example', stranger, 'acme'],
    ['a trailing dot', 'acme.example.', stranger, 'acme'],
    ['a domain below', 'a.b.acme.example', stranger, 'acme'],
    ['@', '@acme.example', stranger, 'acme'],
    ['@ with a domain that has only others below it', '@gamma.example', neighbour, 'gamma'],
    ['the same without @', 'gamma.example', neighbour, '459'],
    ['#, any case', '#ACME', stranger, 'acme'],
    ['# with a domain', '#acme.example', stranger, '459'],
    ['an A-label', 'XN--BCHER-KVA.example', login('Beta'), 'Beta known'],
    ['a U-label', 'b\u00fccher.example', login('Beta'), 'Beta known'],
    ['a U-label in capitals, with a dot', 'B\u00dcCHER.example.', login('Beta'), 'Beta known'],
    ['# of the same', '#beta', login('Beta'), 'Beta known'],
    // What is no site's.
    ['another domain', 'other.example', stranger, '459'],
    ['a suffix of a domain', 'example', stranger, '459'],
    ['@ and a suffix, which would be all sites', '@example', stranger, '459'],
    ['a domain that only ends like one', 'notacme.example', stranger, '459'],
    ['an address literal', '[192.0.2.1]', stranger, '459'],
    ['no domain', 'acme.example/x', stranger, '459'],
    ['a leading dot', '.acme.example', stranger, '459'],
    ['two dots', 'acme.example..', stranger, '459'],
    // Who.
    ['a stranger where a login is wanted', 'beta.example', stranger, '530'],
    ['a stranger from a listed network', 'x.gamma.example', neighbour, 'gamma'],
    ['a stranger from another', 'x.gamma.example', stranger, '459'],
    ['a login from another', 'x.gamma.example', login('gamma'), 'gamma known'],
    ['a login with several sites', 'x.gamma.example', login('acme', 'gamma'), 'gamma known'],
    // Without a lasting address.
    ['a stranger', 'delta.example', stranger, '530'],
    ['a login in clear', 'delta.example', login('delta'), '530'],
    ['a login in TLS', 'delta.example', inTls(login('delta')), 'delta known'],
    ['another login in TLS', 'delta.example', inTls(login('acme')), '459'],
    // Another way.
    ['a site that is pushed to and takes no ETRN', 'pushed.example', stranger, '458'],
    ['a site that calls by ODMR', 'relay.example', login('relay'), '458'],
  ];
  for (const [what, name, caller, expected] of table) {
    test(`${what} (${name}): ${expected}`, () =>
      assert.equal(short(etrnRight(name, caller, directory)), expected));
  }

  for (const name of [
    'acme.example',
    'ACME.EXAMPLE',
    'acme.example.',
    'x.acme.example',
    '@acme.example',
    '@Acme.Example.',
    '#acme',
    '#ACME',
  ]) {
    test(`whoever has logged in does not call for another's ${name}, though a stranger could`, () => {
      assert.equal(short(etrnRight(name, stranger, directory)), 'acme');
      assert.equal(short(etrnRight(name, login('Beta'), directory)), '459');
      assert.equal(short(etrnRight(name, inTls(login('Beta')), directory)), '459');
    });
  }
  for (const name of [
    'b\u00fccher.example',
    'xn--bcher-kva.example',
    '@B\u00dcCHER.EXAMPLE',
    '#beta',
    '#BETA',
  ]) {
    test(`nor for ${name}`, () => assert.equal(short(etrnRight(name, login('acme'), directory)), '459'));
  }
});

describe('ATRN', () => {
  const sites = (right: ReturnType<typeof atrnRight>): string =>
    right.kind === 'no' ? String(right.reply.code) : right.sites.map((s) => s.name).join(' ');
  const table: [string, string[], string[], string][] = [
    ['no domain: all that the login has', [], ['relay', 'relay2'], 'relay relay2'],
    ['no domain: of those that collect so', [], ['relay', 'acme'], 'relay'],
    ['one', ['relay2.example'], ['relay', 'relay2'], 'relay2'],
    ['any case, trailing dot', ['RELAY.Example.'], ['relay'], 'relay'],
    ['one twice', ['relay.example', 'relay.example'], ['relay'], 'relay'],
    ["another's", ['relay2.example'], ['relay'], '450'],
    ["one's own and another's: none", ['relay.example', 'relay2.example'], ['relay'], '450'],
    ["nobody's", ['other.example'], ['relay'], '450'],
    ['no domain at all', ['@relay.example'], ['relay'], '450'],
    ['a site that collects in another way', ['acme.example'], ['acme'], '450'],
    ['nothing that is collected so', [], ['acme'], '450'],
    ['a site that is not there any more', [], ['gone'], '450'],
  ];
  for (const [what, domains, mine, expected] of table) {
    test(`${what}: ${expected}`, () => {
      assert.equal(sites(atrnRight(domains, { login: 'x', sites: mine }, directory)), expected);
    });
  }
});
