/**
 * Decides whether somebody is told of a failure or a delay, and makes the notice. Sends nothing and
 * settles nothing: the keeper settles the notice together with the outcome it is about.
 *
 * Never to the null sender (RFC 5321 §6.1), never about a notice, never against NOTIFY=NEVER, never
 * without the right to (`right.ts`).
 */
import type { Clock, Instant } from '../base/clock.ts';
import { canonicalDomain, domainPart } from '../mail/address.ts';
import type { Outcome } from '../mail/outcome.ts';
import type { Content, Corrupt, Entry, Gone, NewEntry, QueueName } from '../spool/port.ts';
import { buildNote } from './note.ts';
import { buildNotice } from './notice.ts';
import { isProved, noticeRight, wants } from './right.ts';

export interface NoticeSettings {
  readonly hostname: string;
  /** Configuration `notices.allow`. */
  readonly allow: readonly string[];
  /** Whom a reader may ask; absent: postmaster@hostname. */
  readonly postmaster?: string;
  /** The queue in which mail for a canonical domain leaves: a site's, or `>domain`. */
  queueFor(domain: string): QueueName;
}

export interface NoticesOptions {
  readonly clock: Clock;
  /** 0 ≤ x < 1; makes boundaries, so it should be hard to guess. */
  readonly random: () => number;
  /** As they are now: a reload changes them. */
  readonly settings: () => NoticeSettings;
}

export type Decision =
  | { readonly kind: 'notice'; readonly content: Uint8Array; readonly entry: NewEntry }
  /** Nobody wants to know: NOTIFY, or a notice that failed itself. */
  | { readonly kind: 'needless'; readonly why: string }
  /** Somebody should know, and may not be told. */
  | { readonly kind: 'untold'; readonly why: string };

/** One recipient, by index into the entry's envelope, and what came of it. */
export interface Told {
  readonly recipient: number;
  readonly outcome: Outcome;
}

export type OpenContent = () => Promise<Content | Corrupt | Gone>;

/** A message up to this size is returned whole. */
const FULL_LIMIT = 256 * 1024;
const HEADER_LIMIT = 64 * 1024;

export class Notices {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #settings: () => NoticeSettings;

  constructor({ clock, random, settings }: NoticesOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#settings = settings;
  }

  /** These recipients failed for good. */
  failure(entry: Entry, failed: readonly Told[], open: OpenContent): Promise<Decision> {
    return this.#decide(entry, failed, 'failed', open);
  }

  /** These are late, and will be tried until `until`. */
  delay(entry: Entry, late: readonly Told[], until: Instant, open: OpenContent): Promise<Decision> {
    return this.#decide(entry, late, 'delayed', open, until);
  }

  /** To its recipients, in their own queue: it is too large to be handed over when their site calls. */
  tooLarge(
    entry: Entry,
    recipients: readonly number[],
    largest: number,
  ): { content: Uint8Array; entry: NewEntry } {
    const { hostname, postmaster = `postmaster@${hostname}` } = this.#settings();
    const note = buildNote({
      hostname,
      postmaster,
      envelope: {
        ...entry.envelope,
        recipients: entry.envelope.recipients.filter((_, i) => recipients.includes(i)),
      },
      mail: entry.mail,
      size: entry.size,
      largest,
      arrived: entry.arrived,
      now: this.#clock.now(),
      token: this.#token(),
    });
    const origin = { kind: 'notice', about: entry.id } as const;
    return { content: note.content, entry: { queue: entry.queue, envelope: note.envelope, origin } };
  }

  async #decide(
    entry: Entry,
    told: readonly Told[],
    action: 'failed' | 'delayed',
    open: OpenContent,
    until?: Instant,
  ): Promise<Decision> {
    if (entry.origin.kind === 'notice') return { kind: 'needless', why: 'a notice' };
    const recipients = told.flatMap(({ recipient, outcome }) => {
      const r = entry.envelope.recipients[recipient];
      if (!r || !wants(r, action === 'failed' ? 'FAILURE' : 'DELAY')) return [];
      return [{ recipient: r, reply: outcome.reply, host: outcome.host }];
    });
    if (recipients.length === 0) return { kind: 'needless', why: 'NOTIFY' };
    const { sender } = entry.envelope;
    if (sender === '') return { kind: 'untold', why: 'the sender is null' };
    const settings = this.#settings();
    if (!isProved(entry.origin, sender) && !noticeRight(sender, settings.allow)) {
      return { kind: 'untold', why: 'the sender is not proved, and not in notices.allow' };
    }
    const { hostname } = settings;
    const notice = buildNotice({
      action,
      hostname,
      postmaster: settings.postmaster ?? `postmaster@${hostname}`,
      envelope: entry.envelope,
      origin: entry.origin,
      mail: entry.mail,
      arrived: entry.arrived,
      now: this.#clock.now(),
      recipients,
      ...(until === undefined ? {} : { until }),
      returned: await readReturned(entry, action, open),
      token: this.#token(),
    });
    return {
      kind: 'notice',
      content: notice.content,
      entry: {
        queue: settings.queueFor(canonicalDomain(domainPart(sender))),
        envelope: {
          sender: '',
          recipients: [{ address: sender }],
          body: notice.body,
          smtputf8: notice.smtputf8,
        },
        origin: { kind: 'notice', about: entry.id },
      },
    };
  }

  #token(): string {
    let token = '';
    while (token.length < 24)
      token += Math.floor(this.#random() * 36 ** 6)
        .toString(36)
        .padStart(6, '0');
    return token.slice(0, 24);
  }
}

/** RFC 3461 §4.3: RET is for failures; a report of a delay returns the header only. */
async function readReturned(entry: Entry, action: 'failed' | 'delayed', open: OpenContent) {
  const full = action === 'failed' && entry.envelope.ret !== 'HDRS' && entry.size <= FULL_LIMIT;
  try {
    const content = await open();
    if ('kind' in content) return null;
    try {
      return { full, bytes: await readSome(content, full) };
    } finally {
      await content.close();
    }
  } catch {
    // A notice without the returned part is still worth sending; the spool itself reports its damage.
    return null;
  }
}

async function readSome(content: Content, full: boolean): Promise<Uint8Array> {
  let read: Buffer = Buffer.alloc(0);
  for await (const chunk of content.chunks()) {
    read = Buffer.concat([read, chunk]);
    if (!full && (read.length >= HEADER_LIMIT || read.includes('\r\n\r\n'))) break;
  }
  return full ? read : headerOf(read);
}

/** Up to the empty line, cut at a line's end if it is too long. */
function headerOf(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, HEADER_LIMIT));
  const empty = buffer.indexOf('\r\n\r\n');
  const end = empty >= 0 ? empty : buffer.lastIndexOf('\r\n');
  return end < 0 ? buffer : buffer.subarray(0, end + 2);
}
