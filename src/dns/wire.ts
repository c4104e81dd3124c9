/**
 * DNS messages of the few kinds that we ask: the question as octets, a response as an answer.
 * A response that is not one to our question is null: the asker goes on waiting, since anybody
 * can send us a datagram (RFC 5452 §9). Never throws on what came from outside.
 *
 * RFC 1035, 2181, 2308 (negative answers), 6891 (EDNS), 6840 §5.7 (AD in a question), 7505.
 */

import type { DecodedPacket, Answer as Record_ } from 'dns-packet';
import * as packet from 'dns-packet';
import ipaddr from 'ipaddr.js';
import type { MxRecord } from './port.ts';

export type QuestionType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'PTR';

export interface Question {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly type: QuestionType;
}

export type DnsRecord = string | MxRecord;

/** What a server said. `ttl` in seconds; null: it named no time, so not to be kept. */
export type Response =
  | {
      readonly kind: 'found';
      readonly records: readonly DnsRecord[];
      readonly ttl: number;
      readonly secure: boolean;
    }
  | { readonly kind: 'nxdomain' | 'nodata'; readonly ttl: number | null }
  | { readonly kind: 'truncated' }
  /** SERVFAIL, REFUSED and the like: another server may know better. */
  | { readonly kind: 'refused'; readonly why: string; readonly format: boolean };

/** What fits into a datagram without fragments nearly everywhere. */
const PAYLOAD = 1232;
const CHAIN = 8;

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Can the name be asked for at all? RFC 1035 §2.3.4. */
export function isAskable(name: string): boolean {
  if (name === '' || name.length > 253) return false;
  return name.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label));
}

/** `edns`: some old servers answer FORMERR to it. */
export function encodeQuestion(q: Question, id: number, edns: boolean): Buffer {
  return packet.encode({
    type: 'query',
    id,
    flags: packet.RECURSION_DESIRED | packet.AUTHENTIC_DATA,
    questions: [{ name: q.name, type: q.type, class: 'IN' }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: PAYLOAD,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
}

export function decodeResponse(octets: Buffer, q: Question, id: number): Response | null {
  let p: DecodedPacket;
  try {
    p = packet.decode(octets);
  } catch {
    // A truncated message may end in the middle of a record; its header still says so.
    return truncatedHeader(octets, id) ? { kind: 'truncated' } : null;
  }
  const asked = p.questions?.[0];
  if (p.type !== 'response' || p.id !== id) return null;
  if (asked === undefined || asked.type !== q.type || bare(asked.name) !== q.name) return null;
  if (p.flag_tc) return { kind: 'truncated' };
  const rcode = (p.flags ?? 0) & 0xf;
  if (rcode !== 0 && rcode !== 3) {
    return { kind: 'refused', why: RCODES[rcode] ?? `rcode ${rcode}`, format: rcode === 1 };
  }
  if (rcode === 3) return { kind: 'nxdomain', ttl: negativeTtl(p) };
  return collect(p, q);
}

function truncatedHeader(octets: Buffer, id: number): boolean {
  return octets.length >= 12 && octets.readUInt16BE(0) === id && (octets.readUInt16BE(2) & 0x8200) === 0x8200;
}

/** Follows aliases inside the answer; a recursive server sends the whole chain (RFC 1034 §5.3.2). */
function collect(p: DecodedPacket, q: Question): Response {
  const answers = p.answers ?? [];
  let name = q.name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= CHAIN; step++) {
    const records: DnsRecord[] = [];
    let alias: string | undefined;
    for (const a of answers) {
      if (bare(a.name) !== name) continue;
      if (a.type === 'CNAME') {
        alias = bare(a.data);
        ttl = Math.min(ttl, a.ttl ?? 0);
      }
      const record = recordOf(a, q.type);
      if (record === null) continue;
      records.push(record);
      ttl = Math.min(ttl, 'ttl' in a ? (a.ttl ?? 0) : 0);
    }
    if (records.length > 0) return { kind: 'found', records, ttl, secure: p.flag_ad };
    if (alias === undefined) return { kind: 'nodata', ttl: negativeTtl(p) };
    name = alias;
  }
  return { kind: 'refused', why: `more than ${CHAIN} aliases`, format: false };
}

function recordOf(a: Record_, type: QuestionType): DnsRecord | null {
  if (a.type !== type) return null;
  if (a.type === 'MX') return { preference: a.data.preference ?? 0, exchange: bare(a.data.exchange) };
  if (a.type === 'A' || a.type === 'AAAA') return canonicalAddress(a.data);
  if (a.type === 'PTR') return bare(a.data);
  if (a.type === 'TXT') return textOf(a.data);
  return null;
}

/** The strings of one record, joined (RFC 7208 §3.3). */
function textOf(data: string | Buffer | readonly (string | Buffer)[]): string {
  const parts = typeof data === 'string' || Buffer.isBuffer(data) ? [data] : data;
  return parts.map((part) => (typeof part === 'string' ? part : part.toString('utf8'))).join('');
}

/** RFC 2308 §5: the lesser of the SOA's own TTL and its minimum. */
function negativeTtl(p: DecodedPacket): number | null {
  for (const a of p.authorities ?? []) {
    if (a.type === 'SOA') return Math.min(a.ttl ?? 0, a.data.minimum ?? 0);
  }
  return null;
}

const bare = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();

/** IPv6 by RFC 5952, IPv4-mapped as IPv4. Null: no address. */
export function canonicalAddress(text: string): string | null {
  const plain = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const literal = /^ipv6:/i.test(plain) ? plain.slice(5) : plain;
  // ipaddr.js also takes "1" and "0x7f.1" for IPv4; a host name must not become an address.
  if (!literal.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(literal) ? literal : null;
  if (!ipaddr.IPv6.isValid(literal)) return null;
  const six = ipaddr.IPv6.parse(literal);
  return six.isIPv4MappedAddress() ? six.toIPv4Address().toString() : six.toRFC5952String();
}
