/** STARTTLS: RFC 3207 §4. What was sent behind it in clear is dropped by the dialog. */
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

export function starttls(talk: Dialog, args: string): Reply {
  if (args !== '') return talk.error(replies.noArguments);
  if (!talk.options.tls) return talk.error(replies.notOffered);
  if (talk.manner.tls) return talk.error(replies.tlsActive);
  // RFC 3207 §4.2.
  talk.dropTransaction();
  talk.upgrading = true;
  return replies.startTls;
}
