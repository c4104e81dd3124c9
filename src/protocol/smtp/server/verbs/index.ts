/** All verbs: one file for each, and the tables the dialog looks them up in. */
import type { Soon } from '../../../../base/soon.ts';
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';
import { atrn } from './atrn.ts';
import { auth } from './auth.ts';
import { bdat } from './bdat.ts';
import { data } from './data.ts';
import { ehlo, mailOffers, odmrOffers } from './ehlo.ts';
import { etrn } from './etrn.ts';
import { helo } from './helo.ts';
import { help } from './help.ts';
import { mail } from './mail.ts';
import { noop } from './noop.ts';
import { quit } from './quit.ts';
import { rcpt } from './rcpt.ts';
import { rset } from './rset.ts';
import { starttls } from './starttls.ts';
import { vrfy } from './vrfy.ts';
import { xclient } from './xclient.ts';
import { xforward } from './xforward.ts';

/** Answers one command. Null: the dialog is over, or all is said. */
export type Verb = (talk: Dialog, args: string) => Soon<Reply | null>;

/** RFC 5321 §4.2.4: known, and not implemented. */
const notOffered: Verb = (talk) => talk.error(replies.notOffered);

const mailVerbs: readonly (readonly [string, Verb])[] = [
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
  ['ETRN', etrn],
  ['XCLIENT', xclient],
  ['XFORWARD', xforward],
  ['ATRN', notOffered],
  ['TURN', notOffered],
  ['SEND', notOffered],
  ['SOML', notOffered],
  ['SAML', notOffered],
];

/** What a listener is for. */
export interface Service {
  readonly name: 'smtp' | 'odmr';
  readonly verbs: ReadonlyMap<string, Verb>;
  readonly offers: (talk: Dialog) => readonly string[];
}

/** Receiving mail. */
export const MAIL: Service = { name: 'smtp', verbs: new Map(mailVerbs), offers: mailOffers };

/** RFC 2645 §5: what a listener for on-demand relay takes; all else that is known is 502 there. */
const ODMR_VERBS: Readonly<Record<string, Verb>> = {
  EHLO: ehlo,
  HELO: helo,
  STARTTLS: starttls,
  AUTH: auth,
  ATRN: atrn,
  NOOP: noop,
  RSET: rset,
  HELP: help,
  QUIT: quit,
};
export const ODMR: Service = {
  name: 'odmr',
  verbs: new Map(mailVerbs.map(([name]) => [name, ODMR_VERBS[name] ?? notOffered])),
  offers: odmrOffers,
};

/** Lead to no mail; too many of them between two mails end the connection. */
export const IDLE: ReadonlySet<string> = new Set([
  'EHLO',
  'HELO',
  'RSET',
  'NOOP',
  'HELP',
  'VRFY',
  'EXPN',
  'ETRN',
  'XCLIENT',
  'XFORWARD',
]);

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
