/**
 * AUTH: RFC 4954. Carries challenges and responses between the peer and the authenticator; what they
 * mean is its business.
 *
 * Promises: who authenticated stands in the dialog's manner from 235 on, and STARTTLS forgets it with
 * all else; no response longer than RESPONSE_LIMIT is kept; nothing that the peer sent here comes into
 * a reply or the log.
 */
import type { Reply } from '../../../../mail/reply.ts';
import type { Authenticator, SaslStep } from '../../../sasl.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

/** RFC 4954 §4: what mechanisms in use need; the AUTH line itself is bounded as any command. */
const RESPONSE_LIMIT = 12288;
/** More than any mechanism has. */
const ROUNDS = 8;

export async function auth(talk: Dialog, args: string): Promise<Reply | null> {
  const { authenticator } = talk.options;
  if (!authenticator || everywhere(talk, authenticator).length === 0) return talk.error(replies.notOffered);
  if (!talk.manner.esmtp) return talk.error(replies.helloFirst);
  // RFC 4954 §4: once, and not within a mail.
  if (talk.manner.authenticated) return talk.error(replies.authDone);
  if (talk.transaction) return talk.error(replies.inTransaction);
  const [, word, initial] = /^([A-Z0-9_-]{1,20})(?: +([^ ]+))?$/i.exec(args) ?? [];
  if (word === undefined) return talk.error(replies.authSyntax);
  const mechanism = word.toUpperCase();
  const exchange = authenticator.begin(mechanism, talk.channel);
  if (!exchange) return talk.error(unavailable(talk, authenticator, mechanism));
  // RFC 4954 §4: "=" is the empty response, as against none.
  let response = initial === undefined ? null : decoded(initial === '=' ? '' : initial);
  if (response === null && initial !== undefined) return talk.error(replies.authMalformed);
  for (let round = 0; round < ROUNDS; round++) {
    const step = await exchange.step(response);
    if (step.kind !== 'challenge') return concluded(talk, step);
    const line = await talk.challenge(step.data, RESPONSE_LIMIT);
    if (!line) return null;
    if (line.kind === 'bad line') {
      return talk.error(line.why === 'bare LF' ? replies.bareLf : replies.authTooLong);
    }
    const text = line.bytes.toString('latin1');
    if (text === '*') return talk.error(replies.authCancelled);
    response = decoded(text);
    if (response === null) return talk.error(replies.authMalformed);
  }
  return talk.error(replies.authMalformed);
}

function concluded(talk: Dialog, step: Exclude<SaslStep, { kind: 'challenge' }>): Reply {
  if (step.kind === 'accepted') {
    const { login, sites } = step;
    talk.manner = { ...talk.manner, authenticated: { login, sites } };
    return replies.authOk;
  }
  switch (step.why) {
    case 'wrong':
      return talk.error(replies.authWrong);
    case 'locked':
      return talk.error(replies.authLocked);
    case 'malformed':
      return talk.error(replies.authMalformed);
  }
}

/** What is offered here, or would be in TLS. */
const everywhere = (talk: Dialog, authenticator: Authenticator): readonly string[] => [
  ...authenticator.mechanisms(talk.channel),
  ...authenticator.mechanisms({ ...talk.channel, tls: true }),
];

/** RFC 4954 §6: 538 where TLS would help, 534 where there is none to be had. */
function unavailable(talk: Dialog, authenticator: Authenticator, mechanism: string): Reply {
  if (!everywhere(talk, authenticator).includes(mechanism)) return replies.authUnknown;
  return talk.options.tls ? replies.authNeedsTls : replies.authWeak;
}

/** Null: no base64, or badly padded. */
function decoded(text: string): Buffer | null {
  const wellFormed = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return wellFormed ? Buffer.from(text, 'base64') : null;
}
