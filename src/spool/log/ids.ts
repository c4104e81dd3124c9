/**
 * Mail and entry ids as numbers and as text.
 *
 * A mail's number is (number of a segment that this run opened) × 2^29 + a counter, so it is
 * unique for ever: no segment number is used twice. The text is base 32 (Crockford's alphabet,
 * lower case: nothing to confuse when read out).
 */
import type { EntryId, MailId } from '../port.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const COUNTER = 2 ** 29;
/** 24 bits of segment numbers fill a double's 53. */
const LAST_SEGMENT = 2 ** 24 - 1;

export interface Key {
  readonly mail: number;
  /** 1 for the first queue of a mail. */
  readonly suffix: number;
}

export function mailText(mail: number): MailId {
  let text = '';
  let n = mail;
  do {
    text = ALPHABET[n % 32] + text;
    n = Math.floor(n / 32);
  } while (n > 0);
  return text;
}

export const entryText = (mail: number, suffix: number): EntryId =>
  suffix === 1 ? mailText(mail) : `${mailText(mail)}.${suffix}`;

/** Null for what is no id of ours. */
export function parseEntryId(id: EntryId): Key | null {
  const match = /^([0-9a-hjkmnp-tv-z]{1,11})(?:\.([1-9][0-9]{0,4}))?$/.exec(id.toLowerCase());
  if (!match?.[1]) return null;
  let mail = 0;
  for (const c of match[1]) mail = mail * 32 + ALPHABET.indexOf(c);
  const suffix = Number(match[2] ?? 1);
  return mail <= Number.MAX_SAFE_INTEGER && suffix <= 0xffff ? { mail, suffix } : null;
}

/** Gives out mail numbers. */
export class MailNumbers {
  #next = 0;
  #end = 0;

  /** To be called for each segment that is opened; only used when the last range has run out. */
  opened(segment: number): void {
    if (segment > LAST_SEGMENT) throw new RangeError('segment numbers have run out');
    if (this.#next < this.#end) return;
    this.#next = segment * COUNTER;
    this.#end = this.#next + COUNTER;
  }

  get areLeft(): boolean {
    return this.#next < this.#end;
  }

  /** Null: a new segment must be opened first. */
  next(): number | null {
    return this.#next < this.#end ? this.#next++ : null;
  }
}
