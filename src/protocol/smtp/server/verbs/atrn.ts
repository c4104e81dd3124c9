/**
 * ATRN: RFC 2645 §5.2. After a 250 the roles turn: the connection is handed on as it is, TLS and what is left
 * in the input included, and this dialog says nothing more.
 */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

const SYNTAX = reply(501, '5.5.4', 'Syntax: ATRN [domain[,domain]...]');
/** RFC 2645 §5.2.1. */
const LOGIN_FIRST = reply(530, '5.7.0', 'Authentication required');

export async function atrn(talk: Dialog, args: string): Promise<Reply | null> {
  const { session, manner } = talk;
  if (!session.atrn) return talk.error(replies.notOffered);
  if (!manner.esmtp) return talk.error(replies.helloFirst);
  if (!manner.authenticated) return talk.error(LOGIN_FIRST);
  const domains = args === '' ? [] : args.split(/ *, */);
  if (domains.some((d) => !/^[^\s,@]+$/.test(d))) return talk.error(SYNTAX);
  const answer = await session.atrn(domains, manner);
  if (!('take' in answer)) return answer;
  talk.turned = answer.take;
  return answer.reply;
}
