/**
 * A resolver that knows what a test told it. Names are given without trailing dot, in lower case.
 * What it was not told does not exist; `fail` makes all questions, or those about one name, fail.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Answer, MxRecord, Resolver } from './port.ts';
import { canonicalAddress } from './wire.ts';

const TTL = 300;

export class MemoryResolver implements Resolver {
  readonly #mx = new Map<string, readonly MxRecord[]>();
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #others = new Map<string, readonly string[]>();
  readonly #failing = new Set<string>();
  #allFailing = false;
  /** Questions asked, as "mx acme.example" and "addresses mx.acme.example". */
  readonly asked: string[] = [];

  /** No records: the name exists and has none (nodata). */
  setMx(domain: string, ...records: readonly (readonly [preference: number, exchange: string])[]): this {
    this.#mx.set(
      domain,
      records.map(([preference, exchange]) => ({ preference, exchange })),
    );
    return this;
  }

  setAddresses(host: string, ...addresses: readonly string[]): this {
    this.#addresses.set(host, addresses);
    return this;
  }

  /** A or AAAA by itself, TXT, or PTR (of an IP address). */
  set(type: 'a' | 'aaaa' | 'txt' | 'ptr', name: string, ...records: readonly string[]): this {
    this.#others.set(`${type} ${name}`, records);
    return this;
  }

  /** The name does not exist any more. */
  forget(name: string): this {
    this.#mx.delete(name);
    for (const type of ['a', 'aaaa', 'txt', 'ptr']) this.#others.delete(`${type} ${name}`);
    this.#addresses.delete(name);
    return this;
  }

  /** Without a name: all of DNS. */
  fail(failing = true, name?: string): this {
    if (name === undefined) this.#allFailing = failing;
    else if (failing) this.#failing.add(name);
    else this.#failing.delete(name);
    return this;
  }

  async mx(domain: string): Promise<Answer<MxRecord>> {
    this.asked.push(`mx ${domain}`);
    return this.#answer(domain, this.#mx.get(domain));
  }

  async addresses(host: string): Promise<Answer<string>> {
    this.asked.push(`addresses ${host}`);
    const literal = canonicalAddress(host);
    if (literal) return { kind: 'found', records: [literal], ttl: TTL };
    if (host === 'localhost') return { kind: 'found', records: ['127.0.0.1', '::1'], ttl: TTL };
    return this.#answer(host, this.#addresses.get(host));
  }

  a(name: string): Promise<Answer<string>> {
    return this.#other('a', name, isIPv4);
  }

  aaaa(name: string): Promise<Answer<string>> {
    return this.#other('aaaa', name, isIPv6);
  }

  txt(name: string): Promise<Answer<string>> {
    return this.#other('txt', name);
  }

  ptr(address: string): Promise<Answer<string>> {
    return this.#other('ptr', address);
  }

  async #other(
    type: string,
    name: string,
    isOne: (address: string) => boolean = () => false,
  ): Promise<Answer<string>> {
    this.asked.push(`${type} ${name}`);
    const records = this.#others.get(`${type} ${name}`) ?? this.#addresses.get(name)?.filter(isOne);
    return this.#answer(name, records);
  }

  #answer<T>(name: string, records: readonly T[] | undefined): Answer<T> {
    if (this.#allFailing || this.#failing.has(name)) return { kind: 'failed', why: 'SERVFAIL' };
    if (records && records.length > 0) return { kind: 'found', records, ttl: TTL };
    const others = ['a', 'aaaa', 'txt', 'ptr'].some((type) => this.#others.has(`${type} ${name}`));
    const exists = this.#mx.has(name) || this.#addresses.has(name) || others;
    return exists ? { kind: 'nodata' } : { kind: 'nxdomain' };
  }
}
