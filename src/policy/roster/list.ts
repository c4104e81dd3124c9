/**
 * A list of recipients as text becomes a set to look things up in. A line is an address, a local part (good at
 * all the site's domains) or `@domain` (all at that domain). What Postfix and sendmail have is read as it is:
 *
 *   joe@example.net  OK             relay_recipient_maps, virtual, virtusertable: what follows is passed over
 *   @example.net     error:nouser   virtusertable: this one is refused, and `@example.net` is no catch-all
 *   info+*@example.net  joe         virtusertable: info, with any sub-address
 *   staff: joe,                     aliases; a line that begins with white space goes on with one
 *       jane                        that had something behind its address
 *
 * The text is taken as it comes, in slices with a pause between them, so that a list of a million addresses stops
 * nobody and is nowhere in memory as a whole.
 */
import { setImmediate as pause } from 'node:timers/promises';
import { canonicalDomain, domainPart, localPart } from '../../mail/address.ts';
import { canonicalLocal } from '../local-part.ts';
import { HashSet } from './hash-set.ts';
import { baseOf, fullOf, type Name } from './names.ts';

export class RecipientList {
  /** `local@domain`, `local` and `@domain`, each canonical. */
  readonly #entries: HashSet;
  /** Of these, and not of the others, it says that they are refused. Few. */
  #refused: ReadonlySet<string>;

  constructor(entries: HashSet, refused: ReadonlySet<string> = new Set()) {
    this.#entries = entries;
    this.#refused = refused;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What the other says is said by this one from now on. The other is not to be used any more. */
  become(other: RecipientList): void {
    this.#entries.become(other.#entries);
    this.#refused = other.#refused;
  }

  /** It is not to be used any more. */
  drop(): void {
    this.#entries.clear();
  }

  lookup(name: Name): 'listed' | 'catch-all' | 'absent' {
    const { local, base, domain } = name;
    const full = fullOf(name);
    if (this.#refused.has(full)) return 'absent';
    if (this.#entries.has(full) || this.#entries.has(local)) return 'listed';
    if (base !== local) {
      const mailbox = baseOf(name);
      if (this.#refused.has(mailbox)) return 'absent';
      if (this.#entries.has(mailbox) || this.#entries.has(base)) return 'listed';
    }
    return this.#entries.has(`@${domain}`) ? 'catch-all' : 'absent';
  }
}

export interface ParsedList {
  readonly list: RecipientList;
  /** Number of lines that are none of these, and the first of them. */
  readonly bad: number;
  readonly firstBad?: number;
}

export interface Expected {
  /** Octets that will come, as far as it is known; only a hint. */
  readonly octets?: number;
  /** 32 bits. */
  readonly seed: number;
}

/** Octets of one slice: about a millisecond. */
const SLICE = 32 * 1024;
/** Octets of a usual line. */
const LINE = 24;
const LONGEST_LINE = 16 * 1024;
const MOST_REFUSED = 100_000;
const LF = 10;

/** A chunk is used until the next one is asked for, and not longer. */
export async function readList(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { octets = 0, seed }: Expected,
): Promise<ParsedList> {
  const lines = new Lines(new HashSet(seed, octets / LINE));
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += SLICE) {
      lines.take(chunk.subarray(at, at + SLICE));
      await pause();
    }
  }
  return lines.end();
}

class Lines {
  readonly #entries: HashSet;
  readonly #refused = new Set<string>();
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end is still to come. */
  readonly #rest = new Uint8Array(LONGEST_LINE);
  #kept = 0;
  #number = 0;
  #bad = 0;
  #firstBad: number | undefined;
  /** The line before this one had something behind its address, so it may go on. */
  #goesOn = false;

  constructor(entries: HashSet) {
    this.#entries = entries;
  }

  take(octets: Uint8Array): void {
    let at = 0;
    for (let lf = octets.indexOf(LF); lf >= 0; lf = octets.indexOf(LF, at)) {
      if (this.#kept > 0) {
        this.#keep(octets.subarray(at, lf));
        this.#octets(this.#rest, 0, this.#kept);
        this.#kept = 0;
      } else this.#octets(octets, at, lf);
      at = lf + 1;
    }
    this.#keep(octets.subarray(at));
  }

  /** What is longer than a line can be is kept long enough to be known as bad. */
  #keep(octets: Uint8Array): void {
    const taken = octets.subarray(0, LONGEST_LINE - this.#kept);
    this.#rest.set(taken, this.#kept);
    this.#kept += taken.byteLength;
  }

  /** Most lines are a plain address, of which no text has to be made: garbage would be the most of a large list. */
  #octets(octets: Uint8Array, from: number, to: number): void {
    if (isPlain(octets, from, to)) {
      this.#number++;
      this.#goesOn = false;
      this.#entries.addAscii(octets, from, to);
    } else this.#line(this.#decoder.decode(octets.subarray(from, to)));
  }

  end(): ParsedList {
    this.#octets(this.#rest, 0, this.#kept);
    this.#kept = 0;
    const firstBad = this.#firstBad === undefined ? {} : { firstBad: this.#firstBad };
    return { list: new RecipientList(this.#entries, this.#refused), bad: this.#bad, ...firstBad };
  }

  #line(written: string): void {
    this.#number++;
    const line = written.trim();
    if (line === '' || line.startsWith('#')) return;
    if (this.#goesOn && /^\s/.test(written)) return;
    const read = line.length >= LONGEST_LINE ? undefined : entryOf(line);
    this.#goesOn = read?.more ?? false;
    if (read === undefined) {
      this.#bad++;
      this.#firstBad ??= this.#number;
    } else if (!read.refused) this.#entries.add(read.entry);
    else if (!read.entry.startsWith('@') && this.#refused.size < MOST_REFUSED) this.#refused.add(read.entry);
  }
}

interface Entry {
  /** Canonical. */
  readonly entry: string;
  readonly refused: boolean;
  /** Something stands behind the address. */
  readonly more: boolean;
}

const AT = 0x40;

/** `[a-z0-9._-]+@[a-z0-9._-]*[a-z0-9_-]`: canonical as it stands. */
function isPlain(octets: Uint8Array, from: number, to: number): boolean {
  let at = -1;
  let last = 0;
  for (let i = from; i < to; i++) {
    last = octets[i] ?? 0;
    const letter = (last >= 0x61 && last <= 0x7a) || (last >= 0x30 && last <= 0x39);
    if (letter || last === 0x2e || last === 0x2d || last === 0x5f) continue;
    if (last !== AT || at >= 0 || i === from) return false;
    at = i;
  }
  return at >= 0 && at < to - 1 && last !== 0x2e;
}

/** What a line stands for; undefined if it is nothing. */
export function entryOf(line: string): Entry | undefined {
  // White space may stand in a quoted local part only; a colon ends the name of an alias.
  const word = /^(?:"(?:[^"\\]|\\.)*"|[^\s":])(?:[^\s":]|\[[^\]]*\])*/.exec(line)?.[0];
  if (word === undefined) return undefined;
  const behind = line.slice(word.length);
  const value = /^\s*:?\s*(.*)$/.exec(behind)?.[1] ?? '';
  if (behind.startsWith('"')) return undefined;
  const entry = canonicalEntry(word);
  if (entry === undefined) return undefined;
  const more = behind.trim() !== '' && !value.startsWith('#');
  return { entry, refused: /^error:/i.test(value), more };
}

function canonicalEntry(word: string): string | undefined {
  const quoteEnd = word.startsWith('"') ? word.lastIndexOf('"') : -1;
  if (word.indexOf('@', quoteEnd + 1) < 0) return canonicalLocal(anyDetail(word));
  const domain = canonicalDomain(domainPart(word));
  if (domain === '') return undefined;
  const local = anyDetail(localPart(word));
  return local === '' ? `@${domain}` : `${canonicalLocal(local)}@${domain}`;
}

/** sendmail's `info+*` and `info++*`: any sub-address of info. */
const anyDetail = (local: string): string => local.replace(/\+\+?\*$/, '');
