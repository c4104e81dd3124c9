/**
 * Passwords that have to be known in clear for CRAM-MD5, encrypted under a key file of their own: a copy of
 * the secrets file alone shows none. AES-256-GCM; the login name is bound in, so that a sealed password
 * cannot be given to another name.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from './secret.ts';

const NONCE = 12;
const TAG = 16;
export const SEAL_KEY = 32;

export class Sealer {
  readonly #key: Buffer;
  readonly #random: Random;

  constructor(key: Buffer, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  seal(name: string, password: string): Buffer {
    const nonce = this.#random(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG });
    cipher.setAAD(Buffer.from(name));
    return Buffer.concat([nonce, cipher.update(password, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null: not sealed by this key for this name. */
  open(name: string, sealed: Buffer): Buffer | null {
    if (sealed.length < NONCE + TAG) return null;
    const end = sealed.length - TAG;
    const cipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE), {
      authTagLength: TAG,
    });
    cipher.setAAD(Buffer.from(name));
    cipher.setAuthTag(sealed.subarray(end));
    try {
      return Buffer.concat([cipher.update(sealed.subarray(NONCE, end)), cipher.final()]);
    } catch {
      return null;
    }
  }
}
