/** EHLO: RFC 5321 §4.1.1.1; what is offered is listed in `offers`. */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { greeted } from './hello.ts';

export async function ehlo(talk: Dialog, args: string): Promise<Reply | null> {
  return (await greeted(talk, args, true)) ?? reply(250, undefined, talk.options.hostname, ...offers(talk));
}

function offers(talk: Dialog): string[] {
  const { sizeLimit, maxRecipients, token, tls } = talk.options;
  const list = [
    'PIPELINING', // RFC 2920
    `SIZE ${sizeLimit}`, // RFC 1870
    '8BITMIME', // RFC 6152
    'SMTPUTF8', // RFC 6531
    'ENHANCEDSTATUSCODES', // RFC 2034
    'DSN', // RFC 3461
    'CHUNKING', // RFC 3030
    `LIMITS RCPTMAX=${maxRecipients}`, // RFC 9422
  ];
  // RFC 3207 §4.2: not offered once it is active.
  if (tls && !talk.manner.tls) list.push('STARTTLS');
  const mechanisms = talk.options.authenticator?.mechanisms(talk.channel) ?? [];
  // RFC 4954 §3.
  if (mechanisms.length > 0) list.push(`AUTH ${mechanisms.join(' ')}`);
  // By this our own client knows that it reached ourselves.
  list.push(`XRESTANTE ${token}`);
  return list;
}
