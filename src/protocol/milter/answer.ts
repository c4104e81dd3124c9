/**
 * What a filter answers, decoded. What it may say when is in `client.ts`.
 */
import { type Reply, reply } from '../../mail/reply.ts';
import { printable } from './options.ts';
import { Fields, type Packet } from './packet.ts';

/** Values of header fields are octets: a filter may write them as it likes. */
export type Change =
  | { readonly kind: 'add header'; readonly name: string; readonly value: Buffer }
  /** `at`: 0 is the topmost place, above our own Received. */
  | { readonly kind: 'insert header'; readonly at: number; readonly name: string; readonly value: Buffer }
  /** `at`: which of this name, from 1. Without a value: it goes. */
  | { readonly kind: 'change header'; readonly at: number; readonly name: string; readonly value: Buffer }
  | { readonly kind: 'change sender'; readonly address: string }
  | { readonly kind: 'add recipient'; readonly address: string }
  | { readonly kind: 'delete recipient'; readonly address: string }
  | { readonly kind: 'replace body'; readonly chunk: Buffer }
  | { readonly kind: 'quarantine'; readonly reason: string };

/** Ends the wait for an answer. */
export type Decision =
  | { readonly kind: 'continue' | 'accept' | 'reject' | 'tempfail' | 'discard' | 'skip' }
  /** The SMTP connection is to be ended: `4`, or `f`. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'reply'; readonly reply: Reply };

export type Answer = Change | Decision | { readonly kind: 'progress' };

type Bare = Exclude<Answer['kind'], Change['kind'] | 'reply'>;
const BARE: Readonly<Record<string, Bare>> = {
  a: 'accept',
  c: 'continue',
  d: 'discard',
  f: 'shutdown',
  p: 'progress',
  r: 'reject',
  s: 'skip',
  t: 'tempfail',
  '4': 'shutdown',
};

/** A sentence, if it is none. */
export function decodeAnswer({ code, data }: Packet): Answer | string {
  const bare = BARE[code];
  if (bare !== undefined) {
    return data.length === 0
      ? { kind: bare }
      : `"${code}" with ${data.length} octets that do not belong to it`;
  }
  if (code === 'y') return replyOf(data);
  if (code === 'b') return { kind: 'replace body', chunk: data };
  return changeOf(code, new Fields(data)) ?? `"${printable(code)}", which is not known, or is cut off`;
}

function changeOf(code: string, fields: Fields): Change | undefined {
  const string = (): string | undefined => fields.string()?.toString('utf8');
  switch (code) {
    case 'h': {
      const [name, value] = [string(), fields.string()];
      return name === undefined || !value ? undefined : { kind: 'add header', name, value };
    }
    case 'i':
    case 'm': {
      const [at, name, value] = [fields.uint32(), string(), fields.string()];
      if (at === undefined || name === undefined || !value) return undefined;
      return code === 'i'
        ? { kind: 'insert header', at, name, value }
        : { kind: 'change header', at: Math.max(1, at), name, value };
    }
    case 'e': {
      const address = string();
      return address === undefined ? undefined : { kind: 'change sender', address: unbracketed(address) };
    }
    case '+':
    case '2': {
      const address = string();
      return address === undefined ? undefined : { kind: 'add recipient', address: unbracketed(address) };
    }
    case '-': {
      const address = string();
      return address === undefined ? undefined : { kind: 'delete recipient', address: unbracketed(address) };
    }
    case 'q':
      return {
        kind: 'quarantine',
        reason: printable(string() ?? '')
          .trim()
          .slice(0, 200),
      };
    default:
      return undefined;
  }
}

const unbracketed = (address: string): string => address.trim().replace(/^<(.*)>$/s, '$1');

/**
 * `550 5.7.1 text`, in several lines as SMTP has them. sendmail takes it for a format: a percent sign is doubled.
 */
function replyOf(data: Buffer): Answer | string {
  const [text = ''] = data.toString('utf8').split('\0', 1);
  const lines = text
    .replace(/%(%?)/g, '$1')
    .split(/\r?\n/)
    .filter((line) => line !== '');
  const parsed = lines.map((line) =>
    /^([45]\d\d)(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?(.*))?$/.exec(line),
  );
  const [, code = '', enhanced] = parsed[0] ?? [];
  const odd = parsed.length > MOST_LINES || parsed.some((line) => line?.[1] !== code);
  if (code === '' || odd || (enhanced !== undefined && enhanced[0] !== code[0])) {
    return `a reply that is none: ${printable(text).slice(0, 100)}`;
  }
  const words = parsed.map((line) =>
    printable(line?.[3] ?? '')
      .trim()
      .slice(0, LONGEST_LINE),
  );
  return { kind: 'reply', reply: reply(Number(code), enhanced, ...words) };
}

const MOST_LINES = 32;
/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, its codes and CRLF included. */
const LONGEST_LINE = 480;
