/**
 * The engine's own replies, and how a reply looks on the wire. What policy says comes from the
 * session. RFC 5321 §4.2; RFC 3463 (codes); RFC 2034 §4 (none in greetings, EHLO, 3yz).
 */
import { type Reply, reply } from '../../../mail/reply.ts';

export const replies = {
  ok: reply(250, '2.0.0', 'OK'),
  bye: reply(221, '2.0.0', 'Bye'),
  startData: reply(354, undefined, 'End with CRLF.CRLF'),
  startTls: reply(220, '2.0.0', 'Go ahead'),
  help: reply(
    214,
    '2.0.0',
    'EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS QUIT',
    'This host holds mail for other sites; for its operator: postmaster',
  ),
  helpOdmr: reply(
    214,
    '2.0.0',
    'EHLO HELO STARTTLS AUTH ATRN RSET NOOP HELP QUIT',
    'Here sites call for their mail (RFC 2645); for its operator: postmaster',
  ),
  vrfy: reply(252, '2.5.0', 'Cannot say; try RCPT'),

  unknown: reply(500, '5.5.2', 'Unknown command'),
  bareLf: reply(500, '5.5.2', 'Lines end with CRLF'),
  tooLong: reply(500, '5.5.2', 'Line too long'),
  noArguments: reply(501, '5.5.4', 'No arguments here'),
  notOffered: reply(502, '5.5.1', 'Not offered here'),
  helloFirst: reply(503, '5.5.1', 'EHLO or HELO first'),
  mailFirst: reply(503, '5.5.1', 'MAIL first'),
  inTransaction: reply(503, '5.5.1', 'A mail is under way; RSET ends it'),
  inContent: reply(503, '5.5.1', 'Content is under way'),
  notFront: reply(550, '5.7.0', 'Not allowed from here'),
  noRecipients: reply(554, '5.5.1', 'No valid recipients'),
  tlsActive: reply(503, '5.5.1', 'TLS is active'),

  // RFC 4954 §4, §6.
  authSyntax: reply(501, '5.5.4', 'Syntax: AUTH mechanism [initial-response]'),
  authDone: reply(503, '5.5.1', 'Authenticated already'),
  authOk: reply(235, '2.7.0', 'Authenticated'),
  authCancelled: reply(501, '5.7.0', 'Cancelled'),
  authTooLong: reply(500, '5.5.6', 'Response too long'),
  authMalformed: reply(501, '5.5.2', 'This is no response to that'),
  authUnknown: reply(504, '5.5.4', 'Mechanism unknown'),
  authNeedsTls: reply(538, '5.7.11', 'STARTTLS first: this mechanism shows the password'),
  authWeak: reply(534, '5.7.9', 'This mechanism is too weak for an open line'),
  authWrong: reply(535, '5.7.8', 'Wrong name or password'),
  authLocked: reply(454, '4.7.0', 'No logins now; try again later'),

  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients; the rest in another transaction'),
  tooBig: reply(552, '5.3.4', 'Message too big'),
  // RFC 5321 §2.3.8: CR and LF only together; §4.5.2 leaves no place for NUL.
  foul: reply(554, '5.6.0', 'Bare CR, bare LF or NUL in content (RFC 5321 2.3.8)'),

  // RFC 5321 §3.8: 421 before closing.
  fault: reply(421, '4.3.0', 'Local trouble; try again later'),
  stopping: reply(421, '4.3.2', 'Going down; try again later'),
  timeout: reply(421, '4.4.2', 'Waited too long'),
  tooManyConnections: reply(421, '4.7.0', 'Too many connections; try again later'),
  tooManyErrors: reply(421, '4.7.0', 'Too many errors'),
  tooManyIdle: reply(421, '4.7.0', 'Too many commands without mail'),
  notSmtp: reply(421, '4.7.0', 'This is SMTP'),
  flood: reply(421, '4.3.4', 'Far too big'),
} satisfies Record<string, Reply>;

/** RFC 5321 §4.5.3.1.5: 512 octets a line, code and CRLF with them. */
const TEXT_LIMIT = 490;

/** The reply as it goes out. What is not printable ASCII becomes `?`: nothing can end a line. */
export function render(r: Reply): string {
  const status = r.enhanced === undefined ? '' : `${r.enhanced} `;
  if (r.text.length === 1) return `${r.code} ${status}${clean(r.text[0] ?? '')}\r\n`;
  let out = '';
  r.text.forEach((line, i) => {
    out += `${r.code}${i === r.text.length - 1 ? ' ' : '-'}${status}${clean(line)}\r\n`;
  });
  return out;
}

function clean(text: string): string {
  const short = text.length > TEXT_LIMIT ? text.slice(0, TEXT_LIMIT) : text;
  return /[^ -~]/.test(short) ? short.replace(/[^ -~]/g, '?') : short;
}
