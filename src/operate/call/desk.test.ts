/** The call over HTTPS: what it means, and the engine that hears it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { afterEach, describe, test } from 'node:test';
import { site } from '../../../test/support/lines.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { testTls } from '../../../test/support/smtp-engine.ts';
import { MINUTE, SystemClock } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import { type Listeners, listen } from '../../protocol/listen/listen.ts';
import type { CallAnswer } from '../../site/call.ts';
import { SiteDirectory } from '../../site/site.ts';
import { answerCall, CallDesk, type CallRequest } from './desk.ts';
import { createCallServer } from './engine.ts';

const hash = (token: string) => createHash('sha256').update(token).digest('hex');
const directory = new SiteDirectory([
  { ...site(25), name: 'acme', collect: { kind: 'etrn' as const }, token: hash('right') },
  {
    ...site(25),
    name: 'mobile',
    domains: ['mobile.example'],
    primary: { kind: 'caller' as const, port: 25 },
    token: hash('mobile'),
  },
  { ...site(25), name: 'bare', domains: ['bare.example'] },
]);

function desk(answer: CallAnswer = { kind: 'begun', queued: 3 }) {
  const clock = new SimClock();
  const calls: string[] = [];
  const made = new CallDesk({
    directory: () => directory,
    call: (name, by, from) => {
      calls.push([name, by, from].filter(Boolean).join(' '));
      return answer;
    },
    stateOf: () => ({ state: 'calling', queued: 3 }),
    clock,
    log: silent,
  });
  const ask = (more: Partial<CallRequest>, peer = '192.0.2.1') =>
    answerCall(made, peer, {
      method: 'POST',
      path: '/call/acme',
      authorization: 'Bearer right',
      body: '',
      ...more,
    });
  return { clock, calls, desk: made, ask };
}

describe('a call', () => {
  test('with the token of the site calls, and tells queue and state', () => {
    const { ask, calls } = desk();
    assert.deepEqual(ask({}), { status: 200, body: { site: 'acme', queued: 3, state: 'calling' } });
    assert.deepEqual(calls, ['acme call from 192.0.2.1']);
  });

  const refused: [string, Partial<CallRequest>, number][] = [
    ['another path', { path: '/' }, 404],
    ['a path behind it', { path: '/call/acme/x' }, 404],
    ['a query', { path: '/call/acme?x=1' }, 404],
    ['another method', { method: 'GET' }, 404],
    ['no token', { authorization: undefined }, 401],
    ['a wrong token', { authorization: 'Bearer wrong' }, 401],
    ['the token of another site', { authorization: 'Bearer mobile' }, 401],
    ['another scheme', { authorization: 'Basic right' }, 401],
    ['the hash in place of the token', { authorization: `Bearer ${hash('right')}` }, 401],
    ['a site without a token', { path: '/call/bare', authorization: 'Bearer ' }, 401],
    ['no such site', { path: '/call/nobody' }, 401],
    ['a body that is none', { body: 'hello' }, 400],
    ['an address that is none', { body: '{"address":"mail.acme.example"}' }, 400],
    ['other keys', { body: '{"adress":"192.0.2.1"}' }, 400],
    ['a body too long', { body: null }, 400],
  ];
  for (const [what, more, status] of refused) {
    test(`with ${what}: ${status}`, () => {
      const { ask, calls } = desk();
      assert.equal(ask(more).status, status);
      assert.deepEqual(calls, []);
    });
  }

  test('of a site without a lasting address tells where it is: from there, or as it says', () => {
    const { ask, calls } = desk();
    const mobile = { path: '/call/mobile', authorization: 'Bearer mobile' };
    ask(mobile);
    ask({ ...mobile, body: '{"address":"2001:db8::7"}' });
    assert.deepEqual(calls, [
      'mobile call from 192.0.2.1 192.0.2.1',
      'mobile call from 192.0.2.1 2001:db8::7',
    ]);
  });

  test('is refused to who guesses, for a while, and to nobody else', async () => {
    const { ask, clock } = desk();
    for (let i = 0; i < 10; i++) assert.equal(ask({ authorization: `Bearer ${i}` }).status, 401);
    assert.equal(ask({}).status, 429);
    assert.equal(ask({}, '192.0.2.2').status, 200);
    await clock.advance(11 * MINUTE);
    assert.equal(ask({}).status, 200);
  });

  test('too often is refused', () => {
    const { ask } = desk();
    for (let i = 0; i < 60; i++) assert.equal(ask({}, `192.0.2.${i}`).status, 200);
    assert.equal(ask({}).status, 429);
  });

  const answers: [CallAnswer, number][] = [
    [{ kind: 'empty' }, 200],
    [{ kind: 'alive', queued: 1 }, 200],
    [{ kind: 'under way', queued: 1 }, 200],
    [{ kind: 'held' }, 503],
    [{ kind: 'another way' }, 409],
  ];
  for (const [answer, status] of answers) {
    test(`that is answered "${answer.kind}": ${status}`, () =>
      assert.equal(desk(answer).ask({}).status, status));
  }
});

describe('the engine', () => {
  let listeners: Listeners | null = null;
  afterEach(() => listeners?.stop(0));

  async function start(): Promise<number> {
    const engine = createCallServer({
      desk: desk().desk,
      tls: await testTls(),
      clock: new SystemClock(),
      log: silent,
    });
    const made = await listen({
      at: [{ host: '127.0.0.1', port: 0 }],
      engine,
      connections: 10,
      perClient: 10,
      isPeer: () => false,
      clock: new SystemClock(),
      log: silent,
    });
    if (made.kind === 'failed') throw new Error(made.why);
    listeners = made;
    return made.bound[0]?.port ?? 0;
  }

  for (const [what, ask] of [
    ['TLS', secureRequest],
    ['clear, on loopback', request],
  ] as const) {
    test(`answers in ${what}`, async () => {
      const port = await start();
      const options = {
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/call/acme',
        rejectUnauthorized: false,
        headers: { authorization: 'Bearer right' },
      };
      const asking = ask(options);
      asking.end('{}');
      const [response] = await once(asking, 'response');
      let text = '';
      for await (const chunk of response) text += chunk;
      assert.equal(response.statusCode, 200);
      assert.deepEqual(JSON.parse(text), { site: 'acme', queued: 3, state: 'calling' });
    });
  }
});
