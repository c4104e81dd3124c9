/**
 * A primary's reply as a sender hears it. Its code stands; its enhanced code, if that is of the same class, else the
 * class alone; its text printable, ASCII and bounded; and of a hidden primary no name and no address.
 *
 * RFC 5321 §4.2, §4.5.3.1.5 (512 octets a line); RFC 2034 §4; RFC 6531 §3.7.4.2 (ASCII but for who asked for more).
 */
import { isIP } from 'node:net';
import { type Reply, reply } from '../../mail/reply.ts';

/** What of a hidden primary must not be told. */
export interface Inner {
  /** Lower case: as we find it, and as it calls itself. */
  readonly names: readonly string[];
  /** Domains of the site: no part of a name below them says more than its address does. */
  readonly domains: readonly string[];
  /** Addresses of mail and of hosts that the sender has named itself. */
  readonly told: readonly string[];
}

const MOST_LINES = 8;
const LONGEST = 400;
const HIDDEN = '(hidden)';
const FOUR = /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\d)/g;
/** What may be an IPv6 address, alone or tagged as in a literal (RFC 5321 §4.1.3). */
const SIX = /(?<![0-9a-z:])(IPv6:)?((?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})/gi;

export function passedOn(r: Reply, inner: Inner | null): Reply {
  const digit = String(r.code)[0] ?? '4';
  const enhanced = r.enhanced?.[0] === digit ? r.enhanced : `${digit}.0.0`;
  return reply(r.code, enhanced, ...textOf(r, inner));
}

/** Its words alone. */
export function textOf(r: Reply, inner: Inner | null): string[] {
  const lines = r.text.slice(0, MOST_LINES).map((line) => {
    const plain = line.replace(/^[245]\.\d{1,3}\.\d{1,3} +/, '').replace(/[^\x20-\x7e]+/g, '?');
    return (inner ? hide(plain, inner) : plain).trim().slice(0, LONGEST);
  });
  return lines.length > 0 ? lines : [''];
}

function hide(text: string, inner: Inner): string {
  const told = inner.told.filter((word) => word !== '').map(literally);
  if (told.length === 0) return cut(text, inner);
  // What the sender has named stays as it is; what stands between is cut.
  const parts = text.split(new RegExp(`((?<![\\w.+-])(?:${told.join('|')})(?![\\w-]))`, 'i'));
  return parts.map((part, i) => (i % 2 === 1 ? part : cut(part, inner))).join('');
}

function cut(text: string, { names: all, domains }: Inner): string {
  const names = all.filter((name) => name !== '' && isIP(name) === 0 && !domains.includes(name));
  const families = names.flatMap((name) => {
    const parent = name.slice(name.indexOf('.') + 1);
    return parent.includes('.') && parent !== name && !isOfSite(parent, domains) ? [parent] : [];
  });
  const host = [...names.map(literally), ...families.map((f) => `(?:[\\w-]+\\.)*${literally(f)}`)].join('|');
  const bare = text
    .replace(FOUR, HIDDEN)
    .replace(SIX, (word: string, tag: string = '', six: string) =>
      isIP(six) === 6 ? `${tag}${HIDDEN}` : word,
    );
  return host === '' ? bare : bare.replace(new RegExp(`(?<![\\w-])(?:${host})(?![\\w-])`, 'gi'), HIDDEN);
}

/** Is it a domain of the site, below one, or above one? */
function isOfSite(domain: string, domains: readonly string[]): boolean {
  return domains.some((own) => {
    const bare = own.startsWith('.') ? own.slice(1) : own;
    return domain === bare || bare.endsWith(`.${domain}`) || (own !== bare && domain.endsWith(own));
  });
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
