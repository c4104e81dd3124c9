/** VRFY: RFC 5321 §3.5.3, §7.3: we neither confirm nor deny. */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

export function vrfy(talk: Dialog, args: string): Reply {
  if (args === '') return talk.error(reply(501, '5.5.4', 'Syntax: VRFY address'));
  return replies.vrfy;
}
