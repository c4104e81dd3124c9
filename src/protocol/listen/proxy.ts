/**
 * The header of the PROXY protocol, versions 1 and 2, by which a proxy says at the beginning of a connection who its
 * client is (HAProxy's proxy-protocol.txt). Read only where such a proxy is declared.
 *
 * Promises: at most HEADER_LIMIT octets are looked at; not one of those behind the header is taken; what is not exactly
 * a header is none.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, SECOND } from '../../base/clock.ts';
import { plainAddress } from './address.ts';

export interface Ends {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export type ProxyHeader =
  | {
      readonly kind: 'header';
      readonly length: number /** Null: the connection is the proxy's own. */;
      readonly ends: Ends | null;
    }
  | { readonly kind: 'more' }
  | { readonly kind: 'bad' };

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** §2.1: the longest line of version 1, with its CRLF. */
const LINE_LIMIT = 107;
/** Version 2 with more TLVs than are in use. */
export const HEADER_LIMIT = 4096;
/** §2: 3 s at least, so that a lost packet may be sent again. */
export const HEADER_DEADLINE = 5 * SECOND;

const MORE: ProxyHeader = { kind: 'more' };
const BAD: ProxyHeader = { kind: 'bad' };

export function parseProxy(octets: Buffer): ProxyHeader {
  const begun = Math.min(octets.length, SIGNATURE.length);
  if (octets.compare(SIGNATURE, 0, begun, 0, begun) === 0)
    return begun < SIGNATURE.length ? MORE : version2(octets);
  return version1(octets);
}

/** §2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 25`. */
function version1(octets: Buffer): ProxyHeader {
  const start = 'PROXY ';
  if (octets.toString('latin1', 0, start.length) !== start.slice(0, octets.length)) return BAD;
  const end = octets.indexOf('\r\n');
  if (end < 0) return octets.length >= LINE_LIMIT ? BAD : MORE;
  if (end + 2 > LINE_LIMIT) return BAD;
  const length = end + 2;
  const [, family, from = '', to = '', fromPort = '', toPort = '', ...rest] = octets
    .toString('latin1', 0, end)
    .split(' ');
  // Whatever stands behind it.
  if (family === 'UNKNOWN') return { kind: 'header', length, ends: null };
  const is = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : () => false;
  if (!is(from) || !is(to) || !isPort(fromPort) || !isPort(toPort) || rest.length > 0) return BAD;
  return { kind: 'header', length, ends: endsOf(from, Number(fromPort), to, Number(toPort)) };
}

const isPort = (text: string): boolean => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;

const endsOf = (address: string, port: number, localAddress: string, localPort: number): Ends => ({
  address: plainAddress(address),
  port,
  localAddress: plainAddress(localAddress),
  localPort,
});

/** §2.2: signature, version and command, family and transport, length, addresses, TLVs. */
function version2(octets: Buffer): ProxyHeader {
  if (octets.length < 16) return MORE;
  const command = octets.readUInt8(12);
  const family = octets.readUInt8(13);
  const length = 16 + octets.readUInt16BE(14);
  // Version 2, LOCAL or PROXY.
  if ((command !== 0x20 && command !== 0x21) || length > HEADER_LIMIT) return BAD;
  if (octets.length < length) return MORE;
  // LOCAL, as in its checks of our health; AF_UNSPEC: it does not know.
  if (command === 0x20 || family === 0x00) return { kind: 'header', length, ends: null };
  const ends = addresses(octets.subarray(16, length), family);
  return ends ? { kind: 'header', length, ends } : BAD;
}

function addresses(block: Buffer, family: number): Ends | undefined {
  // TCP over IPv4, TCP over IPv6.
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (size === 0 || block.length < 2 * size + 4) return undefined;
  const at = (from: number) => textOf(block.subarray(from, from + size));
  return endsOf(at(0), block.readUInt16BE(2 * size), at(size), block.readUInt16BE(2 * size + 2));
}

function textOf(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  return Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16)).join(':');
}

export type ProxyRead =
  | { readonly kind: 'read'; readonly ends: Ends | null }
  | { readonly kind: 'bad'; readonly why: string };

/** Reads the header off a stream, which is paused behind it. */
export function readProxy(stream: Duplex, clock: Clock): Promise<ProxyRead> {
  return new Promise((resolve) => {
    let octets = Buffer.alloc(0);
    const done = (read: ProxyRead) => {
      late.cancel();
      stream.off('data', onData);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      stream.pause();
      resolve(read);
    };
    const onData = (chunk: Buffer) => {
      octets = Buffer.concat([octets, chunk]);
      const header = parseProxy(octets);
      if (header.kind === 'more') return;
      if (header.kind === 'bad') return done({ kind: 'bad', why: 'no PROXY header' });
      done({ kind: 'read', ends: header.ends });
      if (octets.length > header.length) stream.unshift(octets.subarray(header.length));
    };
    const onEnd = () => done({ kind: 'bad', why: 'it ended before its PROXY header' });
    const late = clock.after(HEADER_DEADLINE, () => done({ kind: 'bad', why: 'no PROXY header in time' }));
    stream.on('data', onData);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
  });
}
