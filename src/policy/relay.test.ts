import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { makeSite, SETTINGS } from '../../test/scenario/receive-harness.ts';
import { SiteDirectory } from '../site/site.ts';
import { OPERATOR_QUEUE } from '../spool/port.ts';
import type { Settings } from './ports.ts';
import { type Here, routeOf, secondHop } from './relay.ts';

const directory = new SiteDirectory([makeSite('acme', ['acme.example', '.acme.example', 'bücher.example'])]);

function here(settings: Partial<Settings> = {}): Here {
  return { settings: { ...SETTINGS, ...settings }, directory, localAddress: '192.0.2.25' };
}

function where(address: string, at: Here = here(), bare = false): string {
  const route = routeOf({ address, bare, sourceRoute: false }, at);
  return route.kind === 'route'
    ? `${route.queue} ${route.address}`
    : `${route.reply.code} ${route.reply.enhanced}`;
}

describe('the door holds without the grammar before it', () => {
  const tricks = [
    '',
    'victim',
    'postmaster',
    '@acme.example',
    '""@acme.example',
    'u@',
    'u@.',
    'u@..',
    'u@.acme.example',
    'u@..acme.example',
    'u@acme..example',
    'u@acme.example..',
    'u@victim.example.',
    'u@acme.example/',
    'u@acme.example/x',
    'u@acme.example:25',
    'u@acme.example#',
    'u@acme.example?',
    'u@acme.example\\',
    'u@acme.example ',
    'u@ acme.example',
    'u@acme.example\0',
    'u@acme.example\n',
    'u@acme\t.example',
    'u@acme%2eexample',
    'u@[acme.example]',
    'u@[192.0.2.25]',
    'u\0@acme.example',
    'u\r\nRCPT TO:<v@victim.example>@acme.example',
    '"u\n"@acme.example',
    'u@ac\u200dme.example',
    'u@acme.example\u3002',
    'u@\uff41cme.example',
    'u@victim.example\u2024acme.example',
  ];
  for (const address of tricks) {
    test(JSON.stringify(address), () => assert.equal(where(address), '550 5.7.1'));
  }

  test('nothing but an address whose plain domain is of the site gets in', () => {
    const piece = fc.constantFrom(
      ...[
        'acme.example',
        'victim.example',
        'mx2.restante.example',
        'bücher.example',
        '.',
        '@',
        '%',
        '!',
        '"',
        '\\',
      ],
      ...[
        ':',
        ',',
        '[',
        ']',
        '192.0.2.25',
        'IPv6:',
        'postmaster',
        'u',
        '\0',
        ' ',
        '/',
        'ａ',
        '。',
        '\u00ad',
        'E',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 7 }), (pieces) => {
        const address = pieces.join('');
        const to = where(address);
        if (to === '550 5.7.1') return;
        if (to === `${OPERATOR_QUEUE} postmaster@mx2.restante.example`) {
          assert.match(address, /^"?postmaster"?@(mx2\.restante\.example\.?|\[192\.0\.2\.25\])$/i);
          return;
        }
        assert.equal(to, `acme ${address}`);
        const domain = address.slice(address.lastIndexOf('@') + 1);
        assert.match(domain, /^([a-z0-9.]+\.)?(acme\.example|bücher\.example)\.?$/i);
        assert.ok(!domain.startsWith('.') && !domain.includes('..'));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the postmaster', () => {
  test('goes to the address that the operator named: at a site, or at a foreign domain', () => {
    const atSite = here({ postmaster: 'Ops@ACME.example' });
    const foreign = here({ postmaster: 'ops@Home.example' });
    for (const address of [
      'postmaster@mx2.restante.example',
      'Postmaster@mx2.customer.example',
      'postmaster@[192.0.2.25]',
    ]) {
      assert.equal(where(address, atSite), 'acme Ops@ACME.example');
      assert.equal(where(address, foreign), '>home.example ops@Home.example');
    }
    assert.equal(where('postmaster', atSite, true), 'acme Ops@ACME.example');
    assert.equal(where('postmaster', foreign, true), '>home.example ops@Home.example');
  });

  test('does not go round when the operator named an address at our own name', () => {
    const own = here({ postmaster: 'root@mx2.restante.example' });
    assert.equal(where('postmaster', own, true), `${OPERATOR_QUEUE} postmaster@mx2.restante.example`);
  });

  test("of a site's domain is the site's", () => {
    assert.equal(
      where('postmaster@acme.example', here({ postmaster: 'o@x.example' })),
      'acme postmaster@acme.example',
    );
  });

  test('is not anybody that only looks bare', () => {
    assert.equal(where('root', here(), true), '550 5.7.1');
  });
});

test('our own name is a site only if the site names it', () => {
  const names = ['mx.acme.example', 'acme.example'];
  assert.equal(where('joe@mx.acme.example', here({ names })), '550 5.7.1');
  assert.equal(where('joe@acme.example', here({ names })), 'acme joe@acme.example');
});

describe('a local part that routes further', () => {
  const hacks = [
    'a%b@acme.example',
    'b!a@acme.example',
    '"a@b"@acme.example',
    '"a\\%b"@acme.example',
    'a％b@acme.example',
  ];
  for (const address of hacks) {
    test(`${address} needs a list that has it`, () => {
      for (const lookup of ['any', 'catch-all', 'absent'] as const) {
        const verdict = secondHop(address, lookup);
        assert.equal(verdict.kind, 'reject');
      }
      assert.equal(secondHop(address, 'listed').kind, 'accept');
      // A broken list defers by its own check; refusing for good would be wrong.
      assert.equal(secondHop(address, 'broken').kind, 'accept');
    });
  }
});
