/**
 * The client that gave us a mail, as far as the site's primary may be told of it (`pass_client`). None has what
 * is our own: our notices, mail of couriers, and mail of sites that send through us, whose outgoing server we are.
 */
import { isIP } from 'node:net';
import type { Origin } from './envelope.ts';

export interface Client {
  /** An IP address. */
  readonly address: string;
  /** Its name, if that is known already. */
  readonly name?: string;
  /** What it said in EHLO or HELO; '' if that is not known. */
  readonly helo: string;
  readonly esmtp: boolean;
}

export function clientOf(origin: Origin): Client | null {
  if (origin.kind !== 'received' || origin.sends !== undefined) return null;
  const { peer, helo, protocol, name, forwarded } = origin;
  // A front of ours gave it, and said whose it is.
  const told = addressIn(forwarded?.addr ?? '');
  if (forwarded && told) {
    const { name, helo = '', proto = '' } = forwarded;
    return { address: told, ...(name !== undefined && { name }), helo, esmtp: !isPlain(proto) };
  }
  // A courier has a name.
  if (isIP(peer) === 0) return null;
  return { address: peer, ...(name !== undefined && { name }), helo, esmtp: !isPlain(protocol) };
}

/** The same client, in the same words. */
export const clientKeyOf = (client: Client): string =>
  JSON.stringify([client.address, client.name, client.helo, client.esmtp]);

const isPlain = (protocol: string): boolean => protocol.toUpperCase() === 'SMTP';

/** As XFORWARD writes it. Null: it is none. */
function addressIn(text: string): string | null {
  const address = text.replace(/^ipv6:/i, '');
  return isIP(address) === 0 || address.includes('%') ? null : address;
}
