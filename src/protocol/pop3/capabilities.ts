/** CAPA: RFC 2449 §5. What is listed may depend on the state and on the channel. */
import type { Dialog } from './dialog.ts';
import { ok } from './replies.ts';

/** RFC 2449 §6. */
export function capabilities(talk: Dialog, args: string): string {
  if (args !== '') return talk.wrong();
  const { state, channel } = talk;
  const list = ['TOP', 'UIDL', 'PIPELINING', 'RESP-CODES'];
  list.push('AUTH-RESP-CODE'); // RFC 3206 §6
  // RFC 6856 §2: octets are sent as they are, in this mode and without it.
  list.push('UTF8');
  if (state.kind === 'authorization') {
    const mechanisms = talk.options.authenticator.mechanisms(channel);
    if (talk.takesPasswords) list.push('USER');
    if (mechanisms.length > 0) list.push(`SASL ${mechanisms.join(' ')}`); // RFC 5034 §3
    if (talk.offersTls) list.push('STLS'); // RFC 2595 §4
  }
  // RFC 2449 §6.7: only what is true of this mailbox.
  if (state.kind === 'transaction') list.push(`EXPIRE ${state.messages.drop.days}`);
  list.push('IMPLEMENTATION Restante');
  return `${ok('Capabilities')}${list.join('\r\n')}\r\n.\r\n`;
}
