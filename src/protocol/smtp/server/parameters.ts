/**
 * The parameters of MAIL and RCPT that we take: SIZE, BODY, SMTPUTF8, RET, ENVID, AUTH, NOTIFY,
 * ORCPT. Values that travel on (ENVID, ORCPT) are checked and kept as sent.
 *
 * Promises: an unknown parameter is 555, a bad value or a repeated one 501, never ignored.
 * RFC 5321 §4.1.1.11; RFC 1870 §4; RFC 6152; RFC 6531 §3.4; RFC 3461 §4; RFC 6533 §3; RFC 4954 §5.
 */
import type { NotifyKeyword } from '../../../mail/envelope.ts';
import type { MailCommand, RcptCommand } from '../session.ts';
import { type Bad, bad, parseForwardPath, parseReversePath } from './grammar.ts';

type Parameters = Map<string, string | undefined>;

export function parseMail(args: string): { readonly kind: 'mail'; readonly command: MailCommand } | Bad {
  const path = parseReversePath(args);
  if (path.kind === 'bad') return path;
  const parameters = split(path.rest);
  if ('kind' in parameters) return parameters;
  const command: { -readonly [K in keyof MailCommand]: MailCommand[K] } = {
    sender: path.address,
    body: '7bit',
    smtputf8: false,
  };
  for (const [keyword, value] of parameters) {
    const problem = mailParameter(command, keyword, value);
    if (problem) return problem;
  }
  if (!path.ascii && !command.smtputf8) return nonAscii();
  return { kind: 'mail', command };
}

/** `smtputf8`: whether MAIL said so. */
export function parseRcpt(
  args: string,
  smtputf8: boolean,
): { readonly kind: 'rcpt'; readonly command: RcptCommand } | Bad {
  const path = parseForwardPath(args);
  if (path.kind === 'bad') return path;
  const parameters = split(path.rest);
  if ('kind' in parameters) return parameters;
  const command: { -readonly [K in keyof RcptCommand]: RcptCommand[K] } = {
    address: path.address,
    bare: path.bare,
    sourceRoute: path.sourceRoute,
  };
  for (const [keyword, value] of parameters) {
    const problem = rcptParameter(command, keyword, value);
    if (problem) return problem;
  }
  if (!path.ascii && !smtputf8) return nonAscii();
  return { kind: 'rcpt', command };
}

// RFC 6531 §3.5: 553 with X.6.7.
const nonAscii = (): Bad => bad(553, '5.6.7', 'An address that is not ASCII needs SMTPUTF8');
const badValue = (keyword: string): Bad => bad(501, '5.5.4', `Bad value of ${keyword}`);

function split(text: string): Parameters | Bad {
  const parameters: Parameters = new Map();
  if (text === '') return parameters;
  for (const word of text.split(/ +/)) {
    const equals = word.indexOf('=');
    const keyword = (equals < 0 ? word : word.slice(0, equals)).toUpperCase();
    if (!/^[A-Z0-9][A-Z0-9-]*$/.test(keyword) || equals === word.length - 1) {
      return bad(501, '5.5.4', 'Bad parameter');
    }
    if (parameters.has(keyword)) return bad(501, '5.5.4', `${keyword} twice`);
    parameters.set(keyword, equals < 0 ? undefined : word.slice(equals + 1));
  }
  return parameters;
}

function mailParameter(
  command: { -readonly [K in keyof MailCommand]: MailCommand[K] },
  keyword: string,
  value: string | undefined,
): Bad | undefined {
  const upper = value?.toUpperCase();
  switch (keyword) {
    case 'SIZE':
      if (!value || !/^[0-9]{1,20}$/.test(value)) return badValue(keyword);
      command.size = Number(value);
      return;
    case 'BODY':
      // BINARYMIME is not offered: its content could not be passed on with DATA (RFC 3030 §3).
      if (upper !== '7BIT' && upper !== '8BITMIME') return badValue(keyword);
      command.body = upper === '7BIT' ? '7bit' : '8bitmime';
      return;
    case 'SMTPUTF8':
      if (value !== undefined) return badValue(keyword);
      command.smtputf8 = true;
      return;
    case 'RET':
      if (upper !== 'FULL' && upper !== 'HDRS') return badValue(keyword);
      command.ret = upper;
      return;
    case 'ENVID':
      if (!value || value.length > 100 || decodeXtext(value) === null) return badValue(keyword);
      command.envid = value;
      return;
    case 'AUTH':
      if (!value || value.length > 500 || decodeXtext(value) === null) return badValue(keyword);
      command.auth = value;
      return;
    default:
      return bad(555, '5.5.4', `Parameter ${keyword.slice(0, 40)} unknown`);
  }
}

function rcptParameter(
  command: { -readonly [K in keyof RcptCommand]: RcptCommand[K] },
  keyword: string,
  value: string | undefined,
): Bad | undefined {
  if (keyword === 'NOTIFY') {
    const notify = value === undefined ? null : parseNotify(value);
    if (notify === null) return badValue(keyword);
    command.notify = notify;
    return;
  }
  if (keyword === 'ORCPT') {
    if (!value || value.length > 500 || !isOrcpt(value)) return badValue(keyword);
    command.orcpt = value;
    return;
  }
  return bad(555, '5.5.4', `Parameter ${keyword.slice(0, 40)} unknown`);
}

/** RFC 3461 §4.1: NEVER stands alone. */
function parseNotify(value: string): readonly NotifyKeyword[] | null {
  const words = new Set<NotifyKeyword>();
  for (const word of value.toUpperCase().split(',')) {
    if (word !== 'NEVER' && word !== 'SUCCESS' && word !== 'FAILURE' && word !== 'DELAY') return null;
    words.add(word);
  }
  return words.has('NEVER') && words.size > 1 ? null : [...words];
}

/** RFC 3461 §4.2: `addr-type;xtext`. RFC 6533 §3: raw UTF-8 may stand in a utf-8 address. */
function isOrcpt(value: string): boolean {
  const semicolon = value.indexOf(';');
  const type = value.slice(0, semicolon);
  const address = value.slice(semicolon + 1);
  if (semicolon < 1 || !/^[A-Za-z0-9-]+$/.test(type) || address === '') return false;
  return (
    decodeXtext(type.toLowerCase() === 'utf-8' ? address.replace(/[\u00a0-\uffff]/g, '') : address) !== null
  );
}

/**
 * RFC 3461 §4. Null for what is no xtext, and for what hides a control character: the decoded text
 * ends in header fields of notices.
 */
export function decodeXtext(text: string): string | null {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) return null;
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /[^ -~]/.test(decoded) ? null : decoded;
}
