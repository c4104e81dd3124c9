/**
 * XCLIENT and XFORWARD as lines: who the client was that gave us a mail, told to a server that offers to hear it.
 *
 * Promises: only attributes that it listed; values in xtext, at most 255 octets; lines of at most 512 octets. What is not
 * known, or cannot be said, is `[UNAVAILABLE]`, never left out: what is left out would be ours, or the last client's.
 *
 * Postfix's XCLIENT_README, XFORWARD_README; RFC 3461 §4 (xtext); RFC 5321 §4.5.3.1.4 (512 octets).
 */
import { isIPv6 } from 'node:net';
import type { ClientName } from '../../../dns/client-name.ts';
import type { Client } from '../../../mail/client.ts';
import type { Offer } from './open.ts';

const UNAVAILABLE = '[UNAVAILABLE]';
const TEMPORARY = '[TEMPUNAVAIL]';
/** Octets of a value, in xtext. */
const LONGEST_VALUE = 255;
/** Without CRLF. */
const LONGEST_LINE = 510;

export const offersXclient = (offer: Offer): boolean => listed(offer, 'XCLIENT').includes('ADDR');

/**
 * The address comes last: with it the server takes us for that client, who as a rule may not say XCLIENT. LOGIN is never
 * said: a login here is none over there, where it might open doors.
 */
export function xclientLines(offer: Offer, client: Client, name: ClientName): string[] {
  const values = {
    HELO: valued(client.helo),
    PROTO: client.esmtp ? 'ESMTP' : 'SMTP',
    LOGIN: UNAVAILABLE,
    PORT: UNAVAILABLE,
    NAME: name.kind === 'found' ? hostValue(name.name) : name.kind === 'none' ? UNAVAILABLE : TEMPORARY,
    ADDR: addressValue(client.address),
  };
  return packed('XCLIENT', listed(offer, 'XCLIENT'), values);
}

/** Null: it is our own mail. `ident`: by what name we know it. */
export function xforwardLines(offer: Offer, client: Client | null, ident?: string): string[] {
  const values = {
    NAME: client?.name === undefined ? UNAVAILABLE : hostValue(client.name),
    ADDR: client ? addressValue(client.address) : UNAVAILABLE,
    PORT: UNAVAILABLE,
    PROTO: client ? (client.esmtp ? 'ESMTP' : 'SMTP') : UNAVAILABLE,
    HELO: client ? valued(client.helo) : UNAVAILABLE,
    IDENT: ident === undefined ? UNAVAILABLE : valued(ident),
    // For Postfix `[UNAVAILABLE]` is LOCAL, and it completes addresses in local mail.
    SOURCE: 'REMOTE',
  };
  return packed('XFORWARD', listed(offer, 'XFORWARD'), values);
}

/** What we say in EHLO in this client's name: it is what counts after XCLIENT. */
export function helloOf({ helo, address }: Client): string {
  if (/^[\x21-\x7e]{1,255}$/.test(helo)) return helo;
  return isIPv6(address) ? `[IPv6:${address}]` : `[${address}]`;
}

const listed = (offer: Offer, keyword: string): string[] =>
  (offer.keywords.get(keyword) ?? '').toUpperCase().split(' ').filter(Boolean);

function packed(
  verb: string,
  offered: readonly string[],
  values: Readonly<Record<string, string>>,
): string[] {
  const lines: string[] = [];
  let line = '';
  for (const [name, value] of Object.entries(values)) {
    if (!offered.includes(name)) continue;
    const word = ` ${name}=${value}`;
    if (line !== '' && line.length + word.length > LONGEST_LINE) {
      lines.push(line);
      line = '';
    }
    line = `${line || verb}${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

const addressValue = (address: string): string => (isIPv6(address) ? `IPV6:${address}` : address);

/** What servers take for the name of a host; a name in the DNS may hold any octet. */
const hostValue = (name: string): string =>
  /^(?!\d+$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$/.test(name) ? valued(name) : UNAVAILABLE;

/** RFC 3461 §4: `+` and `=` are `+` and two capital hex digits; so would be what is no visible ASCII, which servers take for no value. */
function valued(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) return UNAVAILABLE;
  const value = text.replaceAll('+', '+2B').replaceAll('=', '+3D');
  return value.length > LONGEST_VALUE ? UNAVAILABLE : value;
}
