/**
 * Who we are, as a peer sees us: so that mail is never handed to ourselves. Three marks, since each
 * fails somewhere: names (an alias in an MX record has another), addresses (NAT hides them), and a
 * random token in our EHLO reply, which is ours behind whatever stands between.
 *
 * RFC 5321 §5.1 ("the sender-SMTP … MUST remove itself from the list").
 */
import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../dns/wire.ts';
import { canonicalDomain } from '../mail/address.ts';
import type { Offer } from '../protocol/smtp/client/open.ts';

/** Our EHLO reply shows it with the token. Experimental keywords begin with X (RFC 5321 §4.1.5). */
export const TOKEN_KEYWORD = 'XRESTANTE';

export interface OurselvesOptions {
  readonly hostname: string;
  /** `also:` of the configuration. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  /** Made anew by each start. */
  readonly token: string;
  /** Addresses of this machine. Default: asked of the system each time, since they change. */
  readonly interfaces?: () => readonly string[];
}

export class Ourselves {
  readonly hostname: string;
  readonly token: string;
  readonly #names: ReadonlySet<string>;
  readonly #addresses: ReadonlySet<string>;
  readonly #interfaces: () => readonly string[];

  constructor(options: OurselvesOptions) {
    this.hostname = options.hostname;
    this.token = options.token;
    this.#names = new Set([options.hostname, ...options.names].map(canonicalDomain));
    this.#addresses = new Set([...options.addresses.map((a) => canonicalAddress(a) ?? a), '0.0.0.0', '::']);
    this.#interfaces = options.interfaces ?? systemAddresses;
  }

  isName(host: string): boolean {
    return this.#names.has(canonicalDomain(host));
  }

  isAddress(address: string): boolean {
    return this.#addresses.has(address) || this.#interfaces().includes(address);
  }

  /** Is this server, by what it says in EHLO, us? */
  isOffer(offer: Offer): boolean {
    return this.isName(offer.name) || offer.keywords.get(TOKEN_KEYWORD) === this.token;
  }
}

function systemAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => canonicalAddress(address.replace(/%.*/, '')) ?? address),
  );
}
