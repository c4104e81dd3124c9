/** All verbs: one file for each, and the tables the dialog looks them up in. */
import type { Soon } from '../../../../base/soon.ts';
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { auth } from './auth.ts';
import { bdat } from './bdat.ts';
import { data } from './data.ts';
import { ehlo } from './ehlo.ts';
import { helo } from './helo.ts';
import { help } from './help.ts';
import { mail } from './mail.ts';
import { noop } from './noop.ts';
import { quit } from './quit.ts';
import { rcpt } from './rcpt.ts';
import { rset } from './rset.ts';
import { starttls } from './starttls.ts';
import { vrfy } from './vrfy.ts';

/** Answers one command. Null: the dialog is over, or all is said. */
export type Verb = (talk: Dialog, args: string) => Soon<Reply | null>;

/** RFC 5321 §4.2.4: known, and not implemented. */
const notOffered: Verb = (talk) => talk.error(replies.notOffered);

export const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['EHLO', ehlo],
  ['HELO', helo],
  ['MAIL', mail],
  ['RCPT', rcpt],
  ['DATA', data],
  ['BDAT', bdat],
  ['RSET', rset],
  ['NOOP', noop],
  ['QUIT', quit],
  ['HELP', help],
  ['VRFY', vrfy],
  ['STARTTLS', starttls],
  ['AUTH', auth],
  ['EXPN', notOffered],
  ['ETRN', notOffered],
  ['ATRN', notOffered],
  ['TURN', notOffered],
  ['SEND', notOffered],
  ['SOML', notOffered],
  ['SAML', notOffered],
]);

/** Lead to no mail; too many of them between two mails end the connection. */
export const IDLE: ReadonlySet<string> = new Set(['EHLO', 'HELO', 'RSET', 'NOOP', 'HELP', 'VRFY', 'EXPN']);

/** HTTP: a browser or a proxy was made to speak to us; what follows is not for us. */
export const FORBIDDEN: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
]);
