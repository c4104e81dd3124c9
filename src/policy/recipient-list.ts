/**
 * A list of recipients as text: an address, a local part (good at all the site's domains) or
 * `@domain` (all at that domain) a line. Lines that begin with `#` are comments, and what
 * follows white space is passed over, so that a map of Postfix (`joe@example.net OK`) works as it is.
 *
 * Parsing pauses between slices, so that a list of 100,000 addresses stops no other session.
 */
import { setImmediate as pause } from 'node:timers/promises';
import { canonicalDomain, domainOf, domainPart, localPart } from '../mail/address.ts';
import { canonicalLocal } from './local-part.ts';

const LINES_A_SLICE = 4000;

export class RecipientList {
  /** `local@domain`, `local` and `@domain`, each canonical. */
  readonly #entries: ReadonlySet<string>;

  constructor(entries: ReadonlySet<string>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  lookup(address: string): 'listed' | 'catch-all' | 'absent' {
    const local = canonicalLocal(localPart(address));
    const domain = domainOf(address);
    if (this.#entries.has(`${local}@${domain}`) || this.#entries.has(local)) return 'listed';
    return this.#entries.has(`@${domain}`) ? 'catch-all' : 'absent';
  }
}

export interface ParsedList {
  readonly list: RecipientList;
  /** Number of lines that are none of these, and the first of them. */
  readonly bad: number;
  readonly firstBad?: number;
}

export async function parseRecipientList(text: string): Promise<ParsedList> {
  const entries = new Set<string>();
  let bad = 0;
  let firstBad: number | undefined;
  let number = 0;
  for (let at = text.startsWith('\ufeff') ? 1 : 0; at < text.length; ) {
    const lf = text.indexOf('\n', at);
    const end = lf < 0 ? text.length : lf;
    const line = text.slice(at, end).trim();
    at = end + 1;
    number++;
    if (number % LINES_A_SLICE === 0) await pause();
    if (line === '' || line.startsWith('#')) continue;
    const entry = entryOf(line);
    if (entry !== undefined) entries.add(entry);
    else {
      bad++;
      firstBad ??= number;
    }
  }
  return { list: new RecipientList(entries), bad, ...(firstBad === undefined ? {} : { firstBad }) };
}

/** The canonical entry that a line stands for; undefined if it is none. */
function entryOf(line: string): string | undefined {
  // White space may stand in a quoted local part only.
  const word = /^(?:"(?:[^"\\]|\\.)*"|[^\s"])[^\s"]*/.exec(line)?.[0];
  if (word === undefined) return undefined;
  const quoteEnd = word.startsWith('"') ? word.lastIndexOf('"') : -1;
  if (word.indexOf('@', quoteEnd + 1) < 0) return canonicalLocal(word);
  const domain = canonicalDomain(domainPart(word));
  if (domain === '') return undefined;
  const local = localPart(word);
  return local === '' ? `@${domain}` : `${canonicalLocal(local)}@${domain}`;
}
