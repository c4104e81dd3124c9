/** QUIT: RFC 5321 §4.1.1.10. */
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

export function quit(talk: Dialog, args: string): Reply {
  if (args !== '') return talk.error(replies.noArguments);
  talk.closing = true;
  return replies.bye;
}
