/** All commands: in which states they may come, and who answers. RFC 1939 §4 to §6. */
import { auth, password, startTls, user, utf8 } from './authorization.ts';
import { capabilities } from './capabilities.ts';
import type { Dialog, State } from './dialog.ts';
import { replies } from './replies.ts';
import { dele, list, noop, quit, retr, rset, stat, top, uidl } from './transaction.ts';

/** Answers one command. Null: all is said. */
export type Verb = (talk: Dialog, args: string) => string | null | Promise<string | null>;

interface Entry {
  readonly states: readonly State['kind'][];
  readonly verb: Verb;
}

const AUTHORIZATION = ['authorization'] as const;
const TRANSACTION = ['transaction'] as const;
const BOTH = ['authorization', 'transaction'] as const;

export const verbs: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['CAPA', { states: BOTH, verb: capabilities }],
  ['QUIT', { states: BOTH, verb: quit }],
  ['STLS', { states: AUTHORIZATION, verb: startTls }],
  ['UTF8', { states: AUTHORIZATION, verb: utf8 }],
  ['USER', { states: AUTHORIZATION, verb: user }],
  ['PASS', { states: AUTHORIZATION, verb: password }],
  ['AUTH', { states: AUTHORIZATION, verb: auth }],
  // RFC 1939 §7: the shared secret would have to be kept in clear; the greeting has no timestamp for it.
  ['APOP', { states: AUTHORIZATION, verb: () => replies.notOffered }],
  ['STAT', { states: TRANSACTION, verb: stat }],
  ['LIST', { states: TRANSACTION, verb: list }],
  ['UIDL', { states: TRANSACTION, verb: uidl }],
  ['RETR', { states: TRANSACTION, verb: retr }],
  ['TOP', { states: TRANSACTION, verb: top }],
  ['DELE', { states: TRANSACTION, verb: dele }],
  ['RSET', { states: TRANSACTION, verb: rset }],
  ['NOOP', { states: TRANSACTION, verb: noop }],
]);
