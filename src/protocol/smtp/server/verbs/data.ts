/** DATA: RFC 5321 §4.1.1.4. */
import { type Soon, then } from '../../../../base/soon.ts';
import type { Reply } from '../../../../mail/reply.ts';
import type { ContentSink } from '../../session.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { receiveData } from '../transfer.ts';

export function data(talk: Dialog, args: string): Soon<Reply | null> {
  if (args !== '') return talk.error(replies.noArguments);
  if (!talk.transaction) return talk.error(replies.mailFirst);
  // RFC 3030 §2: not both for one mail.
  if (talk.transaction.bdat) return talk.error(replies.inContent);
  // RFC 2920 §3.1: a pipelining client sends DATA though all its RCPT fail.
  if (talk.transaction.recipients === 0) return replies.noRecipients;
  return then<ContentSink | Reply, Reply | null>(talk.session.content(), (sink) => {
    if (!('write' in sink)) return sink;
    talk.say(replies.startData);
    return receiveData(talk, sink);
  });
}
