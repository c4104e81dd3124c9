/**
 * The TRANSACTION state, and QUIT, which leads to UPDATE. RFC 1939 §5, §6; TOP and UIDL: §7.
 *
 * Promises: numbers and sizes stay what they were through the session; a deletion becomes true at
 * QUIT, and `+OK` to it is said after it is durable.
 */
import type { Dialog } from './dialog.ts';
import type { Messages } from './messages.ts';
import { ok, replies } from './replies.ts';
import { Top, transmit } from './transmit.ts';

/** Octets of a listing that are made at once. */
const PART = 8 * 1024;

export function stat(talk: Dialog, args: string): string {
  if (args !== '') return talk.wrong();
  const { count, octets } = messagesOf(talk);
  return ok(`${count} ${octets}`);
}

export const list = (talk: Dialog, args: string): string | Promise<null> =>
  listing(talk, args, ({ drop }, n) => `${n} ${drop.size(n)}`);

export const uidl = (talk: Dialog, args: string): string | Promise<null> =>
  listing(talk, args, ({ drop }, n) => `${n} ${drop.uid(n)}`);

function listing(
  talk: Dialog,
  args: string,
  line: (messages: Messages, n: number) => string,
): string | Promise<null> {
  const messages = messagesOf(talk);
  if (args === '') return whole(talk, messages, line);
  const n = existing(talk, args);
  return typeof n === 'string' ? n : ok(line(messages, n));
}

async function whole(
  talk: Dialog,
  messages: Messages,
  line: (messages: Messages, n: number) => string,
): Promise<null> {
  let part = ok(`${messages.count} messages (${messages.octets} octets)`);
  for (const n of messages.numbers()) {
    part += `${line(messages, n)}\r\n`;
    if (part.length < PART) continue;
    talk.say(part);
    part = '';
    if (!(await talk.written())) return null;
  }
  talk.say(`${part}.\r\n`);
  return null;
}

export function retr(talk: Dialog, args: string): string | Promise<string | null> {
  const n = existing(talk, args);
  return typeof n === 'string' ? n : send(talk, n);
}

export function top(talk: Dialog, args: string): string | Promise<string | null> {
  const [which = '', lines = '', ...more] = args.split(' ');
  const count = numberOf(lines);
  if (count === null || more.length > 0) return talk.wrong();
  const n = existing(talk, which);
  return typeof n === 'string' ? n : send(talk, n, new Top(count));
}

async function send(talk: Dialog, n: number, part?: Top): Promise<string | null> {
  const { drop } = messagesOf(talk);
  const message = await drop.open(n);
  if (!message) return replies.unreadable;
  talk.say(part ? ok() : ok(`${drop.size(n)} octets`));
  if (!(await transmit(talk, message, part))) talk.closing = true;
  return null;
}

export function dele(talk: Dialog, args: string): string {
  const n = existing(talk, args);
  if (typeof n === 'string') return n;
  messagesOf(talk).delete(n);
  return ok(`Message ${n} deleted`);
}

export function rset(talk: Dialog, args: string): string {
  if (args !== '') return talk.wrong();
  messagesOf(talk).reset();
  return ok();
}

export const noop = (talk: Dialog, args: string): string => (args === '' ? replies.noop : talk.wrong());

export async function quit(talk: Dialog, args: string): Promise<string> {
  if (args !== '') return talk.wrong();
  const { state } = talk;
  talk.closing = true;
  if (state.kind !== 'transaction') return replies.bye;
  // What was asked before has to have left: a connection that is gone deletes nothing.
  talk.flush();
  if (!talk.reachesPeer) return replies.fault;
  talk.enter({ kind: 'update', messages: state.messages });
  const { deleted, drop } = state.messages;
  const removed = deleted.length === 0 || (await drop.remove(deleted));
  return removed ? replies.bye : replies.notRemoved;
}

/** The number of a message that is there, or what to say instead. */
function existing(talk: Dialog, args: string): number | string {
  const n = numberOf(args);
  if (n === null) return talk.wrong();
  switch (messagesOf(talk).state(n)) {
    case 'there':
      return n;
    case 'deleted':
      return replies.deleted;
    case 'none':
      return replies.noMessage;
  }
}

const numberOf = (text: string): number | null => (/^\d{1,9}$/.test(text) ? Number(text) : null);

function messagesOf(talk: Dialog): Messages {
  if (talk.state.kind !== 'transaction') throw new Error(`no messages in ${talk.state.kind}`);
  return talk.state.messages;
}
