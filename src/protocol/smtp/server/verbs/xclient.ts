/**
 * XCLIENT: a front of ours tells who its client is. From here on all is as if that client had connected: a new
 * session, a new greeting, EHLO again. Postfix's XCLIENT_README.
 *
 * Never: takes it from anybody else, or within a mail; lets it prove a login.
 */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Peer } from '../../../engine.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { addressOf, attributes, portOf, XCLIENT_NAMES } from './fronts.ts';

const SYNTAX = reply(501, '5.5.4', 'Syntax: XCLIENT attribute=value...');

export async function xclient(talk: Dialog, args: string): Promise<Reply> {
  if (!talk.front) return talk.error(replies.notFront);
  if (talk.transaction) return talk.error(replies.inTransaction);
  const told = attributes(args, XCLIENT_NAMES);
  const peer = told && renamed(talk.peer, told);
  if (!peer) return talk.error(SYNTAX);
  return talk.become(peer, told.get('HELO') ?? undefined);
}

/** What is not told, or not known, stays as it was. Undefined: some value is none. */
function renamed(before: Peer, told: ReadonlyMap<string, string | null>): Peer | undefined {
  const read = <T>(name: string, of: (value: string) => T | undefined, otherwise: T): T | undefined => {
    const value = told.get(name) ?? null;
    return value === null ? otherwise : of(value);
  };
  const address = read('ADDR', addressOf, before.address);
  const port = read('PORT', portOf, told.has('ADDR') ? 0 : before.port);
  const localAddress = read('DESTADDR', addressOf, before.localAddress);
  const localPort = read('DESTPORT', portOf, before.localPort);
  if (address === undefined || localAddress === undefined) return undefined;
  if (port === undefined || localPort === undefined) return undefined;
  const front = before.via?.by === 'XCLIENT' ? before.via.address : before.address;
  return { address, port, localAddress, localPort, via: { by: 'XCLIENT', address: front } };
}
