/**
 * What is given to the client engine, and what it gives back: one mail, and each reply that was heard of
 * it. Values; nothing is judged here. RFC 5321 §3.3.
 */
import type { Envelope } from '../../../mail/envelope.ts';
import { isPositive, type Reply } from '../../../mail/reply.ts';
import type { Lost } from './wire.ts';

export interface ClientContent {
  readonly size: number;
  /** All of it, when at hand. */
  readonly pieces?: readonly Uint8Array[];
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface ClientMail {
  readonly envelope: Envelope;
  /** Commands (XFORWARD) to be said before MAIL; a refusal of them is not the mail's. */
  readonly before?: readonly string[];
  /** Null: it cannot be read. */
  open(): Promise<ClientContent | null>;
}

/** What was heard of one mail. Null: no reply came, or nothing was asked. */
export interface Transaction {
  /** The first refusal of what was said before MAIL. */
  before: Reply | null;
  mail: Reply | null;
  /** Parallel to envelope.recipients. */
  readonly rcpt: (Reply | null)[];
  /** To DATA: 354, or the refusal. */
  data: Reply | null;
  /** To the end of data, or to BDAT. */
  end: Reply | null;
  lost: Lost | null;
  /** Why it was not sent, or not to its end: for a reason of its own. */
  unsent: 'unreadable' | 'unclean' | 'smtputf8' | null;
  /** Was anything of it written? */
  begun: boolean;
  /** Milliseconds from the end of data to its reply. */
  latency: number;
}

/** At least one recipient was accepted. */
export const taken = (heard: Transaction): boolean => heard.rcpt.some((r) => r && isPositive(r));

/**
 * Shared by the conversations with one site. `careful`: the last mail was refused to all its recipients
 * (greylisting, say). Content announced behind such a mail is an error to many servers, and they count:
 * Postfix slows a client down after ten.
 */
export interface Caution {
  careful: boolean;
}
