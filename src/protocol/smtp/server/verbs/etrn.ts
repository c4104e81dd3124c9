/**
 * ETRN: RFC 1985 §5. What the name means and who may call is the session's to say.
 */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

/** RFC 1985 §5: `@` before a domain means those below it too, `#` a queue of another kind. */
const SYNTAX = reply(501, '5.5.4', 'Syntax: ETRN domain, @domain or #site');

export async function etrn(talk: Dialog, args: string): Promise<Reply | null> {
  if (!talk.options.etrn || !talk.session.etrn) return talk.error(replies.notOffered);
  if (talk.manner.helo === '') return talk.error(replies.helloFirst);
  if (talk.transaction) return talk.error(replies.inTransaction);
  if (!/^[@#]?[^\s@#]+$/.test(args)) return talk.error(SYNTAX);
  return talk.session.etrn(args, talk.manner);
}
