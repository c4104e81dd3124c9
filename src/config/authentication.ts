/** `authentication:` from what was written to what is used: what follows from what, and the key of the seal. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorCode } from '../base/files.ts';
import type { Authentication } from './config.ts';
import type { Finding } from './load.ts';
import type { Written } from './schema.ts';

export function buildAuthentication(
  { hostname, authentication }: Written,
  absolute: (path: string) => string,
  found: Finding[],
): Authentication {
  const { spf, dmarc, arc: written, workers } = authentication;
  const sealed = typeof written === 'object' ? written.seal : undefined;
  const arc = written !== false;
  const dkim = authentication.dkim ?? (dmarc !== 'off' || arc);
  const say = (text: string, ...path: PropertyKey[]) =>
    found.push({ path: ['authentication', ...path], text });
  if (!dkim && dmarc !== 'off') say('DMARC needs DKIM: leave this key out', 'dkim');
  if (!dkim && arc) say('ARC needs DKIM: leave this key out', 'dkim');
  if (!spf && dmarc !== 'off') say('DMARC needs SPF: leave this key out', 'spf');
  const key = sealed && keyOf(absolute(sealed.key), (text) => say(text, 'arc', 'seal', 'key'));
  return {
    spf,
    dkim,
    dmarc,
    arc,
    ...(sealed && key !== undefined && { seal: { domain: sealed.domain, selector: sealed.selector, key } }),
    results: authentication.results ?? dkim,
    authservId: authentication.authserv_id ?? hostname,
    workers,
  };
}

function keyOf(path: string, say: (text: string) => void): string | undefined {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    say(`${path} cannot be read (${errorCode(error)})`);
    return undefined;
  }
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPrivateKey(pem);
    // RFC 8301 §3.2: signers use at least 1024 bits, and should use 2048.
    if (type === 'ed25519' || (type === 'rsa' && (details?.modulusLength ?? 0) >= 1024)) return pem;
    say(`${path} is no key for a seal: RSA of at least 1024 bits, or Ed25519`);
  } catch {
    say(`${path} holds no private key in PEM`);
  }
  return undefined;
}
