/**
 * A list of recipients that an HTTPS server has (RFC 9110 §13.1.2: If-None-Match). Promises: asked by its
 * interval, never on the way of a mail; a list that cannot be had, that is empty, or that has lost more than half
 * is not taken: the last good copy stays, with an alarm. That copy is on disk, so a start needs no server.
 *
 * The copy is the list as it came, below a comment that holds its ETag: one file, replaced as a whole.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, type Instant, MINUTE, type Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { ListSource } from '../../site/site.ts';
import type { Get } from './get.ts';
import { type ParsedList, type RecipientList, readList } from './list.ts';
import { octetsOf } from './octets.ts';
import { LARGEST_LIST, type Source, type SourceView } from './source.ts';

/** For one answer, from the first word to its end. */
const DEADLINE = 2 * MINUTE;
/** After a failure, if the interval is longer. */
const SOON_AGAIN = 5 * MINUTE;
/** What a list may lose from one to the next. */
const MOST_LOST = 0.5;
const ETAG = /^# etag (.+)$/;

export interface EndpointMeans {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly get: Get;
}

export class RecipientEndpoint implements Source {
  readonly #where: Extract<ListSource, { kind: 'http' }>;
  /** The path of the copy. */
  readonly #copy: string;
  readonly #means: EndpointMeans;
  #list: RecipientList | undefined;
  #etag: string | undefined;
  #read: Instant | null = null;
  #looked: Instant | null = null;
  #alarm: string | null = null;
  #timer: Timer | null = null;
  #running = false;
  #over = false;
  readonly #stop = new AbortController();

  constructor(where: Extract<ListSource, { kind: 'http' }>, copy: string, means: EndpointMeans) {
    this.#where = where;
    this.#copy = copy;
    this.#means = means;
  }

  current(): RecipientList | undefined {
    return this.#list;
  }

  view(): SourceView {
    const recipients = this.#list?.size ?? null;
    return {
      from: this.#where.url,
      recipients,
      read: this.#read,
      looked: this.#looked,
      alarm: this.#alarm,
    };
  }

  start(): void {
    void this.#begin();
  }

  stop(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#stop.abort();
  }

  /** The next list is taken, however short; asked for at once. */
  forget(): void {
    this.#list = undefined;
    this.#etag = undefined;
    this.#read = null;
    void rm(this.#copy, { force: true })
      .catch(() => {})
      .then(() => this.#look());
  }

  async #begin(): Promise<void> {
    await this.#readCopy();
    await this.#look();
  }

  async #readCopy(): Promise<void> {
    try {
      const { size, mtimeMs } = await stat(this.#copy);
      const parsed = await this.#parse(this.#copy, size);
      if (parsed.list.size === 0) return;
      this.#list = parsed.list;
      this.#read = mtimeMs;
      this.#etag = ETAG.exec(await firstLine(this.#copy))?.[1];
    } catch (error) {
      // The first start has none.
      this.#means.log.debug('no copy of a recipient list', { url: this.#where.url, why: String(error) });
    }
  }

  async #look(): Promise<void> {
    if (this.#running || this.#over) return;
    this.#running = true;
    this.#timer?.cancel();
    const { clock, random } = this.#means;
    const why = await this.#fetch().catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    this.#running = false;
    this.#looked = clock.now();
    if (why === null) this.#alarm = null;
    else this.#sound(why);
    const { every } = this.#where;
    const wait = why === null ? every : Math.min(every, SOON_AGAIN);
    if (!this.#over) this.#timer = clock.after(wait * (0.9 + random() * 0.1), () => void this.#look());
  }

  /** Null: all is well. Otherwise what is wrong. */
  async #fetch(): Promise<string | null> {
    const { url, token } = this.#where;
    const headers = {
      accept: 'text/plain',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(this.#etag !== undefined && this.#list && { 'if-none-match': this.#etag }),
    };
    const late = new AbortController();
    const deadline = this.#means.clock.after(DEADLINE, () => late.abort(new Error('it takes too long')));
    try {
      const got = await this.#means.get(url, headers, AbortSignal.any([late.signal, this.#stop.signal]));
      if (got.status === 304 && this.#list) {
        got.drop();
        return null;
      }
      if (got.status !== 200) {
        got.drop();
        return `it answers ${got.status}`;
      }
      return await this.#take(got.body, got.etag);
    } finally {
      deadline.cancel();
    }
  }

  async #take(body: AsyncIterable<Uint8Array>, etag: string | undefined): Promise<string | null> {
    const { log, clock } = this.#means;
    const fresh = `${this.#copy}.new`;
    const octets = await keep(fresh, `# etag ${(etag ?? '').replace(/[\r\n]/g, '')}\n`, body);
    if (octets === null) return `it is larger than ${LARGEST_LIST} octets`;
    const parsed = await this.#parse(fresh, octets);
    const { list, bad, firstBad } = parsed;
    if (list.size === 0) return 'there is no address in it';
    const before = this.#list?.size ?? 0;
    const { size } = list;
    if (size < before * (1 - MOST_LOST)) {
      list.drop();
      return `it has lost more than half: ${size} recipients, after ${before}; "restante roster forget" takes it as it is`;
    }
    await rename(fresh, this.#copy);
    if (this.#list) this.#list.become(list);
    else this.#list = list;
    this.#etag = etag;
    this.#read = clock.now();
    log.info('recipient list read', { url: this.#where.url, recipients: size });
    if (bad > 0) {
      log.warn('recipient list has bad lines', { url: this.#where.url, bad, line: (firstBad ?? 1) - 1 });
    }
    return null;
  }

  #parse(path: string, octets: number): Promise<ParsedList> {
    const seed = this.#means.random() * 2 ** 32;
    return readList(octetsOf(path), { octets, seed });
  }

  #sound(why: string): void {
    if (why === this.#alarm || this.#over) return;
    this.#alarm = why;
    const consequence = this.#list ? 'the last good copy is used' : 'its recipients are deferred';
    this.#means.log.error('recipient list unusable', { url: this.#where.url, why, consequence });
  }
}

/** Writes it below `head`, durably; the octets, or null if they are too many. */
async function keep(path: string, head: string, body: AsyncIterable<Uint8Array>): Promise<number | null> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const out = createWriteStream(path, { mode: 0o600, flush: true });
  const done = once(out, 'close');
  done.catch(() => {});
  let octets = head.length;
  out.write(head);
  try {
    for await (const chunk of body) {
      octets += chunk.byteLength;
      if (octets > LARGEST_LIST) return null;
      if (!out.write(chunk)) await once(out, 'drain');
    }
    return octets;
  } finally {
    out.end();
    await done;
  }
}

async function firstLine(path: string): Promise<string> {
  const file = await open(path);
  try {
    for await (const line of file.readLines()) return line;
    return '';
  } finally {
    await file.close();
  }
}
