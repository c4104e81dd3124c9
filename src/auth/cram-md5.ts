/**
 * CRAM-MD5: RFC 2195. The password does not go over the line, but we have to know it, and who listens can
 * try passwords at home: so it is there only for the names that were set with `--cram`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Exchange } from '../protocol/sasl.ts';
import { type House, MALFORMED, words } from './mechanism.ts';
import { prepared } from './prep.ts';

export function cramMd5(house: House): Exchange {
  // §2: a random number, a time stamp and our name; the number alone is new each time.
  const asked = `<${house.random(8).readBigUInt64BE()}.${house.random(4).readUInt32BE()}@${house.hostname}>`;
  let begun = false;
  return {
    async step(response) {
      if (!begun) {
        begun = true;
        // RFC 4954 §4: the server begins; an initial response is an error.
        return response === null ? { kind: 'challenge', data: Buffer.from(asked) } : MALFORMED;
      }
      const said = response && words(response);
      const [, name, digest] = /^(.+) ([0-9a-f]{32})$/s.exec(said ?? '') ?? [];
      if (name === undefined || digest === undefined) return MALFORMED;
      const secret = house.secretOf(prepared(name));
      return house.judge(secret.name, false, () => {
        const right = createHmac('md5', house.passwordOf(secret)).update(asked).digest();
        return timingSafeEqual(right, Buffer.from(digest, 'hex'));
      });
    },
  };
}
