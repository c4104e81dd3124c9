/**
 * What policy says of a sender, a recipient or a mail. What the peer is told and what the log
 * is told are apart: the wire text names nothing that a stranger need not know.
 */
import { type Reply, reply } from '../mail/reply.ts';

export interface Accept {
  readonly kind: 'accept';
}
export interface Refusal {
  /** `reject` is 5yz, `defer` 4yz. */
  readonly kind: 'reject' | 'defer';
  /** For the wire. */
  readonly reply: Reply;
  /** For the log. */
  readonly why: string;
  /** The refusal is this site's trouble, not the mail's: its keeper is to know. */
  readonly trouble?: string;
}
export type Verdict = Accept | Refusal;

export const ACCEPT: Accept = { kind: 'accept' };

export function reject(code: number, enhanced: string, text: string, why: string): Refusal {
  return { kind: 'reject', reply: reply(code, enhanced, text), why };
}

export function defer(code: number, enhanced: string, text: string, why: string): Refusal {
  return { kind: 'defer', reply: reply(code, enhanced, text), why };
}

/** Undefined for an acceptance, so that checks can be strung together with `??`. */
export function refusal(verdict: Verdict): Refusal | undefined {
  return verdict.kind === 'accept' ? undefined : verdict;
}
