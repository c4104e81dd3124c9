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
  readonly #refused: ReadonlySet<string>;

  constructor(entries: HashSet, refused: ReadonlySet<string> = new Set()) {
    this.#entries = entries;
    this.#refused = refused;
  }

  get size(): number {
    return this.#entries.size;
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

/** Octets of one slice: a few milliseconds. */
const SLICE = 32 * 1024;
/** Octets of a usual line. */
const LINE = 20;
const LONGEST_LINE = 16 * 1024;
const MOST_REFUSED = 100_000;

export async function readList(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { octets = 0, seed }: Expected,
): Promise<ParsedList> {
  const lines = new Lines(new HashSet(seed, octets / LINE));
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += SLICE) {
      lines.take(decoder.decode(chunk.subarray(at, at + SLICE), { stream: true }));
      await pause();
    }
  }
  lines.take(decoder.decode());
  return lines.end();
}

class Lines {
  readonly #entries: HashSet;
  readonly #refused = new Set<string>();
  #rest = '';
  #number = 0;
  #bad = 0;
  #firstBad: number | undefined;
  /** The line before this one had something behind its address, so it may go on. */
  #goesOn = false;

  constructor(entries: HashSet) {
    this.#entries = entries;
  }

  take(text: string): void {
    const all = this.#rest + text;
    let at = 0;
    for (let lf = all.indexOf('\n'); lf >= 0; lf = all.indexOf('\n', at)) {
      this.#line(all.slice(at, lf));
      at = lf + 1;
    }
    // What is longer than a line can be is kept long enough to be known as bad.
    this.#rest = all.length - at > LONGEST_LINE ? all.slice(-LONGEST_LINE) : all.slice(at);
  }

  end(): ParsedList {
    this.#line(this.#rest);
    this.#rest = '';
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

const PLAIN = /^[a-z0-9._-]+@[a-z0-9.-]*[a-z0-9-]$/;

/** What a line stands for; undefined if it is nothing. */
export function entryOf(line: string): Entry | undefined {
  if (PLAIN.test(line)) return { entry: line, refused: false, more: false };
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
