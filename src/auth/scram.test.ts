import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcome, simpleHouse } from '../../test/support/auth-world.ts';
import type { Exchange } from '../protocol/sasl.ts';
import { scram } from './scram.ts';
import { decoySecret, scramKeys } from './secret.ts';

// RFC 7677 §3.
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const OURS = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const CLIENT_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
const SERVER_FIRST = `r=rOprNGfwEbeRWgbNEkqO${OURS},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const CLIENT_FINAL = `c=biws,r=rOprNGfwEbeRWgbNEkqO${OURS},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

const keys = await scramKeys('pencil', SALT, 4096);
const begun = (name = 'user'): Exchange =>
  scram(simpleHouse({ ...decoySecret(name, Buffer.alloc(32)), scram: keys }), () => OURS);

async function say(exchange: Exchange, text: string): Promise<string> {
  const step = await exchange.step(Buffer.from(text));
  return step.kind === 'challenge' ? Buffer.from(step.data).toString() : outcome(step);
}

describe('SCRAM-SHA-256', () => {
  test("plays the RFC's own exchange", async () => {
    const exchange = begun();
    assert.equal(await say(exchange, CLIENT_FIRST), SERVER_FIRST);
    assert.equal(await say(exchange, CLIENT_FINAL), SERVER_FINAL);
    assert.equal(await say(exchange, ''), 'accepted');
    assert.equal(await say(exchange, ''), 'malformed');
  });

  test('without an initial response it asks for one', async () => {
    const exchange = begun();
    assert.deepEqual(await exchange.step(null), { kind: 'challenge', data: Buffer.alloc(0) });
    assert.equal(await say(exchange, CLIENT_FIRST), SERVER_FIRST);
    assert.equal(outcome(await exchange.step(null)), 'malformed');
  });

  test('a wrong proof is wrong, and ends it', async () => {
    const exchange = begun();
    await say(exchange, CLIENT_FIRST);
    assert.equal(await say(exchange, CLIENT_FINAL.replace('p=d', 'p=e')), 'wrong');
    assert.equal(await say(exchange, CLIENT_FIRST), 'malformed');
  });

  test('the binding repeats the first header, and the nonce is ours', async () => {
    for (const final of [
      CLIENT_FINAL.replace('c=biws', 'c=eSws'),
      CLIENT_FINAL.replace(OURS, ''),
      CLIENT_FINAL.replace('r=r', 'r=s'),
    ]) {
      const exchange = begun();
      await say(exchange, CLIENT_FIRST);
      assert.equal(await say(exchange, final), 'malformed', final);
    }
  });

  test('the flag "y" is as good as "n", and is bound: its proof is another', async () => {
    const exchange = begun();
    assert.equal(await say(exchange, CLIENT_FIRST.replace('n,,', 'y,,')), SERVER_FIRST);
    assert.equal(await say(exchange, CLIENT_FINAL.replace('biws', 'eSws')), 'wrong');
  });

  test('channel binding, mandatory extensions and what is not of the grammar are refused', async () => {
    for (const first of [
      'p=tls-unique,,n=user,r=abc',
      'n,,m=x,n=user,r=abc',
      'n,,n=,r=abc',
      'n,,n=us=er,r=abc',
      'n,,n=us=2cer,r=abc',
      'n,,n=user,r=a\x7fc',
      `n,,n=user,r=${'x'.repeat(129)}`,
      'n,n=user,r=abc',
      '\xff',
    ]) {
      assert.equal(await say(begun(), first), 'malformed', first);
    }
  });

  test('"=2C" and "=3D" stand for comma and equals sign; optional extensions are ignored', async () => {
    const exchange = begun('a,b=c');
    const first = await say(exchange, 'n,,n=a=2Cb=3Dc,r=abc,x=some');
    assert.ok(first.startsWith(`r=abc${OURS},s=${SALT.toString('base64')},i=4096`), first);
  });

  test('acting for another is refused after the same exchange', async () => {
    const exchange = begun();
    assert.equal(await say(exchange, CLIENT_FIRST.replace('n,,', 'n,a=other,')), SERVER_FIRST);
    const binding = Buffer.from('n,a=other,').toString('base64');
    assert.equal(await say(exchange, CLIENT_FINAL.replace('biws', binding)), 'wrong');
  });

  test('an unknown name gets a salt of its own, the same each time', async () => {
    const ask = (name: string) => say(begun(), `n,,n=${name},r=abc`);
    assert.equal(await ask('nobody'), await ask('nobody'));
    assert.notEqual(await ask('nobody'), await ask('nobody else'));
    assert.match(await ask('nobody'), /^r=abc[^,]+,s=[A-Za-z0-9+/]{22}==,i=\d+$/);
  });
});
