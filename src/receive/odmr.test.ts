/** The session of an ODMR caller: who may turn the connection, and what he is told (RFC 2645 §5.2.1). */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { site } from '../../test/support/lines.ts';
import { PEER } from '../../test/support/smtp-engine.ts';
import { silent } from '../base/log.ts';
import type { CallAnswer } from '../site/call.ts';
import { type Site, SiteDirectory } from '../site/site.ts';
import { OdmrSession } from './odmr.ts';

const directory = new SiteDirectory<Site>([
  { ...site(25), name: 'acme', domains: ['acme.example'], collect: { kind: 'odmr' } },
  { ...site(25), name: 'beta', domains: ['beta.example'], collect: { kind: 'odmr' } },
  { ...site(25), name: 'other', domains: ['other.example'], collect: { kind: 'odmr' } },
  { ...site(25), name: 'pushed', domains: ['pushed.example'] },
]);

function world(answer: CallAnswer = { kind: 'begun', queued: 1 }) {
  const turns: { sites: readonly string[]; stream: Promise<unknown> }[] = [];
  const session = new OdmrSession(
    {
      directory: () => directory,
      events: {
        turn: (sites, _by, _peer, stream) => {
          turns.push({ sites, stream });
          return answer;
        },
      },
      log: silent,
    },
    PEER,
  );
  const ask = (domains: string[], sites = ['acme', 'beta', 'pushed']) =>
    session.atrn(domains, { helo: 'x', esmtp: true, authenticated: { login: 'acme', sites } });
  return { turns, session, ask };
}

describe('ATRN', () => {
  test('turns the connection for the sites that it names, or for all of the login that collect so', async () => {
    const { ask, turns } = world();
    const turn = await ask(['acme.example']);
    assert.ok('take' in turn);
    assert.equal(turn.reply.code, 250);
    await ask([]);
    assert.deepEqual(
      turns.map((t) => t.sites),
      [['acme'], ['acme', 'beta']],
    );
  });

  test('gives the stream on, and is over when that closes', async () => {
    const { ask, turns } = world();
    const turn = await ask(['acme.example']);
    assert.ok('take' in turn);
    const stream = new PassThrough();
    let over = false;
    const taken = Promise.resolve(turn.take(stream)).then(() => (over = true));
    assert.equal(await turns[0]?.stream, stream);
    assert.equal(over, false);
    stream.destroy();
    await taken;
  });

  test('whose connection broke before the turn tells so', async () => {
    const { ask, turns } = world();
    const turn = await ask(['acme.example']);
    assert.ok('take' in turn);
    await turn.take(null);
    assert.equal(await turns[0]?.stream, null);
  });

  const refused = [['other.example'], ['OTHER.example.'], ['acme.example', 'other.example'], ['no.example']];
  for (const domains of [...refused, ['pushed.example'], ['']]) {
    test(`for "${domains.join(', ')}": 450, and nothing is turned`, async () => {
      const { ask, turns } = world();
      const said = await ask(domains);
      assert.ok('code' in said);
      assert.equal(said.code, 450);
      assert.deepEqual(turns, []);
    });
  }

  const told: [CallAnswer, number][] = [
    [{ kind: 'empty' }, 453],
    [{ kind: 'held' }, 450],
    [{ kind: 'under way', queued: 1 }, 451],
    [{ kind: 'another way' }, 451],
  ];
  for (const [answer, code] of told) {
    test(`is told ${code} when the keeper says "${answer.kind}"`, async () => {
      const said = await world(answer).ask(['acme.example']);
      assert.ok('code' in said);
      assert.equal(said.code, code);
    });
  }
});

test('the session takes no mail', async () => {
  const { session } = world();
  assert.equal((await session.mail()).code, 502);
  assert.equal((await session.rcpt()).code, 502);
  assert.equal((await session.content()).code, 502);
});
