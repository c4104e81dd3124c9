/**
 * PLAIN: RFC 4616. One response: authzid NUL authcid NUL password. Who acts for another (an authzid that is
 * not the name itself) is refused: logins are for sites, and the configuration says which.
 */
import type { Exchange, SaslStep } from '../protocol/sasl.ts';
import { challenge, type House, MALFORMED, words } from './mechanism.ts';
import { prepared } from './prep.ts';
import { matches } from './secret.ts';

export function plain(house: House): Exchange {
  return {
    async step(response) {
      if (response === null) return challenge('');
      const octets = Buffer.from(response);
      const first = octets.indexOf(0);
      const second = octets.indexOf(0, first + 1);
      if (first < 0 || second < 0) return MALFORMED;
      const name = words(octets.subarray(first + 1, second));
      const password = words(octets.subarray(second + 1));
      if (name === null || password === null) return MALFORMED;
      const authzid = first > 0 ? words(octets.subarray(0, first)) : name;
      return judgePassword(house, name, password, authzid === name);
    },
  };
}

/** A name with its clear password. `may`: an answer that is no anyway takes as long. */
export function judgePassword(house: House, name: string, password: string, may = true): Promise<SaslStep> {
  const secret = house.secretOf(prepared(name));
  const word = prepared(password);
  if (house.remembered.has(secret, word)) return house.judge(secret.name, false, () => may);
  return house.judge(secret.name, true, async () => {
    const right = await matches(word, secret.scrypt);
    if (right) house.remembered.add(secret, word);
    return right && may;
  });
}
