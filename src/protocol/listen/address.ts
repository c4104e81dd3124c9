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
export function clientKey(address: string): string {
  if (isIPv4(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return parsed.toByteArray().slice(0, 8).join('.');
}

/** The network of an address: its first bits, for counting. */
export function networkKey(address: string, bits: { readonly ipv4: number; readonly ipv6: number }): string {
  if (bits.ipv4 === 24 && isIPv4(address)) return address.slice(0, address.lastIndexOf('.'));
  const parsed = ipaddr.process(address);
  const octets = parsed.toByteArray();
  const kept = parsed.kind() === 'ipv4' ? bits.ipv4 : bits.ipv6;
  const whole = kept >> 3;
  const rest = octets[whole] ?? 0;
  const part = kept % 8 === 0 ? [] : [rest & (0xff << (8 - (kept % 8))) & 0xff];
  return [...octets.slice(0, whole), ...part].join('.');
}

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';
