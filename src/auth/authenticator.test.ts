import assert from 'node:assert/strict';
import { createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AuthWorld, cheapSecret, OPEN, outcome, TLS } from '../../test/support/auth-world.ts';
import { MINUTE } from '../base/clock.ts';
import type { Channel, Exchange } from '../protocol/sasl.ts';
import { hmac, sha256 } from './secret.ts';
import { Turns } from './turns.ts';

const ALL = ['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'LOGIN'];
const ACCEPTED = { kind: 'accepted', login: 'acme', sites: ['acme', 'other'] };

async function asked(exchange: Exchange, response: string | null): Promise<string> {
  const step = await exchange.step(response === null ? null : Buffer.from(response));
  return step.kind === 'challenge' ? Buffer.from(step.data).toString() : outcome(step);
}

async function login(world: AuthWorld, name: string, password: string) {
  const exchange = world.begin('LOGIN', TLS);
  assert.equal(await asked(exchange, null), 'Username:');
  assert.equal(await asked(exchange, name), 'Password:');
  return world.answer(exchange.step(Buffer.from(password)));
}

async function cram(world: AuthWorld, name: string, password: string) {
  const exchange = world.begin('CRAM-MD5', OPEN);
  const digest = createHmac('md5', password)
    .update(await asked(exchange, null))
    .digest('hex');
  return world.answer(exchange.step(Buffer.from(`${name} ${digest}`)));
}

/** A client of SCRAM; the last step. */
async function scramLogin(world: AuthWorld, name: string, password: string) {
  const exchange = world.begin('SCRAM-SHA-256', OPEN);
  const first = await asked(exchange, `n,,n=${name},r=fyko`);
  const [, nonce, salt = '', iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(first) ?? [];
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const key = hmac(salted, 'Client Key');
  const message = `n=${name},r=fyko,${first},c=biws,r=${nonce}`;
  const signature = hmac(sha256(key), message);
  const proof = Buffer.from(key.map((octet, i) => octet ^ (signature[i] ?? 0))).toString('base64');
  const told = await world.answer(exchange.step(Buffer.from(`c=biws,r=${nonce},p=${proof}`)));
  if (told.step.kind !== 'challenge') return told;
  const server = hmac(hmac(salted, 'Server Key'), message).toString('base64');
  assert.equal(Buffer.from(told.step.data).toString(), `v=${server}`);
  return world.answer(exchange.step(Buffer.alloc(0)));
}

const pass = async (world: AuthWorld, name: string, password: string) => {
  const answer = world.authenticator.password(name, password, TLS);
  assert.ok(answer);
  return world.answer(answer);
};
const plain = (world: AuthWorld, name: string, password: string) => world.answer(world.plain(name, password));
const WAYS = { plain, login, cram, scramLogin, pass };

describe('what is offered', () => {
  const offered = (world: AuthWorld, address: string, tls: boolean) =>
    world.authenticator.mechanisms({ address, tls });

  test('clear passwords only in TLS, from loopback, and from listed networks', async () => {
    const world = await AuthWorld.make();
    assert.deepEqual(offered(world, '203.0.113.1', true), ALL);
    assert.deepEqual(offered(world, '203.0.113.1', false), ['SCRAM-SHA-256', 'CRAM-MD5']);
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '192.0.2.77']) {
      assert.deepEqual(offered(world, address, false), ALL, address);
    }
    for (const mechanism of ['PLAIN', 'LOGIN', 'NTLM', 'plain', 'constructor']) {
      assert.equal(world.authenticator.begin(mechanism, OPEN), null);
    }
    assert.equal(world.authenticator.password('acme', 'open sesame', OPEN), null);
  });

  test('CRAM-MD5 only if some password can be recovered, and nothing without secrets', async () => {
    const world = await AuthWorld.make();
    world.secrets = { ...world.secrets, recoverable: false };
    assert.deepEqual(offered(world, '203.0.113.1', true), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
    world.secrets = { ...world.secrets, secrets: new Map() };
    assert.deepEqual(offered(world, '127.0.0.1', true), []);
    assert.equal(world.authenticator.password('acme', 'open sesame', TLS), null);
  });
});

describe('each mechanism', () => {
  for (const [way, attempt] of Object.entries(WAYS)) {
    test(`${way}: the right password gives the login and its sites, at once`, async () => {
      const world = await AuthWorld.make();
      assert.deepEqual(await attempt(world, 'acme', 'open sesame'), { step: ACCEPTED, after: 0 });
      assert.deepEqual(
        world.lines.map((line) => line.event),
        ['login'],
      );
      assert.deepEqual(world.lines[0]?.fields.sites, ['acme', 'other']);
    });

    test(`${way}: wrong, unknown, and of no site are one and the same answer`, async () => {
      for (const [name, password] of [
        ['acme', 'open barley'],
        ['nobody', 'open sesame'],
        ['ghost', 'open sesame'],
        ['idle', 'open sesame'],
      ] as const) {
        const world = await AuthWorld.make();
        const { step, after } = await attempt(world, name, password);
        assert.deepEqual(step, { kind: 'refused', why: 'wrong' });
        assert.ok(after >= 500 && after <= 600, `after ${after}`);
        assert.deepEqual(
          world.lines.map((line) => line.event),
          ['login refused'],
        );
      }
    });

    test(`${way}: when the address is locked out even the right password is not looked at`, async () => {
      const world = await AuthWorld.make();
      const channel: Channel = { ...TLS };
      for (let i = 0; i < 10; i++) await world.answer(world.plain(`nobody${i}`, 'x', channel));
      const { step, after } = await attempt(world, 'acme', 'open sesame');
      assert.deepEqual(step, { kind: 'refused', why: 'locked' });
      assert.equal(after, 0);
      assert.ok(world.lines.some((line) => line.event === 'logins locked out'));
    });
  }

  test('CRAM-MD5 with the empty password of a name without a sealed one is wrong', async () => {
    const world = await AuthWorld.make();
    for (const password of ['', 'open sesame']) {
      assert.equal(outcome((await cram(world, 'bare', password)).step), 'wrong');
    }
  });

  test('who acts for another is refused', async () => {
    const world = await AuthWorld.make();
    const step = (authzid: string) =>
      world.answer(world.begin('PLAIN', TLS).step(Buffer.from(`${authzid}\0acme\0open sesame`)));
    assert.equal(outcome((await step('other')).step), 'wrong');
    assert.equal(outcome((await step('acme')).step), 'accepted');
  });
});

describe('the log', () => {
  test('has name, address and mechanism, and neither passwords nor responses', async () => {
    const world = await AuthWorld.make();
    for (const attempt of Object.values(WAYS)) {
      await attempt(world, 'acme', 'open sesame');
      await attempt(world, 'acme', 'hunter2hunter2');
    }
    assert.deepEqual(world.lines[0]?.fields, {
      login: 'acme',
      peer: TLS.address,
      mechanism: 'PLAIN',
      tls: true,
      sites: ['acme', 'other'],
    });
    const all = JSON.stringify(world.lines);
    assert.doesNotMatch(all, /sesame|hunter2|fyko/);
    for (const secret of ['open sesame', 'hunter2hunter2', '\0acme\0open sesame']) {
      assert.ok(!all.includes(Buffer.from(secret).toString('base64')));
    }
  });

  test('a fault of ours is told without its text, and is no wrong password', async () => {
    const world = await AuthWorld.make();
    const broken = { ...world.secrets, secrets: new Map(world.secrets.secrets) };
    broken.secrets.has = () => {
      throw new Error('open sesame');
    };
    world.secrets = broken;
    assert.equal(outcome((await plain(world, 'acme', 'open sesame')).step), 'locked');
    assert.deepEqual(world.lines.at(-1)?.event, 'login failed by a fault');
    assert.doesNotMatch(JSON.stringify(world.lines), /sesame/);
  });
});

test('a flood of logins is turned away beyond a bound, and one hash is made at a time', async () => {
  const turns = new Turns(3);
  let running = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((turn) => setImmediate(turn));
    running--;
  };
  const taken = Array.from({ length: 5 }, () => turns.take(work));
  assert.deepEqual(
    taken.map((turn) => turn === null),
    [false, false, false, true, true],
  );
  await Promise.all(taken);
  assert.equal(most, 1);
  const failed = turns.take(() => Promise.reject(new Error('x')));
  await assert.rejects(failed ?? Promise.resolve());
  await turns.take(work);
});

describe('a password that was right', () => {
  /** Real time does not count: how often the scrypt hash was looked at does. */
  async function looks(world: AuthWorld, password: string): Promise<number> {
    const before = world.secrets;
    const acme = before.secrets.get('acme');
    assert.ok(acme);
    let looked = 0;
    const counted = {
      ...acme,
      get scrypt() {
        looked++;
        return acme.scrypt;
      },
    };
    world.secrets = {
      ...before,
      secrets: new Map([
        ['idle', acme],
        ['acme', counted],
      ]),
    };
    await plain(world, 'acme', password);
    world.secrets = before;
    return looked;
  }

  test('is remembered for ten minutes, and no other word in its place', async () => {
    const world = await AuthWorld.make();
    // The memory looks once; a hash, and keeping it, once more each.
    assert.equal(await looks(world, 'open sesame'), 3);
    assert.equal(await looks(world, 'open sesame'), 1);
    assert.equal(await looks(world, 'open barley'), 2);
    await world.clock.advance(10 * MINUTE);
    assert.equal(await looks(world, 'open sesame'), 3);
  });

  test('is forgotten as soon as the secret is another, or removed', async () => {
    const world = await AuthWorld.make();
    const attempt = async () => outcome((await plain(world, 'acme', 'open sesame')).step);
    assert.equal(await attempt(), 'accepted');
    const changed = await cheapSecret('acme', 'open barley');
    world.secrets = { ...world.secrets, secrets: new Map([['acme', changed]]) };
    assert.equal(await attempt(), 'wrong');
    world.secrets = { ...world.secrets, secrets: new Map([['idle', changed]]) };
    assert.equal(await attempt(), 'wrong');
  });
});

test('any octets, in any mechanism and order, get an answer and never a fault', async () => {
  const world = await AuthWorld.make();
  const octets = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        '',
        ' ',
        '\0',
        '\0\0',
        'n,,n=acme,r=x',
        'c=biws,r=x,p=',
        '=',
        ',',
        'a'.repeat(2000),
        '\ud800',
      )
      .map((text) => Buffer.from(text)),
    fc.constant(null),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ALL),
      fc.array(octets, { maxLength: 5 }),
      async (mechanism, responses) => {
        const exchange = world.begin(mechanism, { address: '2001:db8::1', tls: true });
        for (const response of responses) {
          const { step } = await world.answer(exchange.step(response));
          assert.notEqual(step.kind, 'accepted');
        }
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(world.lines.every((line) => line.level !== 'error'));
});
