/**
 * What EHLO and HELO have in common. The argument is taken as it comes: RFC 5321 §4.1.4 forbids
 * refusing mail for it, and what is written of it into Received is made safe there.
 */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Manner } from '../../session.ts';
import type { Dialog } from '../dialog.ts';

/** RFC 5321 §4.5.3.1.2. */
const NAME_LIMIT = 255;

/** Null: accepted. A refused one leaves the state as it was. */
export async function greeted(talk: Dialog, name: string, esmtp: boolean): Promise<Reply | null> {
  if (name === '' || name.length > NAME_LIMIT) {
    return talk.error(reply(501, '5.5.4', `Syntax: ${esmtp ? 'EHLO' : 'HELO'} hostname`));
  }
  const { forwarded: _, ...kept } = talk.manner;
  const manner: Manner = { ...kept, helo: talk.helloOf(name), esmtp };
  const refusal = await talk.session.hello(manner);
  if (refusal) return refusal;
  // RFC 5321 §4.1.4: as if RSET.
  talk.dropTransaction();
  talk.manner = manner;
  return null;
}
