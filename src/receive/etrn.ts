/**
 * ETRN as `receive` answers it: who may, how often, and what a caller is told.
 *
 * Promises: a stranger is told 250 and nothing of the queue, whatever lies in it; nobody makes us call a site more
 * often than RATES say. RFC 1985 §5.2–5.3.
 */
import { type Clock, MINUTE, SECOND } from '../base/clock.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type Caller, etrnRight } from '../policy/call.ts';
import { Rate } from '../policy/rate.ts';
import { clientKey } from '../protocol/listen/address.ts';
import type { Manner } from '../protocol/smtp/session.ts';
import type { CallAnswer } from '../site/call.ts';
import type { Receiving } from './receiver.ts';

const TOO_OFTEN = reply(458, '4.7.0', 'Unable to queue messages now: called too often; try again later');
const NOT_NOW = reply(458, '4.3.2', 'Unable to queue messages now; try again later');
const NOT_HERE = reply(458, '4.3.3', 'Unable to queue messages: this node gets its mail in another way');

/** One for the whole server: strangers come over many connections. */
export class EtrnRates {
  /** A client with many domains names each. */
  readonly client: Rate;
  /** Calls of strangers for one site: each may open a connection to it. */
  readonly site: Rate;

  constructor(clock: Clock) {
    this.client = new Rate(clock, 120, MINUTE);
    this.site = new Rate(clock, 6, 30 * SECOND);
  }
}

export function etrn(receiving: Receiving, peer: string, argument: string, manner: Manner): Reply {
  const { log, events, directory, etrnRates } = receiving;
  const login = manner.authenticated;
  const caller: Caller = { address: peer, tls: manner.tls !== undefined, ...(login && { login }) };
  const fields = { peer, argument, ...(login && { login: login.login }) };
  if (!etrnRates.client.take(clientKey(peer))) {
    log.info('call refused', { ...fields, why: 'this client calls too often' });
    return TOO_OFTEN;
  }
  const right = etrnRight(argument, caller, directory());
  if (right.kind === 'no') {
    log.info('call refused', { ...fields, why: right.why });
    return right.reply;
  }
  const { site, known } = right;
  if (!known && !etrnRates.site.take(site.name)) {
    log.info('call refused', { ...fields, queue: site.name, why: 'strangers call for it too often' });
    return TOO_OFTEN;
  }
  const by = `ETRN from ${peer}${login ? ` (${login.login})` : ''}`;
  const from = site.primary.kind === 'caller' ? peer : undefined;
  const answer = events.call(site.name, by, from);
  log.info('call', { ...fields, queue: site.name, answer: answer.kind });
  return replyTo(answer, argument, known);
}

function replyTo(answer: CallAnswer, node: string, known: boolean): Reply {
  if (answer.kind === 'another way') return NOT_HERE;
  const name = /^[!-~]{1,200}$/.test(node) ? node : 'this node';
  // Of the queue a stranger learns nothing.
  if (!known) return reply(250, '2.0.0', `OK, queuing for node ${name} started`);
  if (answer.kind === 'held') return NOT_NOW;
  if (answer.kind === 'empty' || answer.queued === 0) {
    return reply(251, '2.0.0', `OK, no messages waiting for node ${name}`);
  }
  if (answer.kind === 'under way')
    return reply(252, '2.0.0', `OK, pending messages for node ${name} started`);
  return reply(253, '2.0.0', `OK, ${answer.queued} pending messages for node ${name} started`);
}
