/**
 * The resolver port. An answer tells apart what an exchanger has to tell apart
 * (RFC 5321 §5.1): the name does not exist, it has no such record, nobody could say.
 */
export type Answer<T> =
  | { readonly kind: 'found'; readonly records: readonly T[] /** seconds */; readonly ttl: number }
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'nodata' }
  | { readonly kind: 'failed'; readonly why: string };

export interface MxRecord {
  readonly preference: number;
  /** Lower case, no trailing dot; '' is the null MX (RFC 7505). */
  readonly exchange: string;
}

export interface Resolver {
  mx(domain: string): Promise<Answer<MxRecord>>;
  /** A and AAAA together. Addresses in canonical text form. */
  addresses(host: string): Promise<Answer<string>>;
  /** IPv4 addresses that were asked for as such, as the answer of a blocklist is. */
  a(name: string): Promise<Answer<string>>;
  /** IPv6 addresses only, in canonical text form. */
  aaaa(name: string): Promise<Answer<string>>;
  /** The strings of each record joined to one. */
  txt(name: string): Promise<Answer<string>>;
  /** The names of an IP address; lower case, no trailing dot. */
  ptr(address: string): Promise<Answer<string>>;
}
