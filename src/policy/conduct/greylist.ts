/**
 * Greylisting, by choice: the first mail from a sender in a network to a recipient is answered 450, and its next try
 * after `delay` is taken, as mail servers try again and many programs that send spam do not.
 *
 * Promises: kept across restarts, but for the last seconds; bounded; the network is the key, not the address, as large
 * senders try again from another one. A network that came back `trustAfter` times is not asked any more.
 *
 * Who tried the primary first: the primary is another host, and what it saw is not known here; that its MX was asked
 * before ours can be seen only where an address of *ours* stands as the more preferred one (`firstMx`). A client that
 * was there within FIRST_SPAN has done what RFC 5321 §5.1 asks, and is not asked at our other addresses.
 */
import { type Clock, HOUR } from '../../base/clock.ts';
import { Generations } from '../../base/generations.ts';
import type { Greylist as Rules } from '../../config/conduct.ts';
import { networkKey } from '../../protocol/listen/address.ts';
import type { AskedRecipient, Asking, Check, Visit, Watch } from '../check.ts';
import { ACCEPT, defer, type Verdict } from '../verdict.ts';
import type { GreylistBook } from './greylist-book.ts';
import { isNamed, isStranger } from './stranger.ts';

/** For the way from one exchanger to the next, with a queue's run in between. */
const FIRST_SPAN = HOUR;
const FIRST_ROOM = 20_000;
/** An IPv6 /64 has one owner; an IPv4 /24 is where one sender's hosts mostly are. */
const BITS = { ipv4: 24, ipv6: 64 };

export interface GreylistWorld {
  readonly clock: Clock;
  readonly book: GreylistBook;
  readonly rules: () => Rules;
  /** Named by the operator, or the primary of a site. */
  readonly known: (address: string) => boolean;
}

export class Greylist implements Check {
  readonly name = 'greylist';
  readonly #world: GreylistWorld;
  /** Networks that were at a first exchanger, and when (monotonic). */
  readonly #first = new Generations<number>(FIRST_ROOM);

  constructor(world: GreylistWorld) {
    this.#world = world;
  }

  begin(visit: Visit): Watch | undefined {
    const { address, localAddress } = visit.peer;
    const { known, clock, rules } = this.#world;
    if (!isStranger(visit) || known(address)) return undefined;
    const network = networkKey(address, BITS);
    const atFirst = rules().firstMx.includes(localAddress);
    const first = this.#first.get(network);
    const didFirst = !atFirst && first !== undefined && clock.monotonic() - first < FIRST_SPAN;
    if (atFirst) this.#first.set(network, clock.monotonic());
    if (didFirst) return undefined;
    return { rcpt: (asking, recipient) => this.#rcpt(asking, recipient, network) };
  }

  #rcpt(asking: Asking, { site, address, postmaster }: AskedRecipient, network: string): Verdict {
    const rules = this.#world.rules();
    const wanted = site?.greylist ?? rules.everywhere;
    if (!site || !wanted || postmaster || isNamed(asking)) return ACCEPT;
    const { sender } = asking.mail;
    const found = this.#world.book.tried(network, `${sender}\0${address}`.toLowerCase(), rules);
    if (found.kind === 'taken') {
      if (found.waited !== undefined)
        asking.findings.mark(`greylisted for ${Math.round(found.waited / 1000)} s`);
      return ACCEPT;
    }
    const why = found.first ? 'greylisted: a first try' : 'greylisted: too soon';
    return defer(450, '4.7.1', `Not seen before; try again in ${Math.ceil(found.left / 1000)} s`, why);
  }
}
