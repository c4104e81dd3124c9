/**
 * What came of one recipient in one try. Final ones are `delivered` and `failed`; a
 * `deferred` one says what the mail's own clock has to wait for.
 */
import type { Reply } from './reply.ts';

export type Outcome =
  | { readonly kind: 'delivered'; readonly reply: Reply; readonly host: string }
  | { readonly kind: 'deferred'; readonly reply: Reply; readonly host: string }
  | { readonly kind: 'failed'; readonly reply: Reply; readonly host: string };
