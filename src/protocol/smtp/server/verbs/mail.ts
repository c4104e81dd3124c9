/** MAIL: RFC 5321 §4.1.1.2. A positive reply of the session begins a transaction. */
import { type Soon, then } from '../../../../base/soon.ts';
import { isPositive, type Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { parseMail } from '../parameters.ts';
import { replies } from '../replies.ts';

export function mail(talk: Dialog, args: string): Soon<Reply> {
  if (talk.manner.helo === '') return talk.error(replies.helloFirst);
  if (talk.transaction) return talk.error(replies.inTransaction);
  const parsed = parseMail(args);
  if (parsed.kind === 'bad') return talk.error(parsed.reply);
  const { command } = parsed;
  // RFC 1870 §6.1.
  if (command.size !== undefined && command.size > talk.options.sizeLimit) return replies.tooBig;
  return then(talk.session.mail(command, talk.manner), (answer) => {
    if (isPositive(answer)) talk.transaction = { smtputf8: command.smtputf8, recipients: 0 };
    return answer;
  });
}
