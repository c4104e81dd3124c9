/**
 * XFORWARD: a front of ours tells where the next mail came from. It is written down with that mail, and changes
 * nothing else: who wants the checks to look at that client uses XCLIENT. Postfix's XFORWARD_README.
 */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Forwarded } from '../../session.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { attributes, XFORWARD_NAMES } from './fronts.ts';

const SYNTAX = reply(501, '5.5.4', 'Syntax: XFORWARD attribute=value...');
/** As Postfix bounds them: what is longer is no name, address or queue id. */
const VALUE_LIMIT = 255;

export function xforward(talk: Dialog, args: string): Reply {
  if (!talk.front) return talk.error(replies.notFront);
  if (!talk.manner.esmtp) return talk.error(replies.helloFirst);
  if (talk.transaction) return talk.error(replies.inTransaction);
  const told = attributes(args, XFORWARD_NAMES);
  if (!told || [...told.values()].some((value) => value !== null && value.length > VALUE_LIMIT)) {
    return talk.error(SYNTAX);
  }
  // Several commands may make up one; the last word on an attribute counts.
  const all = new Map<string, string>(Object.entries(talk.manner.forwarded ?? {}));
  for (const [name, value] of told) {
    if (value === null) all.delete(name.toLowerCase());
    else all.set(name.toLowerCase(), value);
  }
  const forwarded: Forwarded = Object.fromEntries(all);
  talk.manner = { ...talk.manner, forwarded };
  return replies.ok;
}
