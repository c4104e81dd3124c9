/**
 * Addresses as text, and what can be asked of them. Parsing of paths from the wire is
 * `protocol/smtp/grammar.ts`; here an address is already `local@domain`.
 */
import { domainToASCII } from 'node:url';

/** The part behind the last @; '' if there is none. As written. */
export function domainPart(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? '' : address.slice(at + 1);
}

/** The part before the last @, quoting kept. */
export function localPart(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? address : address.slice(0, at);
}

/**
 * The form in which domains are compared: lower case, A-labels (RFC 5890), no trailing dot.
 * Address literals are only lowered. '' for what is no domain.
 */
export function canonicalDomain(domain: string): string {
  const bare = domain.endsWith('.') ? domain.slice(0, -1) : domain;
  if (bare.startsWith('[')) return bare.toLowerCase();
  if (/^[A-Za-z0-9._-]*$/.test(bare)) return bare.toLowerCase();
  // domainToASCII reads `a.example/x` and `a.example:25` as a.example.
  if (isAscii(bare)) return '';
  return domainToASCII(bare);
}

/** The canonical domain of an address. */
export const domainOf = (address: string): string => canonicalDomain(domainPart(address));

export const isAscii = (text: string): boolean => !/[^\x00-\x7f]/.test(text);
