/**
 * What this thread and a worker tell each other, in order. Octets go over as transferred buffers. A worker owns
 * no state but the mails that it is in the middle of, and asks DNS through us: one cache, one limit.
 */
import type { Answer, MxRecord } from '../../dns/port.ts';
import type { Examined, Facts, Looking } from './examine.ts';

export type DnsType = 'a' | 'aaaa' | 'txt' | 'mx' | 'ptr';

export type ToWorker =
  /** From now on, for mails that begin. */
  | { readonly kind: 'look'; readonly looking: Looking }
  /** A piece of a mail; the first one begins it. */
  | { readonly kind: 'piece'; readonly mail: number; readonly octets: Uint8Array }
  /** The last piece. */
  | { readonly kind: 'end'; readonly mail: number; readonly octets: Uint8Array; readonly facts: Facts }
  | { readonly kind: 'abort'; readonly mail: number }
  | {
      readonly kind: 'answer';
      readonly question: number;
      readonly answer: Answer<string> | Answer<MxRecord>;
    };

export type FromWorker =
  /** So many octets are looked at. */
  | { readonly kind: 'taken'; readonly octets: number }
  | { readonly kind: 'examined'; readonly mail: number; readonly examined: Examined }
  | { readonly kind: 'failed'; readonly mail: number; readonly why: string }
  | { readonly kind: 'ask'; readonly question: number; readonly type: DnsType; readonly name: string };
