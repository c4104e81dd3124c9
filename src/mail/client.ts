/**
 * The client that gave us a mail, as far as the site's primary may be told of it (`pass_client`). None has what
 * is our own: our notices, mail of couriers, and mail of sites that send through us, whose outgoing server we are.
 *
 * Never: an address that means another host over there. Named 127.0.0.1 or 192.168.1.2 it would be one of the primary's own,
 * to whom it allows more than to strangers.
 *
 * RFC 6890 (addresses for special purposes).
 */
import { isIP } from 'node:net';
import { networkSet } from '../base/networks.ts';
import type { Origin } from './envelope.ts';

const isLocal = networkSet([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]);

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
  const { address, name, helo, protocol } = giverOf(origin);
  // A courier has a name.
  if (isIP(address) === 0 || address.includes('%') || isLocal(address)) return null;
  return { address, ...(name !== undefined && { name }), helo, esmtp: protocol.toUpperCase() !== 'SMTP' };
}

/** A front of ours may have told for whom it speaks, and then nothing of the front counts. */
function giverOf({ peer, name, helo, protocol, forwarded }: Origin & { kind: 'received' }) {
  const address = forwarded?.addr?.replace(/^ipv6:/i, '');
  if (!forwarded || !address) return { address: peer, name, helo, protocol };
  return { address, name: forwarded.name, helo: forwarded.helo ?? '', protocol: forwarded.proto ?? '' };
}

/** The same client, in the same words. */
export const clientKeyOf = (client: Client): string =>
  JSON.stringify([client.address, client.name, client.helo, client.esmtp]);
