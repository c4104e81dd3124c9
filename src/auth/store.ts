/**
 * The secrets file: as the server sees it (`SecretStore`, read again when it changes) and as `restante
 * secret` changes it (`changeSecrets`).
 *
 * Promises: looks at the file at most once a second; keeps the last good copy while the file is damaged
 * or open to others, and says so once; a change is one replacement of the file, under a lock, so that of two
 * changes at once none is lost. Passwords are never held in clear.
 */
import * as fs from 'node:fs';
import { type Clock, type Instant, MINUTE, SECOND } from '../base/clock.ts';
import { errorCode } from '../base/files.ts';
import type { Log } from '../base/log.ts';
import { type Kept, parseSecrets, renderSecrets } from './format.ts';
import { type Guarded, guardedVersion, readGuarded, writeGuarded } from './guarded-file.ts';
import { SEAL_KEY, Sealer } from './seal.ts';
import type { Random, Secret } from './secret.ts';

const CHECK_INTERVAL = SECOND;
const STALE_LOCK = MINUTE;

/** The secrets at one moment. */
export interface Secrets extends Kept {
  /** Some name has a sealed password that we can open. */
  readonly recoverable: boolean;
  readonly sealer: Sealer;
}

export interface StoreOptions {
  /** `secrets:` of the configuration in force. */
  readonly path: () => string;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
}

/** The key that sealed passwords want. */
export const keyPath = (secrets: string): string => `${secrets}.key`;

export class SecretStore {
  readonly #options: StoreOptions;
  #checked = Number.NEGATIVE_INFINITY;
  #version: string | null = null;
  #secrets: Secrets;
  #alarm = '';

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#secrets = this.#from({ decoyKey: options.random(32), secrets: new Map() }, null);
  }

  current(): Secrets {
    const now = this.#options.clock.monotonic();
    if (now - this.#checked < CHECK_INTERVAL) return this.#secrets;
    this.#checked = now;
    try {
      this.#look(this.#options.path());
    } catch (error) {
      this.#sound(errorCode(error) || String(error));
    }
    return this.#secrets;
  }

  #look(path: string): void {
    const version = `${path} ${guardedVersion(path)} ${guardedVersion(keyPath(path))}`;
    if (version === this.#version) return;
    this.#version = version;
    const read = readSecrets(path);
    if (read.kind === 'bad') {
      this.#sound(read.why);
      return;
    }
    const kept = read.kind === 'none' ? { decoyKey: this.#secrets.decoyKey, secrets: new Map() } : read.kept;
    this.#alarm = '';
    const key = readGuarded(keyPath(path));
    if (key.kind === 'bad') this.#sound(`${keyPath(path)}: ${key.why}`);
    this.#secrets = this.#from(kept, keyOf(key));
    const { size } = kept.secrets;
    if (size > 0 || read.kind === 'ok') this.#options.log.info('secrets read', { path, names: size });
  }

  #from(kept: Kept, key: Buffer | null): Secrets {
    const { random } = this.#options;
    const sealer = new Sealer(key ?? random(SEAL_KEY), random);
    const recoverable =
      key !== null &&
      [...kept.secrets.values()].some(({ sealed, name }) => sealed && sealer.open(name, sealed));
    return { ...kept, sealer, recoverable };
  }

  /** Once for each trouble, not once a second. */
  #sound(why: string): void {
    if (why === this.#alarm) return;
    this.#alarm = why;
    const consequence = this.#secrets.secrets.size > 0 ? 'the last good copy is used' : 'nobody can log in';
    this.#options.log.error('secrets unusable', { path: this.#options.path(), why, consequence });
  }
}

const keyOf = (key: Guarded): Buffer | null =>
  key.kind === 'ok' && key.octets.length === SEAL_KEY ? key.octets : null;

export type Read =
  | { readonly kind: 'ok'; readonly kept: Kept }
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly why: string };

export function readSecrets(path: string): Read {
  const file = readGuarded(path);
  return file.kind === 'ok' ? parseSecrets(file.octets.toString()) : file;
}

/** Made once; its loss loses the sealed passwords and nothing else. */
function sealKey(path: string, random: Random): Buffer {
  const found = readGuarded(keyPath(path));
  if (found.kind === 'none') {
    const made = random(SEAL_KEY);
    writeGuarded(keyPath(path), made);
    return made;
  }
  const key = keyOf(found);
  if (key) return key;
  throw new Error(`${keyPath(path)} cannot be used: ${found.kind === 'bad' ? found.why : 'it is no key'}`);
}

export interface Change {
  /** Replaces what this name has. */
  readonly set?: Secret;
  /** For CRAM-MD5: sealed beside what is set. */
  readonly password?: string;
  readonly remove?: string;
}

/** Throws, with a message for the operator, if nothing was changed. False: there is no such name to remove. */
export function changeSecrets(path: string, change: Change, random: Random, now: Instant): boolean {
  const release = lock(`${path}.lock`, now);
  try {
    const read = readSecrets(path);
    if (read.kind === 'bad') throw new Error(`${path} cannot be used: ${read.why}`);
    const secrets = new Map(read.kind === 'ok' ? read.kept.secrets : []);
    if (change.remove !== undefined && !secrets.delete(change.remove)) return false;
    if (change.set) {
      const { set, password } = change;
      const sealed =
        password !== undefined && new Sealer(sealKey(path, random), random).seal(set.name, password);
      secrets.set(set.name, sealed ? { ...set, sealed } : set);
    }
    const decoyKey = read.kind === 'ok' ? read.kept.decoyKey : random(32);
    writeGuarded(path, renderSecrets({ decoyKey, secrets }));
    return true;
  } finally {
    release();
  }
}

/** A file that is there while somebody changes the secrets; one that is old was left by a crash. */
function lock(path: string, now: Instant): () => void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found && now - found.mtimeMs > STALE_LOCK) fs.rmSync(path, { force: true });
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    throw new Error('another command is changing the secrets: try again in a minute');
  }
  return () => fs.rmSync(path, { force: true });
}
