/** HELP: RFC 5321 §4.1.1.8. */
import type { Reply } from '../../../../mail/reply.ts';
import { replies } from '../replies.ts';

export const help = (): Reply => replies.help;
