/**
 * The scalar values of the configuration, each as a zod schema that turns text into what the
 * program uses and says in one line what it wanted. `meta.form` is what the reference calls it.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { canonicalDomain } from '../mail/address.ts';
import type { HostPort } from '../site/site.ts';

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? `the text "${value}"` : `the ${typeof value} ${value}`;
};

/** What zod says when the type is wrong: `wanted`, and what stands there instead. */
export const expected =
  (wanted: string) =>
  (issue: { readonly input?: unknown }): string => {
    if (issue.input === undefined) return `is missing: ${wanted} is expected`;
    if (issue.input === null) return `has no value: ${wanted} is expected; or leave the key out`;
    return `${wanted} is expected, not ${kindOf(issue.input)}`;
  };

/** The result of reading a scalar: a value, or the sentence that says why not. */
type Read<T> = { readonly ok: T } | { readonly why: string };

/** A text that `read` understands. `form` names the kind of value, `wanted` shows an example. */
export function text<T>(form: string, wanted: string, read: (text: string) => Read<T>) {
  return z
    .string({ error: expected(wanted) })
    .transform((value, context): T => {
      const result = read(value.trim());
      if ('ok' in result) return result.ok;
      context.addIssue({ code: 'custom', message: result.why, input: value });
      return z.NEVER;
    })
    .meta({ form });
}

const UNIT_MS: Record<string, number> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };
// Longer is a slip of the finger, and would leave the range in which times can be written.
const LONGEST = 3650 * DAY;

function readDuration(value: string): Read<number> {
  const [, digits, unit] = /^(\d{1,9})\s*([a-z]+)$/i.exec(value) ?? [];
  const ms = UNIT_MS[unit?.toLowerCase() ?? ''];
  if (digits === undefined || ms === undefined) {
    const hint = /^\d+$/.test(value)
      ? `${value}s, ${value}m, ${value}h or ${value}d`
      : '90s, 15m, 4h, 30d or 2w';
    return { why: `"${value}" is no duration: write a number and its unit, such as ${hint}` };
  }
  const total = Number(digits) * ms;
  if (total < SECOND) return { why: `"${value}" is too short: at least 1s` };
  if (total > LONGEST) return { why: `"${value}" is too long: at most 3650d` };
  return { ok: total };
}

export const duration = text('duration', 'a duration such as 90s, 15m, 4h, 30d or 2w', readDuration);
/** For the command line, which takes durations as the file does. */
export const parseDuration = (value: string): number | null => {
  const result = readDuration(value.trim());
  return 'ok' in result ? result.ok : null;
};

const UNIT_OCTETS: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const wantedSize = 'a size such as 150MB or 64KiB';
const sizeText = text<number>('size', wantedSize, (value) => {
  const [, digits, unit] = /^(\d{1,15}(?:\.\d{1,3})?)\s*([a-z]*)$/i.exec(value) ?? [];
  const octets = UNIT_OCTETS[unit?.toLowerCase() ?? '?'];
  if (digits === undefined || octets === undefined) {
    return { why: `"${value}" is no size: write a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB` };
  }
  const total = Math.floor(Number(digits) * octets);
  if (total < 1 || total > Number.MAX_SAFE_INTEGER)
    return { why: `"${value}" is not a size that can be used` };
  return { ok: total };
});
export const size = z
  .union([sizeText, z.int({ error: expected(wantedSize) }).min(1, 'must be at least 1')], {
    error: expected(wantedSize),
  })
  .meta({ form: 'size' });

/** A number of things. */
export const count = (least: number, most: number) =>
  z
    .int({ error: expected(`a whole number from ${least} to ${most}`) })
    .min(least, `must be at least ${least}`)
    .max(most, `must be at most ${most}`)
    .meta({ form: 'number' });

// RFC 1035 §2.3.4: labels of at most 63 octets, names of at most 253 as text. An underscore is no part
// of a host name (RFC 952), but domains with one exist and get mail.
function checkName(value: string, what: string, underscore: boolean): Read<string> {
  if (value.includes('@')) return { why: `"${value}" is an address, not ${what}` };
  if (value.includes('*'))
    return { why: `"${value}": a star is not known here; a leading dot means all below` };
  if (isIP(value) !== 0 || value.startsWith('[')) return { why: `"${value}" is an IP address, not ${what}` };
  const name = canonicalDomain(value);
  const label = underscore
    ? /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
    : /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
  const odd = name === '' || name.length > 253 ? value : name.split('.').find((l) => !label.test(l));
  if (odd !== undefined) {
    const where = odd === value ? '' : ` ("${odd}")`;
    return {
      why: `"${value}" is not ${what}: labels are letters, digits and inner hyphens, at most 63${where}`,
    };
  }
  if (/^\d+$/.test(name.slice(name.lastIndexOf('.') + 1))) {
    return { why: `"${value}" is not ${what}: the last label cannot be a number` };
  }
  return { ok: name };
}

export const hostname = text<string>('host name', 'a host name such as mx2.example.net', (value) => {
  const name = checkName(value, 'a host name', false);
  if ('why' in name || name.ok.includes('.')) return name;
  return { why: `"${value}" is not a full host name: peers expect one such as ${name.ok}.example.net` };
});

function readDomain(value: string): Read<string> {
  const below = value.startsWith('.');
  const name = checkName(below ? value.slice(1) : value, 'a domain', true);
  return 'why' in name || !below ? name : { ok: `.${name.ok}` };
}
export const domain = text('domain', 'a domain such as acme.example', readDomain);

/** An IP address in canonical text, or null. IPv4-mapped ones become IPv4. */
export function canonicalIp(value: string): string | null {
  if (isIP(value) === 0 || value.includes('%')) return null;
  return ipaddr.process(value).toString();
}

export const ip = text<string>('IP address', 'an IP address', (value) => {
  const address = canonicalIp(value);
  return address === null ? { why: `"${value}" is no IP address` } : { ok: address };
});

export const network = text<string>('network', 'an address or a network such as 198.51.100.0/24', (value) => {
  const [address = '', bits, ...more] = value.split('/');
  const base = canonicalIp(address);
  if (base === null || more.length > 0) {
    return { why: `"${value}" is no network: write an address, or one such as 198.51.100.0/24` };
  }
  const widest = isIP(base) === 4 ? 32 : 128;
  if (bits === undefined) return { ok: `${base}/${widest}` };
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > widest) {
    return { why: `"${value}": the number of bits is from 0 to ${widest}` };
  }
  const family = widest === 32 ? ipaddr.IPv4 : ipaddr.IPv6;
  const first = family.networkAddressFromCIDR(`${base}/${bits}`).toString();
  if (first !== base)
    return { why: `"${value}" is inside the network ${first}/${bits}: which one is meant?` };
  return { ok: `${base}/${bits}` };
});

function splitPort(value: string, port: number): { host: string; port: string } {
  const [, literal, behind] = /^\[([^\]]*)\](?::(.*))?$/.exec(value) ?? [];
  if (literal !== undefined) return { host: literal, port: behind ?? String(port) };
  if (isIP(value) === 6) return { host: value, port: String(port) };
  const colon = value.lastIndexOf(':');
  return colon < 0
    ? { host: value, port: String(port) }
    : { host: value.slice(0, colon), port: value.slice(colon + 1) };
}

function readHostPort(value: string, usual: number, what: { names: boolean; zero: boolean }): Read<HostPort> {
  const split = splitPort(value, usual);
  const port = /^\d{1,5}$/.test(split.port) ? Number(split.port) : -1;
  if (port < (what.zero ? 0 : 1) || port > 65535) {
    return {
      why: `"${value}": "${split.port}" is no port; ports are from 1 to 65535, IPv6 addresses stand in brackets`,
    };
  }
  const address = canonicalIp(split.host);
  if (address !== null) return { ok: { host: address, port } };
  if (!what.names) {
    return {
      why: `"${value}": "${split.host}" is no IP address; "0.0.0.0:${port}" and "[::]:${port}" mean all`,
    };
  }
  const name = checkName(split.host, 'a host name', true);
  return 'why' in name ? name : { ok: { host: name.ok, port } };
}

/** Where we listen: an address. Port 0 takes any that is free, which tests do. */
export const listener = (usual: number) =>
  text('address:port', `"address:port" in quotes, such as "0.0.0.0:${usual}" or "[::]:${usual}",`, (value) =>
    readHostPort(value, usual, { names: false, zero: true }),
  );
/** Whom we call: a name or an address. */
export const hostPort = (usual: number) =>
  text('host[:port]', `a host such as mail.acme.example or "192.0.2.1:${usual}"`, (value) =>
    readHostPort(value, usual, { names: true, zero: false }),
  );
/** A server that is called by address, since names are what it is asked for. */
export const server = (usual: number) =>
  text('address[:port]', `an IP address, with or without a port, such as "127.0.0.1:${usual}",`, (value) =>
    readHostPort(value, usual, { names: false, zero: false }),
  );

function readMailbox(value: string): Read<string> {
  const at = value.lastIndexOf('@');
  if (at < 1) return { why: `"${value}" is no address: local@domain is expected` };
  // RFC 5321 §4.5.3.1.1, §4.1.2: at most 64 octets, a dot-string or a quoted string.
  const local = value.slice(0, at);
  if (Buffer.byteLength(local) > 64 || (/[\s"(),:;<>@[\\\]\x00-\x1f]/.test(local) && !/^".*"$/.test(local))) {
    return { why: `"${value}" is no address: the part before the @ cannot be used` };
  }
  const name = checkName(value.slice(at + 1), 'a domain', true);
  return 'why' in name ? name : { ok: `${local}@${name.ok}` };
}
export const mailbox = text('address', 'an address such as postmaster@example.net', readMailbox);

/** Whom notices may go to: one address, or everybody of a domain. */
export const party = text('address or domain', 'an address or a domain', (value) =>
  value.includes('@') && !value.startsWith('@') ? readMailbox(value) : readDomain(value.replace(/^@/, '')),
);

export const fingerprint = text<string>('fingerprint', 'the SHA-256 of a certificate, in hex,', (value) => {
  const hex = value
    .toLowerCase()
    .replace(/^sha-?256[:=]\s*/, '')
    .replaceAll(':', '');
  if (/^[0-9a-f]{64}$/.test(hex)) return { ok: hex };
  return { why: `"${value}" is no SHA-256 fingerprint: 64 hex digits, with or without colons` };
});

/** A path as written; relative ones are made absolute, from the file's own folder, when it is built. */
export const path = text<string>('path', 'a path', (value) => {
  if (value === '' || value.includes('\0')) return { why: 'is empty: a path is expected' };
  return { ok: value };
});

/** Words that are said, such as a user's name. */
export const word = text<string>('text', 'a text', (value) =>
  value === '' || /[\x00-\x1f\x7f]/.test(value)
    ? { why: 'is empty, or holds control characters' }
    : { ok: value },
);

/** A login name. It stands in a line of the secrets file. */
export const login = text<string>('login name', 'a login name', (value) =>
  value === '' || /[\x00-\x1f\x7f]/.test(value) || Buffer.byteLength(value) > 255
    ? { why: 'is empty, longer than 255 octets, or holds control characters' }
    : { ok: value },
);

/** A password: taken as it is. */
export const secret = z
  .string({ error: expected('a text') })
  .min(1, 'is empty')
  .meta({ form: 'text' });
