/**
 * Passwords that were right a short while ago, so that a site that calls every minute costs one scrypt in ten, and
 * thousands of sites do not wait for each other. Only right ones: a wrong one always costs the full price.
 *
 * Promises: in memory only, as a hash under a key of this process; nothing is remembered beyond KEEP; a
 * changed or removed secret is forgotten at once, since its scrypt hash is part of what is hashed.
 */
import { timingSafeEqual } from 'node:crypto';
import { type Clock, MINUTE } from '../base/clock.ts';
import { hmac, type Random, type Secret } from './secret.ts';
import { Table } from './table.ts';

const KEEP = 10 * MINUTE;
const ROOM = 10_000;

export class Remembered {
  readonly #clock: Clock;
  readonly #key: Buffer;
  readonly #right = new Table<{ readonly tag: Buffer; readonly until: number }>(ROOM);

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#key = random(32);
  }

  has(secret: Secret, password: string): boolean {
    const found = this.#right.get(secret.name);
    // Made in any case: that a name was here lately is not told by time.
    const tag = this.#tag(secret, password);
    return found !== undefined && found.until > this.#clock.monotonic() && timingSafeEqual(found.tag, tag);
  }

  add(secret: Secret, password: string): void {
    this.#right.set(secret.name, { tag: this.#tag(secret, password), until: this.#clock.monotonic() + KEEP });
  }

  #tag({ scrypt }: Secret, password: string): Buffer {
    return hmac(this.#key, Buffer.concat([scrypt.hash, Buffer.from(password)]));
  }
}
