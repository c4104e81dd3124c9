/**
 * The session of a site that calls by ODMR: who it is and what lies there for it; then its own connection is turned
 * round. It receives no mail.
 *
 * RFC 2645 §5.2.1: 450 (not its domains, or held), 451 (not now), 453 (nothing there).
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Log } from '../base/log.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { atrnRight } from '../policy/call.ts';
import type { Peer } from '../protocol/engine.ts';
import type { Manner, Session, Turn } from '../protocol/smtp/session.ts';
import type { CallAnswer } from '../site/call.ts';
import type { SiteDirectory } from '../site/site.ts';

export interface OdmrEvents {
  /**
   * These sites call over one connection. It comes as `stream` when the roles have turned, or null if it broke
   * before; after any answer but `begun` it never comes.
   */
  turn(sites: readonly string[], by: string, peer: Peer, stream: Promise<Duplex | null>): CallAnswer;
}

export interface OdmrOptions {
  readonly directory: () => SiteDirectory;
  readonly events: OdmrEvents;
  readonly log: Log;
}

const TURNS = reply(250, '2.0.0', 'OK now reversing the connection');
const HELD = reply(450, '4.3.2', 'ATRN request refused: this mail is held');
const NOT_NOW = reply(451, '4.3.2', 'Unable to process ATRN request now');
const NO_MAIL = reply(453, '4.0.0', 'You have no mail');
const NO_RECEIVER = reply(502, '5.5.1', 'Not offered here');

export class OdmrSession implements Session {
  readonly #options: OdmrOptions;
  readonly #peer: Peer;

  constructor(options: OdmrOptions, peer: Peer) {
    this.#options = options;
    this.#peer = peer;
  }

  async connect(): Promise<null> {
    this.#options.log.info('connection', {
      peer: this.#peer.address,
      port: this.#peer.port,
      service: 'odmr',
    });
    return null;
  }

  async hello(): Promise<null> {
    return null;
  }

  async atrn(domains: readonly string[], manner: Manner): Promise<Reply | Turn> {
    const { directory, events, log } = this.#options;
    const login = manner.authenticated;
    if (!login) return NOT_NOW;
    const { address } = this.#peer;
    const fields = { peer: address, login: login.login, domains: domains.slice(0, 100) };
    const right = atrnRight(domains, login, directory());
    if (right.kind === 'no') {
      log.info('call refused', { ...fields, why: right.why });
      return right.reply;
    }
    let hand: (stream: Duplex | null) => void = () => {};
    const stream = new Promise<Duplex | null>((resolve) => (hand = resolve));
    const sites = right.sites.map((site) => site.name);
    const answer = events.turn(sites, `ATRN from ${address} (${login.login})`, this.#peer, stream);
    log.info('call', { ...fields, sites, answer: answer.kind });
    switch (answer.kind) {
      case 'begun':
      case 'alive':
        return { reply: TURNS, take: (got) => taken(got, hand) };
      case 'empty':
        return NO_MAIL;
      case 'held':
        return HELD;
      case 'under way':
      case 'another way':
        return NOT_NOW;
    }
  }

  // Its verbs lead to none of these.
  async mail(): Promise<Reply> {
    return NO_RECEIVER;
  }
  async rcpt(): Promise<Reply> {
    return NO_RECEIVER;
  }
  async content(): Promise<Reply> {
    return NO_RECEIVER;
  }
  reset(): void {}
  closed(): void {}
}

async function taken(stream: Duplex | null, hand: (stream: Duplex | null) => void): Promise<void> {
  const closed = stream && !stream.closed ? once(stream, 'close') : null;
  hand(stream);
  // An 'error' would reject; the connection is over then, too.
  await closed?.catch(() => {});
}
