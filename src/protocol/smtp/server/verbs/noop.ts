/** NOOP: RFC 5321 §4.1.1.9; its argument is ignored. */
import type { Reply } from '../../../../mail/reply.ts';
import { replies } from '../replies.ts';

export const noop = (): Reply => replies.ok;
