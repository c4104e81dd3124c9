/** Addresses of peers as the rest of the program knows them. Uses ipaddr.js for the parsing. */
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Canonical text; IPv4-mapped IPv6 as IPv4, without a zone. */
export function plainAddress(address: string): string {
  // Most are, and node has made the text itself.
  if (isIPv4(address)) return address;
  return ipaddr.process(address.split('%')[0] ?? address).toString();
}

/** What counts as one client: an IPv4 address; for IPv6 its /64, of which anybody has one to himself. */
export const clientKey = (address: string): string => networkKey(address, { ipv4: 32, ipv6: 64 });

/** The network of an address: its first bits, for counting. Asked several times for each connection. */
export function networkKey(address: string, bits: { readonly ipv4: number; readonly ipv6: number }): string {
  if (!address.includes(':')) return ipv4Key(address, bits.ipv4);
  const groups = groupsOf(address);
  if (!groups) return ipv4Key(ipaddr.process(address).toString(), bits.ipv4);
  const whole = bits.ipv6 >> 4;
  const rest = bits.ipv6 & 15;
  let key = '';
  for (let i = 0; i < whole; i++) key += `${(groups[i] ?? 0).toString(16)}:`;
  return rest === 0 ? key : `${key}${(groups[whole] ?? 0) & (0xffff << (16 - rest))}`;
}

function ipv4Key(address: string, bits: number): string {
  if (bits === 32) return address;
  if (bits === 24) return address.slice(0, address.lastIndexOf('.'));
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return String(Math.floor(number / 2 ** (32 - bits)));
}

/** The eight groups of an IPv6 address; undefined: it is an IPv4 one in disguise. */
function groupsOf(address: string): readonly number[] | undefined {
  if (address.includes('.') || address.includes('%')) {
    const parsed = ipaddr.process(address);
    return parsed instanceof ipaddr.IPv6 ? parsed.parts : undefined;
  }
  const gap = address.indexOf('::');
  const read = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (gap < 0) return read(address);
  const before = read(address.slice(0, gap));
  const behind = read(address.slice(gap + 2));
  return [...before, ...Array<number>(8 - before.length - behind.length).fill(0), ...behind];
}

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';
