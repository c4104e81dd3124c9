/**
 * An authenticator for tests of the engines. PLAIN in TLS only, and ASK, everywhere, which asks twice:
 * "name?", "password?". Names: `acme` (for the sites acme and other; its password is `right`), `locked`.
 */
import type { Authenticator, SaslStep } from '../../src/protocol/sasl.ts';

function judge(name: string, password: string): SaslStep {
  if (name === 'locked') return { kind: 'refused', why: 'locked' };
  if (name === 'acme' && password === 'right')
    return { kind: 'accepted', login: 'acme', sites: ['acme', 'other'] };
  return { kind: 'refused', why: 'wrong' };
}

const ask = (text: string): SaslStep => ({ kind: 'challenge', data: Buffer.from(text) });

export const fakeAuthenticator: Authenticator = {
  mechanisms: ({ tls }) => (tls ? ['ASK', 'PLAIN'] : ['ASK']),
  begin(mechanism, channel) {
    if (!this.mechanisms(channel).includes(mechanism)) return null;
    const said: string[] = [];
    return {
      async step(response) {
        if (mechanism === 'PLAIN') {
          if (response === null) return ask('');
          const [authzid, name, password, ...more] = Buffer.from(response).toString().split('\0');
          if (authzid !== '' || name === undefined || password === undefined || more.length > 0)
            return { kind: 'refused', why: 'malformed' };
          return judge(name, password);
        }
        if (response !== null) said.push(Buffer.from(response).toString());
        const [name, password] = said;
        if (name === undefined) return ask('name?');
        return password === undefined ? ask('password?') : judge(name, password);
      },
    };
  },
  password: (name, password, { tls }) => (tls ? Promise.resolve(judge(name, password)) : null),
};
