/**
 * Our resolver as mailauth asks it: by name and type, with node's error codes. Each `Lookups` is for one
 * evaluation: it knows for how long what was heard is good, and asks no more than its share.
 *
 * RFC 7208 §4.6.4 (limits of SPF, which mailauth keeps itself); RFC 6376 §3.6.2 (keys).
 */
import type { Answer, Resolver } from '../../dns/port.ts';

/** What mailauth understands: for MX records, TXT strings in parts, or texts. */
export type Heard = string[] | string[][] | { exchange: string; priority: number }[];

/** Seconds for what is not there, and after a failure. */
const NEGATIVE = 60;
const FAILED = 5;
const LONGEST = 3600;

export type LookupCode = 'ENOTFOUND' | 'ENODATA' | 'ESERVFAIL' | 'EREFUSED';

export class LookupError extends Error {
  readonly code: LookupCode;

  constructor(code: LookupCode, text: string) {
    super(text);
    this.code = code;
  }
}

export class Lookups {
  readonly #resolver: Resolver;
  #left: number;
  /** Seconds. */
  #ttl = LONGEST;
  #macros = false;

  constructor(resolver: Resolver, most: number) {
    this.#resolver = resolver;
    this.#left = most;
  }

  /** Seconds for which all that was heard is good. */
  get ttl(): number {
    return this.#ttl;
  }

  /** Some text had macros (RFC 7208 §7): what follows from it may be another thing for another sender. */
  get macros(): boolean {
    return this.#macros;
  }

  /** Rejects with a LookupError. */
  async ask(name: string, type: string): Promise<Heard> {
    if (this.#left-- <= 0) throw new LookupError('EREFUSED', 'too many look-ups for one mail');
    switch (type) {
      case 'TXT': {
        const texts = this.#records(name, await this.#resolver.txt(name));
        this.#macros ||= texts.some((text) => text.includes('%'));
        return texts.map((text) => [text]);
      }
      case 'A':
        return this.#records(name, await this.#resolver.a(name));
      case 'AAAA':
        return this.#records(name, await this.#resolver.aaaa(name));
      case 'MX': {
        const all = this.#records(name, await this.#resolver.mx(name));
        return all.map(({ exchange, preference }) => ({ exchange, priority: preference }));
      }
      case 'PTR':
        return this.#records(name, await this.#resolver.ptr(addressOf(name) ?? name));
      default:
        throw new LookupError('ENODATA', `${type} is not asked`);
    }
  }

  #records<T>(name: string, answer: Answer<T>): T[] {
    switch (answer.kind) {
      case 'found':
        this.#ttl = Math.min(this.#ttl, answer.ttl);
        return [...answer.records];
      case 'nxdomain':
        this.#ttl = Math.min(this.#ttl, NEGATIVE);
        throw new LookupError('ENOTFOUND', `${name} does not exist`);
      case 'nodata':
        this.#ttl = Math.min(this.#ttl, NEGATIVE);
        throw new LookupError('ENODATA', `${name} has no such record`);
      case 'failed':
        this.#ttl = Math.min(this.#ttl, FAILED);
        throw new LookupError('ESERVFAIL', answer.why);
    }
  }
}

/** The address of a name below in-addr.arpa or ip6.arpa. */
export function addressOf(name: string): string | null {
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa\.?$/i.exec(name)?.[1];
  if (four) return four.slice(0, -1).split('.').reverse().join('.');
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa\.?$/i.exec(name)?.[1];
  if (!six) return null;
  const digits = six.replaceAll('.', '').split('').reverse().join('');
  return digits.match(/.{4}/g)?.join(':') ?? null;
}
