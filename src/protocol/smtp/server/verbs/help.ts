/** HELP: RFC 5321 §4.1.1.8. */
import type { Reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { replies } from '../replies.ts';

export const help = (talk: Dialog): Reply => (talk.service.name === 'odmr' ? replies.helpOdmr : replies.help);
