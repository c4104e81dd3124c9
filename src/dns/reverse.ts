/**
 * An IP address the other way round, as names are built from it: `4.3.2.1`, or 32 nibbles. RFC 1035 §3.5,
 * RFC 3596 §2.5; RFC 5782 §2.1, §2.4 (blocklists).
 */
import ipaddr from 'ipaddr.js';

/** Without a zone behind it. `address`: an IP address. */
export function reversed(address: string): string {
  const parsed = ipaddr.process(address);
  const octets = parsed.toByteArray();
  if (parsed.kind() === 'ipv4') return octets.reverse().join('.');
  return nibbles(octets);
}

/** An IPv6 address by its 32 nibbles, also an IPv4-mapped one: the test points of IPv6 lists are such (RFC 5782 §5). */
export const reversedSix = (address: string): string => nibbles(ipaddr.IPv6.parse(address).toByteArray());

const nibbles = (octets: readonly number[]): string =>
  octets
    .flatMap((octet) => [octet >> 4, octet & 15])
    .reverse()
    .map((nibble) => nibble.toString(16))
    .join('.');

/** The name whose PTR record has the names of the address. */
export const reverseName = (address: string): string =>
  `${reversed(address)}.${ipaddr.process(address).kind() === 'ipv4' ? 'in-addr' : 'ip6'}.arpa`;
