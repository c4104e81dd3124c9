/**
 * What XCLIENT and XFORWARD have in common: attributes in xtext, told by a front of ours, and by nobody else.
 * They are Postfix's (XCLIENT_README, XFORWARD_README); the values are xtext of RFC 3461 §4.
 */
import { isIP } from 'node:net';
import { plainAddress } from '../../../listen/address.ts';
import { decodeXtext } from '../parameters.ts';

const XCLIENT = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'DESTADDR', 'DESTPORT'] as const;
const XFORWARD = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'] as const;

/** For EHLO. */
export const frontOffers: readonly string[] = [
  `XCLIENT ${XCLIENT.join(' ')}`,
  `XFORWARD ${XFORWARD.join(' ')}`,
];

export const XCLIENT_NAMES: ReadonlySet<string> = new Set([
  ...XCLIENT,
  // Some fronts send it unasked. Taken, and never believed: a login is proved here by AUTH only.
  'LOGIN',
]);
export const XFORWARD_NAMES: ReadonlySet<string> = new Set(XFORWARD);

/** By name, in capitals; null: it is not known. Undefined: bad syntax, or an attribute that was not offered. */
export function attributes(
  args: string,
  known: ReadonlySet<string>,
): ReadonlyMap<string, string | null> | undefined {
  const read = new Map<string, string | null>();
  for (const word of args.split(/ +/)) {
    const equals = word.indexOf('=');
    const name = word.slice(0, Math.max(0, equals)).toUpperCase();
    const value = decodeXtext(word.slice(equals + 1));
    if (!known.has(name) || value === null || value === '') return undefined;
    read.set(name, /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value) ? null : value);
  }
  return read;
}

/** An IPv4 address, or `IPV6:` and one; undefined: neither. */
export function addressOf(value: string): string | undefined {
  const text = value.replace(/^ipv6:/i, '');
  return isIP(text) === 0 || text.includes('%') ? undefined : plainAddress(text);
}

export function portOf(value: string): number | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65535 ? Number(value) : undefined;
}
