/**
 * A file with a list of recipients, reread when it changed. Promises: looks at the file at most
 * once a second, whatever the load; one reader at a time; keeps the last good copy while the
 * file can't be read or holds no address (an editor that truncates first, a full disk), and
 * says so once in the log; no lookup waits longer than READ_DEADLINE for a file system, or longer than
 * REREAD_DEADLINE while there is a copy that answers.
 */
import { stat } from 'node:fs/promises';
import { type Clock, type Instant, SECOND, sleep } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Soon } from '../../base/soon.ts';
import { type RecipientList, readList } from './list.ts';
import { octetsOf } from './octets.ts';
import { LARGEST_LIST, type Source, type SourceView } from './source.ts';

const CHECK_INTERVAL = SECOND;
const READ_DEADLINE = 5 * SECOND;
const REREAD_DEADLINE = 40;

export interface FileMeans {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

export class RecipientFile implements Source {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: () => number;
  #list: RecipientList | undefined;
  #read: Instant | null = null;
  /** Of the copy that we have. */
  #version = '';
  #checked = Number.NEGATIVE_INFINITY;
  #looked: Instant | null = null;
  #checking: Promise<void> | undefined;
  #alarm = '';

  constructor(path: string, { clock, log, random }: FileMeans) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#random = random;
  }

  current(): Soon<RecipientList | undefined> {
    return this.#clock.monotonic() - this.#checked < CHECK_INTERVAL ? this.#list : this.#look();
  }

  view(): SourceView {
    const recipients = this.#list?.size ?? null;
    const alarm = this.#alarm === '' ? null : this.#alarm;
    return { from: this.#path, recipients, read: this.#read, looked: this.#looked, alarm };
  }

  /** A large one is there when the first mail comes. */
  start(): void {
    void this.current();
  }

  stop(): void {}

  /** It is read again at the next lookup. */
  forget(): void {
    this.#version = '';
  }

  async #look(): Promise<RecipientList | undefined> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
      this.#checked = this.#clock.monotonic();
      this.#looked = this.#clock.now();
    });
    const enough = new AbortController();
    const patience = this.#list ? REREAD_DEADLINE : READ_DEADLINE;
    await Promise.race([this.#checking, sleep(this.#clock, patience, enough.signal)]);
    enough.abort();
    return this.#list;
  }

  async #check(): Promise<void> {
    try {
      const version = await this.#versionNow();
      if (version.text === this.#version) {
        this.#alarm = '';
        return;
      }
      const seed = this.#random() * 2 ** 32;
      const { list, bad, firstBad } = await readList(octetsOf(this.#path), { ...version, seed });
      // Written to while we read: half a list would refuse wanted mail for good. The next check reads it again.
      const after = await this.#versionNow();
      if (after.text !== version.text) return list.drop();
      if (list.size === 0) throw new Error('there is no address in it');
      if (this.#list) this.#list.become(list);
      else this.#list = list;
      this.#read = this.#clock.now();
      this.#version = version.text;
      this.#alarm = '';
      this.#log.info('recipient list read', { path: this.#path, recipients: this.#list.size });
      if (bad > 0) this.#log.warn('recipient list has bad lines', { path: this.#path, bad, line: firstBad });
    } catch (error) {
      this.#sound(error instanceof Error ? error.message : String(error));
    }
  }

  async #versionNow(): Promise<{ text: string; octets: number }> {
    const found = await stat(this.#path, { bigint: true });
    if (found.size > LARGEST_LIST) throw new Error(`it is larger than ${LARGEST_LIST} octets`);
    return { text: `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`, octets: Number(found.size) };
  }

  /** Once for each trouble, not once a second. */
  #sound(why: string): void {
    if (why === this.#alarm) return;
    this.#alarm = why;
    const kept = this.#list ? 'the last good copy is used' : 'its recipients are deferred';
    this.#log.error('recipient list unusable', { path: this.#path, why, consequence: kept });
  }
}
