/**
 * An address as the roster compares it: canonical, and with the mailbox that a sub-address (RFC 5233) belongs
 * to. For comparing only.
 */
import { domainOf, localPart } from '../../mail/address.ts';
import { canonicalLocal } from '../local-part.ts';

export interface Name {
  readonly local: string;
  readonly domain: string;
  /** The local part without its sub-address; the same as `local` if there is none. */
  readonly base: string;
}

/** What is plain already, as nearly all addresses are. */
const PLAIN = /^[a-z0-9._+=-]+@[a-z0-9.-]*[a-z0-9-]$/;

export function nameOf(address: string, delimiter: string): Name {
  if (PLAIN.test(address)) {
    const at = address.indexOf('@');
    return named(address.slice(0, at), address.slice(at + 1), delimiter);
  }
  return named(canonicalLocal(localPart(address)), domainOf(address), delimiter);
}

function named(local: string, domain: string, delimiter: string): Name {
  const cut = delimiter === '' ? -1 : local.indexOf(delimiter);
  // What could be read as a route (`relay.ts`) is no sub-address, and quotes hide delimiters.
  if (cut <= 0 || /^"|[%!@]/.test(local)) return { local, domain, base: local };
  return { local, domain, base: local.slice(0, cut) };
}

export const fullOf = ({ local, domain }: Name): string => `${local}@${domain}`;
export const baseOf = ({ base, domain }: Name): string => `${base}@${domain}`;
