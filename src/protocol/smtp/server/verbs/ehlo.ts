/** EHLO: RFC 5321 §4.1.1.1; what is offered is listed in `offers`. */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { frontOffers } from './fronts.ts';
import { greeted } from './hello.ts';

export async function ehlo(talk: Dialog, args: string): Promise<Reply | null> {
  const refusal = await greeted(talk, args, true);
  if (refusal) return refusal;
  const offers = [...talk.service.offers(talk), ...everywhere(talk)];
  return reply(250, undefined, talk.options.hostname, ...offers);
}

export function mailOffers(talk: Dialog): string[] {
  const { sizeLimit, maxRecipients, etrn } = talk.options;
  return [
    'PIPELINING', // RFC 2920
    `SIZE ${sizeLimit}`, // RFC 1870
    '8BITMIME', // RFC 6152
    'SMTPUTF8', // RFC 6531
    'ENHANCEDSTATUSCODES', // RFC 2034
    'DSN', // RFC 3461
    'CHUNKING', // RFC 3030
    `LIMITS RCPTMAX=${maxRecipients}`, // RFC 9422
    ...(etrn ? ['ETRN'] : []), // RFC 1985
    ...(talk.front ? frontOffers : []),
  ];
}

/** RFC 2645 §5.1. */
export const odmrOffers = (): string[] => ['ENHANCEDSTATUSCODES', 'ATRN'];

function everywhere(talk: Dialog): string[] {
  const { tls, authenticator, token } = talk.options;
  const list: string[] = [];
  // RFC 3207 §4.2: not offered once it is active.
  if (tls && !talk.manner.tls) list.push('STARTTLS');
  const mechanisms = authenticator?.mechanisms(talk.channel) ?? [];
  // RFC 4954 §3.
  if (mechanisms.length > 0) list.push(`AUTH ${mechanisms.join(' ')}`);
  // By this our own client knows that it reached ourselves.
  list.push(`XRESTANTE ${token}`);
  return list;
}
