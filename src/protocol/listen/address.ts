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
