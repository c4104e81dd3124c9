/**
 * A file with a list of recipients, reread when it changed. Promises: looks at the file at most
 * once a second, whatever the load; one reader at a time; keeps the last good copy while the
 * file can't be read or holds no address (an editor that truncates first, a full disk), and
 * says so once in the log; no lookup waits longer than READ_DEADLINE for a file system.
 */
import { readFile, stat } from 'node:fs/promises';
import { type Clock, SECOND, sleep } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Soon } from '../base/soon.ts';
import { parseRecipientList, type RecipientList } from './recipient-list.ts';

const CHECK_INTERVAL = SECOND;
const READ_DEADLINE = 5 * SECOND;
/** About two million addresses; more is a mistake. */
const LARGEST_FILE = 64 * 1024 * 1024;

export class RecipientFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #list: RecipientList | undefined;
  /** Of the copy that we have. */
  #version = '';
  #checked = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #alarm = '';

  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** The list as it is now; undefined if there never was a good one. */
  current(): Soon<RecipientList | undefined> {
    return this.#clock.monotonic() - this.#checked < CHECK_INTERVAL ? this.#list : this.#looked();
  }

  async #looked(): Promise<RecipientList | undefined> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
      this.#checked = this.#clock.monotonic();
    });
    const enough = new AbortController();
    await Promise.race([this.#checking, sleep(this.#clock, READ_DEADLINE, enough.signal)]);
    enough.abort();
    return this.#list;
  }

  async #check(): Promise<void> {
    try {
      const version = await this.#versionNow();
      if (version === this.#version) return;
      const { list, bad, firstBad } = await parseRecipientList(await readFile(this.#path, 'utf8'));
      // Written to while we read: half a list would refuse wanted mail for good. The next check reads it again.
      if ((await this.#versionNow()) !== version) return;
      if (list.size === 0) throw new Error('there is no address in it');
      this.#list = list;
      this.#version = version;
      this.#alarm = '';
      this.#log.info('recipient list read', { path: this.#path, recipients: list.size });
      if (bad > 0) this.#log.warn('recipient list has bad lines', { path: this.#path, bad, line: firstBad });
    } catch (error) {
      this.#sound(error instanceof Error ? error.message : String(error));
    }
  }

  async #versionNow(): Promise<string> {
    const found = await stat(this.#path, { bigint: true });
    if (found.size > LARGEST_FILE) throw new Error(`it is larger than ${LARGEST_FILE} octets`);
    return `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`;
  }

  /** Once for each trouble, not once a second. */
  #sound(why: string): void {
    if (why === this.#alarm) return;
    this.#alarm = why;
    const kept = this.#list ? 'the last good copy is used' : 'its recipients are deferred';
    this.#log.error('recipient list unusable', { path: this.#path, why, consequence: kept });
  }
}
