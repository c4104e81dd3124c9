/** ETRN: who is told what, and how often anybody may call. Limits run on a simulated clock. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { site } from '../../test/support/lines.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { MINUTE, SECOND } from '../base/clock.ts';
import { silent } from '../base/log.ts';
import type { Manner } from '../protocol/smtp/session.ts';
import type { CallAnswer } from '../site/call.ts';
import { type Site, SiteDirectory } from '../site/site.ts';
import { EtrnRates, etrn } from './etrn.ts';
import type { Receiving } from './receiver.ts';

const LOGIN = { authenticated: { login: 'acme', sites: ['acme'] } };
const TLS = { tls: { version: 'TLSv1.3', cipher: 'x' } };

function world(answer: CallAnswer = { kind: 'begun', queued: 3 }, more: Partial<Site> = {}) {
  const clock = new SimClock();
  const calls: string[] = [];
  const base = { collect: { kind: 'etrn' as const }, etrn: { callers: 'any' as const } };
  const directory = new SiteDirectory([
    { ...site(25), ...base, ...more, name: 'acme', domains: ['acme.example'] },
    { ...site(25), ...base, name: 'other', domains: ['other.example'] },
  ]);
  const receiving = {
    directory: () => directory,
    events: {
      call: (name: string, by: string, from?: string) => {
        calls.push([name, by, from].filter(Boolean).join(' | '));
        return answer;
      },
    },
    etrnRates: new EtrnRates(clock),
    log: silent,
  } as unknown as Receiving;
  const ask = (argument: string, more: Partial<Manner> = {}, peer = '192.0.2.1') =>
    etrn(receiving, peer, argument, { helo: 'x', esmtp: true, ...more });
  return { clock, calls, ask };
}

describe('a stranger', () => {
  const answers: CallAnswer[] = [
    { kind: 'begun', queued: 3 },
    { kind: 'under way', queued: 7 },
    { kind: 'empty' },
    { kind: 'alive', queued: 9 },
    { kind: 'held' },
  ];
  test('is told the same 250 whatever lies in the queue', () => {
    const said = answers.map((answer) => JSON.stringify(world(answer).ask('acme.example')));
    assert.equal(new Set(said).size, 1);
    assert.match(said[0] ?? '', /250/);
  });

  test('may call for a site six times at once, then once in five seconds, from wherever; else 458, and the other site has its own six', async () => {
    const { ask, calls, clock } = world();
    for (let i = 0; i < 6; i++) assert.equal(ask('acme.example', {}, `192.0.2.${i}`).code, 250);
    assert.equal(ask('acme.example', {}, '198.51.100.1').code, 458);
    assert.equal(ask('#acme', {}, '198.51.100.1').code, 458);
    assert.equal(ask('other.example').code, 250);
    assert.equal(calls.length, 7);
    await clock.advance(4 * SECOND);
    assert.equal(ask('acme.example').code, 458);
    await clock.advance(SECOND);
    assert.equal(ask('acme.example').code, 250);
    assert.equal(ask('acme.example').code, 458);
  });
});

describe('who has logged in', () => {
  const told: [CallAnswer, number][] = [
    [{ kind: 'begun', queued: 3 }, 253],
    [{ kind: 'alive', queued: 3 }, 253],
    [{ kind: 'alive', queued: 0 }, 251],
    [{ kind: 'empty' }, 251],
    [{ kind: 'under way', queued: 3 }, 252],
    [{ kind: 'held' }, 458],
    [{ kind: 'another way' }, 458],
  ];
  for (const [answer, code] of told) {
    test(`is told ${code} when the keeper says "${answer.kind}"`, () =>
      assert.equal(world(answer).ask('acme.example', LOGIN).code, code));
  }

  test("is not held up by strangers' calls", () => {
    const { ask } = world();
    for (let i = 0; i < 20; i++) ask('acme.example', {}, `192.0.2.${i}`);
    assert.equal(ask('acme.example', LOGIN, '192.0.2.200').code, 253);
  });

  test('calls from where he is, if the site has no lasting address, and then only in TLS', () => {
    const { ask, calls } = world(undefined, { primary: { kind: 'caller', port: 25 } });
    assert.equal(ask('acme.example', LOGIN).code, 530);
    assert.equal(ask('acme.example', { ...LOGIN, ...TLS }, '192.0.2.6').code, 253);
    assert.deepEqual(calls, ['acme | ETRN from 192.0.2.6 (acme) | 192.0.2.6']);
  });

  test("is refused another site's domains, in every form of name", () => {
    const { ask, calls } = world();
    for (const name of ['other.example', '@other.example', '#other', 'OTHER.example.', '#OTHER']) {
      assert.equal(ask(name, LOGIN).code, 459, name);
    }
    assert.deepEqual(calls, []);
  });
});

test('one client may call 120 times a minute, also in vain; others are not held up by it', async () => {
  const { ask, clock } = world();
  for (let i = 0; i < 120; i++) assert.equal(ask('nobody.example').code, 459);
  assert.equal(ask('nobody.example').code, 458);
  assert.equal(ask('acme.example', LOGIN).code, 458);
  assert.equal(ask('acme.example', LOGIN, '192.0.2.2').code, 253);
  await clock.advance(MINUTE + SECOND);
  assert.equal(ask('acme.example', LOGIN).code, 253);
});

test('a name that could break the reply line is not said back', () => {
  const said = world().ask('#acme', {}).text.join('');
  assert.match(said, /node #acme started/);
  const { ask } = world();
  assert.ok(!JSON.stringify(ask('ac\u00admé.example')).includes('é'));
});
