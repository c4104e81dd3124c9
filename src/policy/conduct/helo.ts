/**
 * What a client calls itself.
 *
 * A name that does not match the client's address is never a reason: RFC 5321 §4.1.4 forbids that. What is looked at:
 * - our own name or address, from a stranger: a lie, refused for good.
 * - what is neither a name nor an address literal of its own (§4.1.1.1): 450, since it may be a badly kept server whose
 *   mail is wanted: it stays with its sender, and the primary takes it if it likes. `strict`: refused.
 * - `strict` only: a name that is not in the DNS: 450.
 * Private addresses and names of one label are let pass and written down, as much honest mail comes with them.
 *
 * The answer is given at RCPT, so that postmaster stays within reach and the log has sender and recipient.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Soon } from '../../base/soon.ts';
import type { Resolver } from '../../dns/port.ts';
import { canonicalDomain } from '../../mail/address.ts';
import { plainAddress } from '../../protocol/listen/address.ts';
import type { Check, Visit, Watch } from '../check.ts';
import type { Settings } from '../ports.ts';
import { ACCEPT, defer, reject, type Verdict } from '../verdict.ts';
import { isNamed, isStranger } from './stranger.ts';

/** What is odd about a name. `ours`: a lie; `wrong`: against the syntax; `odd`: let pass. */
export interface Oddity {
  readonly kind: 'ours' | 'wrong' | 'odd';
  readonly why: string;
}

/** Between whom a name was said. */
export interface Ends {
  readonly client: string;
  /** The address that the client connected to. */
  readonly local: string;
  readonly ours: Pick<Settings, 'names' | 'addresses'>;
}

export function oddity(helo: string, ends: Ends): Oddity | undefined {
  const literal = /^\[(?:ipv6:)?(.*)\]$/i.exec(helo)?.[1];
  const text = literal ?? helo;
  if (isIP(text) !== 0 && !text.includes('%')) return addressOddity(helo, plainAddress(text), ends);
  if (literal !== undefined) return { kind: 'wrong', why: 'no valid address literal' };
  // An underscore is no part of a host name (RFC 952), and of many that send wanted mail.
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/.test(helo)) return { kind: 'wrong', why: 'no host name' };
  if (ends.ours.names.includes(canonicalDomain(helo))) return { kind: 'ours', why: 'our own name' };
  if (/(?:^|\.)\d+\.?$/.test(helo)) return { kind: 'wrong', why: 'no host name' };
  return /[^.]\.[^.]/.test(helo) ? undefined : { kind: 'odd', why: 'no full host name' };
}

function addressOddity(helo: string, address: string, { client, local, ours }: Ends): Oddity | undefined {
  const bracketed = helo.startsWith('[');
  if (address === client) {
    // RFC 5321 §4.1.3: a tag stands before an IPv6 address.
    const wellFormed = bracketed && (/^\[ipv6:/i.test(helo) || !helo.includes(':'));
    return wellFormed ? undefined : { kind: 'odd', why: 'its address without brackets or tag' };
  }
  const open = isPublic(address);
  const own = ours.addresses.includes(address) || (address === local && open);
  if (own) return { kind: 'ours', why: 'our own address' };
  if (!bracketed) return { kind: 'wrong', why: 'an address without brackets' };
  // Behind NAT a client knows no other.
  return open ? { kind: 'wrong', why: "another's address" } : { kind: 'odd', why: 'a private address' };
}

const isPublic = (address: string): boolean => ipaddr.parse(address).range() === 'unicast';

export interface HeloWorld {
  readonly mode: () => 'usual' | 'strict' | 'off';
  readonly settings: () => Settings;
  readonly resolver: Pick<Resolver, 'addresses' | 'mx'>;
  /** Named by the operator, or the primary of a site. */
  readonly known: (address: string) => boolean;
}

export class Helo implements Check {
  readonly name = 'helo';
  readonly #world: HeloWorld;

  constructor(world: HeloWorld) {
    this.#world = world;
  }

  begin(visit: Visit): Watch | undefined {
    const { settings, known } = this.#world;
    const { address, localAddress } = visit.peer;
    // A host of ours may well say that it is us.
    const own = address === localAddress || settings().addresses.includes(address);
    if (own || !isStranger(visit) || known(address)) return undefined;
    let odd: Oddity | undefined;
    let verdict: Soon<Verdict> = ACCEPT;
    return {
      hello: ({ helo }) => {
        odd = oddity(helo, { client: address, local: localAddress, ours: settings() });
        verdict = this.#judge(helo, odd);
        return ACCEPT;
      },
      mail: ({ findings }) => {
        if (odd) findings.mark(`helo: ${odd.why}`);
        return ACCEPT;
      },
      rcpt: (asking, { postmaster }) => (postmaster || isNamed(asking) ? ACCEPT : verdict),
    };
  }

  #judge(helo: string, odd: Oddity | undefined): Soon<Verdict> {
    const mode = this.#world.mode();
    if (mode === 'off') return ACCEPT;
    const why = `helo ${helo}: ${odd?.why}`;
    if (odd?.kind === 'ours') return reject(550, '5.7.1', 'That name in HELO is ours, not yours', why);
    const strict = mode === 'strict';
    if (odd?.kind === 'wrong') {
      const text = 'Your HELO is neither a host name nor your address in brackets (RFC 5321 4.1.1.1)';
      return strict ? reject(550, '5.7.1', text, why) : defer(450, '4.7.1', text, why);
    }
    return strict && !helo.startsWith('[') && isIP(helo) === 0 ? this.#resolves(helo) : ACCEPT;
  }

  /** Where the DNS does not answer, the name is taken. */
  async #resolves(helo: string): Promise<Verdict> {
    const { resolver } = this.#world;
    const name = canonicalDomain(helo);
    const addresses = await resolver.addresses(name);
    if (addresses.kind === 'found' || addresses.kind === 'failed') return ACCEPT;
    const mx = addresses.kind === 'nodata' ? await resolver.mx(name) : addresses;
    if (mx.kind === 'found' || mx.kind === 'failed') return ACCEPT;
    return defer(450, '4.7.1', 'The name in your HELO is not in the DNS', `helo ${helo}: not in the DNS`);
  }
}
