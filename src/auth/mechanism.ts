/**
 * What a mechanism (`plain.ts`, `login.ts`, `cram-md5.ts`, `scram.ts`) asks of the house: secrets by name,
 * and the one place where an attempt is judged. It holds no state between exchanges.
 */
import type { SaslStep } from '../protocol/sasl.ts';
import type { Remembered } from './remembered.ts';
import type { Random, Secret } from './secret.ts';

export interface House {
  /** The secret of this name, or what a name without one is checked against. */
  secretOf(name: string): Secret;
  /** The clear password, if it is kept; else octets that nobody knows. */
  passwordOf(secret: Secret): Buffer;
  /**
   * Counts, logs and answers. `check` is asked also for names that have no secret, so that the answer takes
   * as long; then its word counts for nothing. `costly`: it waits for its turn.
   */
  judge(name: string, costly: boolean, check: () => boolean | Promise<boolean>): Promise<SaslStep>;
  readonly remembered: Pick<Remembered, 'has' | 'add'>;
  readonly hostname: string;
  readonly random: Random;
}

export const MALFORMED: SaslStep = { kind: 'refused', why: 'malformed' };

export const challenge = (text: string): SaslStep => ({ kind: 'challenge', data: Buffer.from(text) });

/** More is nobody's name or password. */
const LONGEST = 1024;

/** Text of a name or password: UTF-8, not empty, bounded, no NUL (RFC 4616 §2). Null: it is none. */
export function words(octets: Uint8Array): string | null {
  if (octets.length === 0 || octets.length > LONGEST || octets.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return null;
  }
}
