/** RCPT: RFC 5321 §4.1.1.3. */
import { type Soon, then } from '../../../../base/soon.ts';
import { isPositive, type Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { parseRcpt } from '../parameters.ts';
import { replies } from '../replies.ts';

export function rcpt(talk: Dialog, args: string): Soon<Reply> {
  const { transaction } = talk;
  if (!transaction) return talk.error(replies.mailFirst);
  if (transaction.bdat) return talk.error(replies.inContent);
  const parsed = parseRcpt(args, transaction.smtputf8);
  if (parsed.kind === 'bad') return talk.error(parsed.reply);
  // RFC 5321 §4.5.3.1.10.
  if (transaction.recipients >= talk.options.maxRecipients) return replies.tooManyRecipients;
  return then(talk.session.rcpt(parsed.command), (answer) => {
    if (isPositive(answer)) transaction.recipients++;
    // RFC 5321 §3.8: 421 ends the connection, whoever says it.
    if (answer.code === 421) talk.closing = true;
    return answer;
  });
}
