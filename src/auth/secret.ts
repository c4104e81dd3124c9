/**
 * What is kept of one password, and how it is made: a scrypt hash (PLAIN, LOGIN, POP3's PASS), the keys of
 * SCRAM-SHA-256, and only where CRAM-MD5 is wished for the password itself, sealed.
 *
 * Promises: nothing here holds the clear password but `sealed`, which wants the key file; all costly
 * work is done off the main thread.
 * RFC 5802 §3, RFC 7677 (SCRAM-SHA-256).
 */
import { createHash, createHmac, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

export interface ScryptHash {
  /** N is 2 to this. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export interface ScramKeys {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface Secret {
  /** The login name, as SASLprep makes it. */
  readonly name: string;
  readonly scrypt: ScryptHash;
  readonly scram: ScramKeys;
  /** By `Sealer`; absent: no CRAM-MD5 for this name. */
  readonly sealed?: Buffer;
}

/** 32 MiB, and a tenth to a quarter of a second of one core, for each guess. */
export const SCRYPT_COST = { ln: 15, r: 8, p: 1 } as const;
/** RFC 7677 §4: at least 4096. The client does this work, at each login; so not much more. */
export const SCRAM_ITERATIONS = 15_000;
const SALT = 16;
const KEY = 32;

export type Random = (octets: number) => Buffer;

export async function makeSecret(name: string, password: string, random: Random): Promise<Secret> {
  const salt = random(SALT);
  const hash = await derive(password, { ...SCRYPT_COST, salt });
  const scram = await scramKeys(password, random(SALT), SCRAM_ITERATIONS);
  return { name, scrypt: { ...SCRYPT_COST, salt, hash }, scram };
}

type ScryptOptions = { readonly N: number; readonly r: number; readonly p: number; readonly maxmem: number };
const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);
const pbkdf2Async = promisify(pbkdf2);

function derive(password: string, { ln, r, p, salt }: Omit<ScryptHash, 'hash'>): Promise<Buffer> {
  const N = 2 ** ln;
  return scryptAsync(password, salt, KEY, { N, r, p, maxmem: 128 * r * (N + p + 8) });
}

/** Takes the same time for a wrong password as for the right one. */
export async function matches(password: string, kept: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, kept), kept.hash);
}

export const hmac = (key: Uint8Array, text: string | Uint8Array): Buffer =>
  createHmac('sha256', key).update(text).digest();
export const sha256 = (octets: Uint8Array): Buffer => createHash('sha256').update(octets).digest();

/** RFC 5802 §3. */
export async function scramKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  const salted = await pbkdf2Async(password, salt, iterations, KEY, 'sha256');
  const storedKey = sha256(hmac(salted, 'Client Key'));
  return { iterations, salt, storedKey, serverKey: hmac(salted, 'Server Key') };
}

/**
 * What a name without a secret is checked against: looks like a secret, costs the same as `model`, a real one,
 * is the same at each call, and no password is right for it.
 */
export function decoySecret(name: string, key: Buffer, model?: Secret): Secret {
  const { ln, r, p } = model?.scrypt ?? SCRYPT_COST;
  const iterations = model?.scram.iterations ?? SCRAM_ITERATIONS;
  const make = (what: string, octets: number) => hmac(key, `${what}\0${name}`).subarray(0, octets);
  return {
    name,
    scrypt: { ln, r, p, salt: make('scrypt salt', SALT), hash: make('scrypt hash', KEY) },
    scram: {
      iterations,
      salt: make('scram salt', SALT),
      storedKey: make('stored key', KEY),
      serverKey: make('server key', KEY),
    },
  };
}
