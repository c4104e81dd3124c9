/**
 * The AUTHORIZATION state: STLS, UTF8, and the ways to say who one is. Names, passwords and what
 * comes of them are the Authenticator's business; none of them is ever logged here.
 *
 * RFC 1939 §4, §7 (USER, PASS); RFC 5034 §4 (AUTH); RFC 2595 §4 (STLS); RFC 6856 §2 (UTF8).
 */

import type { SaslStep } from '../sasl.ts';
import type { Dialog } from './dialog.ts';
import { Messages } from './messages.ts';
import { ok, replies } from './replies.ts';

/** Failures in one connection. */
const FAILURE_LIMIT = 5;
const NONE = new Uint8Array(0);

export function startTls(talk: Dialog, args: string): string {
  if (args !== '') return talk.wrong();
  if (talk.channel.tls) return replies.tlsActive;
  if (!talk.offersTls) return replies.notOffered;
  talk.upgrading = true;
  return replies.startTls;
}

/** Nothing changes by it: a mailbox passes on what came, whatever the mode (docs/operating.md). */
export function utf8(talk: Dialog, args: string): string {
  return args === '' ? ok('UTF-8 as it came') : talk.wrong();
}

export function user(talk: Dialog, args: string): string {
  if (args === '') return talk.wrong();
  if (!talk.takesPasswords) return replies.noPassword;
  talk.user = args;
  // RFC 1939 §7: whether the name is known is not told.
  return ok('Password?');
}

export function password(talk: Dialog, args: string): string | Promise<string> {
  const name = talk.user;
  talk.user = null;
  if (name === null) return talk.wrong(replies.userFirst);
  const answer = talk.options.authenticator.password(name, args, talk.channel);
  return answer ? answer.then((step) => conclude(talk, step)) : replies.noPassword;
}

export async function auth(talk: Dialog, args: string): Promise<string | null> {
  const [mechanism = '', initial, ...more] = args.split(' ');
  if (mechanism === '' || more.length > 0) return talk.wrong();
  const exchange = talk.options.authenticator.begin(mechanism.toUpperCase(), talk.channel);
  if (!exchange) return talk.wrong(replies.noMechanism);
  // RFC 5034 §4: "=" is an initial response of no octets.
  let response = initial === undefined ? null : initial === '=' ? NONE : decode(initial);
  if (response === undefined) return talk.wrong(replies.malformed);
  for (;;) {
    const step = await exchange.step(response);
    if (step.kind !== 'challenge') return conclude(talk, step);
    talk.say(`+ ${Buffer.from(step.data).toString('base64')}\r\n`);
    const line = await talk.line();
    if (!line) return null;
    if (line.kind === 'bad line') return talk.wrong(replies.tooLong);
    const text = line.bytes.toString('latin1');
    if (text === '*') return replies.cancelled;
    response = decode(text);
    if (response === undefined) return talk.wrong(replies.malformed);
  }
}

/** Undefined: no base64. */
function decode(text: string): Uint8Array | undefined {
  const valid = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return valid ? Buffer.from(text, 'base64') : undefined;
}

async function conclude(talk: Dialog, step: SaslStep): Promise<string> {
  switch (step.kind) {
    case 'accepted':
      return enter(talk, step.login, step.sites);
    case 'refused':
      if (++talk.failures >= FAILURE_LIMIT) talk.closing = true;
      return { wrong: replies.wrong, locked: replies.locked, malformed: replies.malformed }[step.why];
    case 'challenge':
      throw new Error('a challenge to a password');
    default:
      return step satisfies never;
  }
}

/** RFC 1939 §4: the mailbox is locked before the state changes. */
async function enter(talk: Dialog, name: string, sites: readonly string[]): Promise<string> {
  const drop = await talk.options.maildrops.open({ name, sites, address: talk.channel.address });
  switch (drop.kind) {
    case 'busy':
      return replies.inUse;
    case 'none':
      return replies.noMailbox;
    case 'maildrop': {
      const messages = new Messages(drop);
      talk.enter({ kind: 'transaction', messages });
      return ok(summary(messages));
    }
    default:
      return drop satisfies never;
  }
}

const summary = ({ count, octets }: Messages): string => `${count} messages (${octets} octets)`;
