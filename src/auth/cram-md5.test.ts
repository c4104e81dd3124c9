import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outcome, simpleHouse } from '../../test/support/auth-world.ts';
import { cramMd5 } from './cram-md5.ts';
import type { House } from './mechanism.ts';
import { decoySecret } from './secret.ts';

// RFC 2195 §2.
const CHALLENGE = '<1896.697170952@postoffice.reston.mci.net>';
const PASSWORD = 'tanstaaftanstaaf';
const RIGHT = 'tim b913a602c7eda7a495b4e6e7334d3890';

function house(): House {
  const random = (octets: number): Buffer => {
    const made = Buffer.alloc(octets);
    if (octets === 8) made.writeBigUInt64BE(1896n);
    else made.writeUInt32BE(697170952);
    return made;
  };
  const secret = decoySecret('tim', Buffer.alloc(32));
  return { ...simpleHouse(secret, PASSWORD, random), hostname: 'postoffice.reston.mci.net' };
}

async function answer(response: string): Promise<string> {
  const exchange = cramMd5(house());
  const first = await exchange.step(null);
  assert.equal(first.kind === 'challenge' && Buffer.from(first.data).toString(), CHALLENGE);
  return outcome(await exchange.step(Buffer.from(response)));
}

describe('CRAM-MD5', () => {
  test("plays the RFC's own exchange", async () => {
    assert.equal(await answer(RIGHT), 'accepted');
  });

  test('another digest or another name is wrong', async () => {
    assert.equal(await answer(RIGHT.replace('b9', 'b8')), 'wrong');
    assert.equal(await answer(RIGHT.replace('tim', 'tom')), 'wrong');
  });

  test('what is no name and digest is malformed, and so is an initial response', async () => {
    for (const response of [
      '',
      'tim',
      ' b913a602c7eda7a495b4e6e7334d3890',
      `${RIGHT}0`,
      RIGHT.toUpperCase(),
    ]) {
      assert.equal(await answer(response), 'malformed', response);
    }
    assert.equal(outcome(await cramMd5(house()).step(Buffer.from(RIGHT))), 'malformed');
  });
});
