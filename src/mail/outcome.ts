/**
 * What came of one recipient in one try. Final ones are `delivered` and `failed`; a
 * `deferred` one says what the mail's own clock has to wait for.
 */
import type { Instant } from '../base/clock.ts';
import type { Reply } from './reply.ts';

export type Outcome =
  | { readonly kind: 'delivered'; readonly reply: Reply; readonly host: string }
  | {
      readonly kind: 'deferred';
      /** 5yz: a refusal that is held back and offered again. */
      readonly reply: Reply;
      readonly host: string;
      /** When this recipient was first put off by a reply of this class (4yz or 5yz). Set by the keeper, kept by the spool. */
      readonly since?: Instant;
    }
  | {
      readonly kind: 'failed';
      readonly reply: Reply;
      readonly host: string;
      /** It was this recipient that was refused (RCPT), not the mail. */
      readonly at?: 'rcpt';
    };
