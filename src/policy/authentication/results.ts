/**
 * Authentication-Results: our field as text, and which fields claim to be ours. Pure functions.
 *
 * Promises: whatever a peer said, nothing in our field can end it or begin another; lines are folded at 78 columns
 * where there is a space. Only fields with our own name are taken away (RFC 8601 §5).
 *
 * RFC 8601 §2.2 (syntax), §2.7.2 (SPF); RFC 5322 §2.2.3 (folding).
 */
import type { MailAuthentication } from '../../mail/envelope.ts';
import { fieldsOf, type HeaderEdit } from '../../mail/header-edit.ts';

export const FIELD = 'Authentication-Results';
const COLUMNS = 78;

/** What was found by one method, as it stands in the field: `dkim=pass header.d=example.com`. */
export type ResultInfo = string;

/** RFC 8601 §2.7.2. `skipped` is no result that the field knows. */
export function spfInfo(spf: MailAuthentication['spf'], sender: string): ResultInfo[] {
  if (!spf || spf.result === 'skipped') return [];
  const property = sender === '' ? 'smtp.helo' : 'smtp.mailfrom';
  return [`spf=${spf.result} ${property}=${propertyOf(spf.domain)}`];
}

/** The field's body; folded, without name and last CRLF. */
export function resultsBody(authservId: string, infos: readonly ResultInfo[]): string {
  const all = infos.length === 0 ? ['none'] : infos;
  // What stands in it may come from the mail: only printable ASCII, and spaces.
  const clean = all.map((info) => info.replace(/[^\x20-\x7e]+/g, ' ').trim());
  return `${authservId};\r\n ${clean.map((info) => fold(info)).join(';\r\n ')}`;
}

export const resultsField = (body: string): string => `${FIELD}: ${body}\r\n`;

/** Takes fields away that were made in our name by others; the last first, so that numbers stay right. */
export function forgedResults(header: Buffer, authservId: string): HeaderEdit[] {
  const edits: HeaderEdit[] = [];
  let at = 0;
  for (const { name, octets } of fieldsOf(header)) {
    if (name !== FIELD.toLowerCase()) continue;
    at++;
    if (claims(octets.toString('latin1'), authservId)) edits.unshift({ kind: 'remove', name: FIELD, at });
  }
  return edits;
}

/** `authserv-id` is a token or a quoted string, with comments and spaces before it. */
function claims(field: string, authservId: string): boolean {
  const body = withoutComments(field.slice(field.indexOf(':') + 1));
  const [, quoted, token] = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/.exec(body) ?? [];
  const id = quoted?.replace(/\\(.)/g, '$1') ?? token ?? '';
  return bare(id) === bare(authservId);
}

const bare = (name: string): string => name.trim().toLowerCase().replace(/\.$/, '');

/** RFC 5322 §3.2.2: comments nest, and quote by backslash. Those at the beginning only. */
function withoutComments(text: string): string {
  let at = 0;
  for (let depth = 0; at < text.length; at++) {
    const c = text[at] ?? '';
    if (depth > 0 && c === '\\') at++;
    else if (c === '(') depth++;
    else if (depth > 0 && c === ')') depth--;
    else if (depth === 0 && !/\s/.test(c)) break;
  }
  return text.slice(at);
}

/** A value: a token, or quoted. RFC 8601 §2.2. */
const propertyOf = (text: string): string =>
  /^[A-Za-z0-9.!#$%&'*+^_`{|}~-]+$/.test(text) ? text : `"${text.replace(/[^\x20-\x7e]|["\\]/g, '?')}"`;

function fold(text: string): string {
  let out = '';
  let column = 1;
  for (const word of text.split(' ')) {
    if (out !== '' && column + 1 + word.length > COLUMNS) {
      out += `\r\n  ${word}`;
      column = 2 + word.length;
    } else {
      out += out === '' ? word : ` ${word}`;
      column += 1 + word.length;
    }
  }
  return out;
}
