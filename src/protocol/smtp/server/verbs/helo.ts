/** HELO: RFC 5321 §4.1.1.1. */
import { type Reply, reply } from '../../../../mail/reply.ts';
import type { Dialog } from '../dialog.ts';
import { greeted } from './hello.ts';

export async function helo(talk: Dialog, args: string): Promise<Reply | null> {
  return (await greeted(talk, args, false)) ?? reply(250, undefined, talk.options.hostname);
}
