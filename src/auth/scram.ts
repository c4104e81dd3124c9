/**
 * SCRAM-SHA-256, the server's side: RFC 5802, RFC 7677. Neither the line nor our file shows the password, and
 * the client learns that we have its keys.
 *
 * No channel binding: we offer no -PLUS, so the flags "n" and "y" are both right (§6) and "p" is refused.
 * States: first (client-first-message) → proof (client-final-message) → told (our signature is with the
 * client, whose empty response ends it: RFC 4954 §4, RFC 5034 §4 have no place for it beside success).
 */
import { timingSafeEqual } from 'node:crypto';
import type { Exchange, SaslStep } from '../protocol/sasl.ts';
import { challenge, type House, MALFORMED, words } from './mechanism.ts';
import { prepared } from './prep.ts';
import { hmac, type Secret, sha256 } from './secret.ts';

/** §7: printable but the comma. A client's nonce is bounded, so that our challenge is. */
const NONCE = '[!-+\\--~]{1,128}';
const NAME = '[^,\\0]+';
const EXTENSIONS = '(?:,[A-Za-z]=[^,\\0]+)*';
// §7: gs2-header, then client-first-message-bare. A mandatory extension ("m=") has to be refused.
const FIRST = new RegExp(`^([ny],(?:a=(${NAME}))?,)(n=(${NAME}),r=(${NONCE})${EXTENSIONS})$`);
const FINAL = new RegExp(`^(c=([A-Za-z0-9+/=]+),r=([!-+\\--~]{1,256})${EXTENSIONS}),p=([A-Za-z0-9+/]{43}=)$`);

interface Begun {
  readonly secret: Secret;
  /** The authzid, if there is one, is the name itself. */
  readonly may: boolean;
  readonly gs2: string;
  readonly clientFirst: string;
  readonly serverFirst: string;
  readonly nonce: string;
}

type State =
  | { readonly is: 'first' }
  | { readonly is: 'proof'; readonly begun: Begun }
  | { readonly is: 'told'; readonly verdict: SaslStep }
  | { readonly is: 'over' };

/** `nonce`: our part of it. */
export function scram(
  house: House,
  nonce: () => string = () => house.random(18).toString('base64'),
): Exchange {
  let state: State = { is: 'first' };
  return {
    async step(response) {
      const before = state;
      if (response === null) return before.is === 'first' ? challenge('') : MALFORMED;
      state = { is: 'over' };
      if (before.is === 'over') return MALFORMED;
      if (before.is === 'told') return response.length === 0 ? before.verdict : MALFORMED;
      const said = words(response);
      if (said === null) return MALFORMED;
      if (before.is === 'first') {
        const begun = begin(house, said, nonce);
        if (!begun) return MALFORMED;
        state = { is: 'proof', begun };
        return challenge(begun.serverFirst);
      }
      const { secret } = before.begun;
      const final = parseFinal(said, before.begun);
      if (!final) return MALFORMED;
      const verdict = await house.judge(secret.name, false, () => proves(secret, final));
      if (verdict.kind !== 'accepted') return verdict;
      state = { is: 'told', verdict };
      return challenge(`v=${hmac(secret.scram.serverKey, final.authMessage).toString('base64')}`);
    },
  };
}

function begin(house: House, said: string, nonce: () => string): Begun | null {
  const [, gs2, written, clientFirst, saslname, theirs] = FIRST.exec(said) ?? [];
  if (gs2 === undefined || clientFirst === undefined || saslname === undefined) return null;
  const name = unescaped(saslname);
  const authzid = written === undefined ? name : unescaped(written);
  if (name === null || authzid === null) return null;
  const secret = house.secretOf(prepared(name));
  const both = `${theirs}${nonce()}`;
  const { salt, iterations } = secret.scram;
  const serverFirst = `r=${both},s=${salt.toString('base64')},i=${iterations}`;
  return { secret, may: authzid === name, gs2, clientFirst, serverFirst, nonce: both };
}

/** §5.1: "=2C" is a comma, "=3D" an equals sign; any other "=" is an error. */
function unescaped(saslname: string): string | null {
  if (/=(?!2C|3D)/.test(saslname)) return null;
  return saslname.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

interface Final {
  readonly authMessage: string;
  readonly proof: Buffer;
  readonly may: boolean;
}

function parseFinal(said: string, begun: Begun): Final | null {
  const [, withoutProof, binding, nonce, proof = ''] = FINAL.exec(said) ?? [];
  // §7: the binding repeats the header of the first message, the nonce is what we sent.
  if (binding !== Buffer.from(begun.gs2).toString('base64') || nonce !== begun.nonce) return null;
  return {
    authMessage: `${begun.clientFirst},${begun.serverFirst},${withoutProof}`,
    proof: Buffer.from(proof, 'base64'),
    may: begun.may,
  };
}

/** §3: the key that undoes the proof is the one whose hash we have. */
function proves({ scram }: Secret, { authMessage, proof, may }: Final): boolean {
  const signature = hmac(scram.storedKey, authMessage);
  const key = proof.map((octet, i) => octet ^ (signature[i] ?? 0));
  return timingSafeEqual(sha256(key), scram.storedKey) && may;
}
