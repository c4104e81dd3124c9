/**
 * How `receive` tells the log of mails, so that the lines of one mail look alike.
 */
import type { Fields, Log } from '../base/log.ts';
import { describe, type Reply } from '../mail/reply.ts';
import type { Refusal } from '../policy/verdict.ts';
import type { Peer } from '../protocol/engine.ts';
import type { Transaction } from './transaction.ts';

/** Who gives which mail. */
export function who(peer: Peer, { mail, manner }: Transaction): Fields {
  const login = manner.authenticated && { login: manner.authenticated.login };
  const forwarded = manner.forwarded && { forwarded: manner.forwarded };
  return { peer: peer.address, helo: manner.helo, ...login, ...forwarded, sender: mail.sender };
}

/** Logs the refusal of a whole mail; returns what the peer is told. */
export function mailRefused(log: Log, refusal: Refusal, fields: Fields): Reply {
  log.info('mail refused', { ...fields, reply: describe(refusal.reply), why: refusal.why });
  return refusal.reply;
}
