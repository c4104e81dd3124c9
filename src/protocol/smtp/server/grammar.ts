/**
 * The grammar of command lines: bytes in, values out. Nothing is decided here but syntax.
 *
 * Promises: what is not well formed comes back as `bad` with the reply to send, never as an
 * exception; time linear in the line; addresses come out as they came in, case and quoting kept.
 * Lenient where real senders are: a space after the colon, dots anywhere in a local part, `_` in
 * domains, local parts over 64 octets (VERP and BATV make such; §4.5.3.1 names minimum sizes to
 * take, not maximum ones). Strict where leniency helps an attacker: no control characters, no
 * trailing dots, no unquoted @.
 * RFC 5321 §2.4, §4.1.2, §4.1.3; RFC 6531 §3.3; parameters are in `parameters.ts`.
 */
import { isUtf8 } from 'node:buffer';
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { isAscii } from '../../../mail/address.ts';
import { type Reply, reply } from '../../../mail/reply.ts';

export interface Bad {
  readonly kind: 'bad';
  readonly reply: Reply;
}

export const bad = (code: number, enhanced: string, text: string): Bad => ({
  kind: 'bad',
  reply: reply(code, enhanced, text),
});

export interface CommandLine {
  readonly kind: 'command';
  /** Upper case. */
  readonly verb: string;
  /** What follows the verb, without white space around it. */
  readonly args: string;
}

/** A line without its CRLF. */
export function parseCommandLine(line: Buffer): CommandLine | Bad {
  let text = line.toString('latin1');
  if (!isAscii(text)) {
    if (!isUtf8(line)) return bad(500, '5.5.2', 'Neither ASCII nor UTF-8');
    text = line.toString('utf8');
  }
  // §4.1.1: trailing white space is tolerated.
  text = text.trimEnd();
  if (/[\x00-\x1f\x7f-\x9f]/.test(text)) return bad(500, '5.5.2', 'Control characters in a command');
  const space = text.indexOf(' ');
  if (space < 0) return { kind: 'command', verb: text.toUpperCase(), args: '' };
  return {
    kind: 'command',
    verb: text.slice(0, space).toUpperCase(),
    args: text.slice(space + 1).trimStart(),
  };
}

const ATEXT = "A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u00a0-\\uffff-";
const DOT_STRING = `[${ATEXT}.]+`;
const QUOTED_STRING = '"(?:[ !#-\\[\\]-~\\u00a0-\\uffff]|\\\\[ -~])*"';
const LABEL = '[A-Za-z0-9_\\u00a0-\\uffff-]+';
const DOMAIN = `${LABEL}(?:\\.${LABEL})*`;
const LITERAL = '\\[[!-Z^-~]+\\]';
// §4.1.1.3, appendix C: `@one,@two:` before the mailbox.
const ROUTE = `@${DOMAIN}(?:,@${DOMAIN})*:`;
const PATH = new RegExp(`<(${ROUTE})?(${DOT_STRING}|${QUOTED_STRING})@(${DOMAIN}|${LITERAL})>`, 'y');

// §4.5.3.1.1 and .2 ask for 64 and 255 at least.
const LOCAL_LIMIT = 255;
const DOMAIN_LIMIT = 255;

export interface Path {
  readonly kind: 'path';
  /** `local@domain` as sent; '' for `<>`; `postmaster` for the bare one. */
  readonly address: string;
  readonly ascii: boolean;
  readonly sourceRoute: boolean;
  readonly bare: boolean;
  /** What follows the path: parameters. */
  readonly rest: string;
}

/** The argument of MAIL: `FROM:<…> parameters`. */
export function parseReversePath(args: string): Path | Bad {
  const at = prefixLength(args, 'FROM:');
  if (at < 0) return bad(501, '5.5.4', 'Syntax: MAIL FROM:<address>');
  if (args.startsWith('<>', at)) return path('', args.slice(at + 2), {}, '5.1.7');
  return mailbox(args, at, '5.1.7');
}

/** The argument of RCPT: `TO:<…> parameters`. */
export function parseForwardPath(args: string): Path | Bad {
  const at = prefixLength(args, 'TO:');
  if (at < 0) return bad(501, '5.5.4', 'Syntax: RCPT TO:<address>');
  // §4.1.1.3: `<Postmaster>` in any case, without a domain.
  const bare = /^<(postmaster)>/i.exec(args.slice(at, at + 12));
  if (bare?.[1]) return path(bare[1], args.slice(at + bare[0].length), { bare: true }, '5.1.3');
  return mailbox(args, at, '5.1.3');
}

function prefixLength(args: string, prefix: string): number {
  if (args.slice(0, prefix.length).toUpperCase() !== prefix) return -1;
  let at = prefix.length;
  while (args[at] === ' ') at++;
  return at;
}

function mailbox(args: string, at: number, status: string): Path | Bad {
  PATH.lastIndex = at;
  const match = PATH.exec(args);
  const [whole, route, local, domain] = match ?? [];
  if (whole === undefined || local === undefined || domain === undefined) {
    return bad(501, status, 'This is no address');
  }
  if (Buffer.byteLength(local) > LOCAL_LIMIT) return bad(501, status, 'Local part too long');
  if (Buffer.byteLength(domain) > DOMAIN_LIMIT) return bad(501, status, 'Domain too long');
  if (!(domain.startsWith('[') ? isLiteral(domain) : isDomain(domain))) {
    return bad(501, status, 'This is no domain');
  }
  return path(`${local}@${domain}`, args.slice(at + whole.length), { route: route !== undefined }, status);
}

function path(
  address: string,
  after: string,
  marks: { route?: boolean; bare?: boolean },
  status: string,
): Path | Bad {
  if (after !== '' && !after.startsWith(' ')) return bad(501, status, 'This is no address');
  return {
    kind: 'path',
    address,
    ascii: isAscii(address),
    sourceRoute: marks.route ?? false,
    bare: marks.bare ?? false,
    rest: after.trimStart(),
  };
}

function isDomain(domain: string): boolean {
  if (isAscii(domain)) return domain.split('.').every((label) => label.length <= 63);
  return domainToASCII(domain) !== '';
}

/** RFC 5321 §4.1.3. Zone ids (`%eth0`) are not of it, though node takes them for IPv6. */
function isLiteral(literal: string): boolean {
  const inner = literal.slice(1, -1);
  if (/^IPv6:/i.test(inner)) return !inner.includes('%') && isIPv6(inner.slice(5));
  return isIPv4(inner) || /^[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+$/.test(inner);
}
