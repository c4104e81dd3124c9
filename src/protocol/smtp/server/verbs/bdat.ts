/**
 * BDAT: RFC 3030 §2. Its octets are read by count whatever the answer is, so that they are never
 * taken for commands; if the count itself cannot be read, the connection ends.
 */
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { Bdat, swallow } from '../transfer.ts';

export async function bdat(talk: Dialog, args: string): Promise<Reply | null> {
  const match = /^([0-9]{1,15})(?: +(LAST))?$/i.exec(args);
  if (!match) {
    talk.closing = true;
    return { code: 501, enhanced: '5.5.4', text: ['Syntax: BDAT octets [LAST]; closing'] };
  }
  const octets = Number(match[1]);
  const last = match[2] !== undefined;
  const { transaction } = talk;
  if (!transaction) return refuse(talk, octets, replies.mailFirst);
  if (transaction.recipients === 0) return refuse(talk, octets, replies.noRecipients);
  if (!transaction.bdat) {
    const sink = await talk.session.content();
    transaction.bdat = 'write' in sink ? new Bdat(talk, sink, null) : new Bdat(talk, null, sink);
  }
  return transaction.bdat.chunk(octets, last);
}

async function refuse(talk: Dialog, octets: number, why: Reply): Promise<Reply | null> {
  return (await swallow(talk, octets)) ? talk.error(why) : null;
}
