/**
 * What the answer of a list means. Pure.
 *
 * RFC 5782 §2.1–2.3: an A record in 127.0.0.0/8 is a hit, and says by its value what of. By 127.255.255.x lists refuse
 * a question that they do not want to answer. An address of elsewhere is no list's: a resolver made it up for a
 * name that does not exist, or the list's domain has another owner.
 */
import { type CodeRange, codeOf, REFUSAL_CODES } from '../../config/blocklist-schema.ts';
import type { Answer } from '../../dns/port.ts';

export type Said =
  | { readonly kind: 'listed'; readonly codes: readonly string[] }
  /** Not there, or not with an answer that counts. */
  | { readonly kind: 'clean' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'foreign'; readonly address: string }
  | { readonly kind: 'silent'; readonly why: string }
  /** The list is out of use. */
  | { readonly kind: 'unasked' };

const within = (code: string, { from, to }: CodeRange): boolean => codeOf(code) >= from && codeOf(code) <= to;

/** `counts`: the answers that are a hit; empty: all. */
export function readAnswer(answer: Answer<string>, counts: readonly CodeRange[] = []): Said {
  switch (answer.kind) {
    case 'nxdomain':
    case 'nodata':
      return { kind: 'clean' };
    case 'failed':
      return { kind: 'silent', why: answer.why };
    case 'found': {
      const { records } = answer;
      const refusal = records.find((code) => within(code, REFUSAL_CODES));
      if (refusal !== undefined) return { kind: 'refused', code: refusal };
      const ours = records.filter((code) => code.startsWith('127.'));
      const [address] = records;
      if (ours.length === 0 && address !== undefined) return { kind: 'foreign', address };
      const codes = ours.filter((code) => counts.length === 0 || counts.some((range) => within(code, range)));
      return codes.length > 0 ? { kind: 'listed', codes } : { kind: 'clean' };
    }
    default:
      return answer satisfies never;
  }
}

/** What 127.255.255.x says, where lists agree on it. */
export function refusalText(code: string): string {
  switch (code) {
    case '127.255.255.252':
      return `the name of the list is written wrong (${code})`;
    case '127.255.255.254':
      return `it refuses a public resolver: use one of your own (${code})`;
    case '127.255.255.255':
      return `it refuses so many questions (${code})`;
    default:
      return `it refuses our questions (${code})`;
  }
}
