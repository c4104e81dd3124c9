/**
 * LOGIN: no RFC; as old clients use it: the name, then the password, each asked for. A name as initial
 * response is taken.
 */
import type { Exchange } from '../protocol/sasl.ts';
import { challenge, type House, MALFORMED, words } from './mechanism.ts';
import { judgePassword } from './plain.ts';

export function login(house: House): Exchange {
  let name: string | null = null;
  return {
    async step(response) {
      if (response === null) return name === null ? challenge('Username:') : MALFORMED;
      const said = words(response);
      if (said === null) return MALFORMED;
      if (name !== null) return judgePassword(house, name, said);
      name = said;
      return challenge('Password:');
    },
  };
}
