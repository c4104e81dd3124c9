import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSite } from '../../test/scenario/receive-harness.ts';
import { loginWarnings, sitesByLogin } from './logins.ts';

const SITES = [
  makeSite('acme', ['acme.example']),
  makeSite('two', ['two.example'], { logins: ['acme', 'zwei\u00ad'] }),
  makeSite('closed', ['closed.example'], { logins: [] }),
];

test('a site has the logins that it names, and else its own name; names are prepared', () => {
  const sitesOf = sitesByLogin(SITES);
  assert.deepEqual(sitesOf('acme'), ['acme', 'two']);
  assert.deepEqual(sitesOf('zwei'), ['two']);
  assert.deepEqual(sitesOf('two'), []);
  assert.deepEqual(sitesOf('closed'), []);
  assert.deepEqual(sitesOf('constructor'), []);
});

test('a site that cannot do without a login and has none with a secret is told of', () => {
  const needs = (site: { name: string }) => (site.name === 'acme' ? null : 'it collects by odmr');
  const said = loginWarnings({ path: '/nowhere/secrets', sites: SITES, needs });
  assert.deepEqual(said, [
    {
      path: ['sites', 'two'],
      text: 'has no login with a secret, but it collects by odmr: restante secret set acme',
    },
    {
      path: ['sites', 'closed'],
      text: 'has no login with a secret, but it collects by odmr: name one in "logins"',
    },
  ]);
});
