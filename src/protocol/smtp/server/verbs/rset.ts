/** RSET: RFC 5321 §4.1.1.5. */
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

export function rset(talk: Dialog, args: string): Reply {
  if (args !== '') return talk.error(replies.noArguments);
  talk.dropTransaction();
  return replies.ok;
}
