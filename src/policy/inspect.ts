/**
 * The port to those who look at content: DKIM and its kin, milters. The content flows past them as it comes; at
 * its end they say what they think and what is to be changed.
 *
 * An inspection never throws, has a deadline of its own for each answer, and bounds what it keeps.
 */
import type { Soon } from '../base/soon.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import type { AskedRecipient, Asking, Visit } from './check.ts';
import type { Refusal } from './verdict.ts';

export interface Inspector {
  readonly name: string;
  /** Before the first octet. Undefined: it does not look at this mail. */
  begin(mail: Inspected): Inspection | undefined;
}

export interface Inspected extends Asking {
  readonly visit: Visit;
  /** The id that our 250 and our Received name. */
  readonly id: string;
  readonly recipients: readonly AskedRecipient[];
}

/** The mail when all of it is there, with what those who were asked before have changed. Without our Received. */
export interface Whole {
  /** With its empty line, if it has one. Null: it is too long to be at hand, and is where the body begins. */
  readonly header: Buffer | null;
  /** What is behind the header; as often as it is asked for, until `end` resolves. A read error throws. */
  body(): AsyncIterable<Uint8Array>;
}

export interface Inspection {
  /**
   * As it came: dot-unstuffed, lines ended by CRLF, without our Received. A promise is back-pressure. Absent: it looks
   * at the whole.
   */
  write?(chunk: Uint8Array): Promise<void> | void;
  /**
   * All is there. Marks, fields, quarantine and removed recipients go into the mail's findings. They are asked one
   * after the other; after a refusal nobody is asked.
   */
  end(whole: Whole): Soon<Opinion>;
  /** Others have changed the mail since `end`; this is what will be written. */
  rewritten?(whole: Whole): Soon<void>;
  /** After `end` of all: what they said has been done, or will not be. */
  over?(): void;
  /** The mail came to nothing. Idempotent. */
  abort(): void;
}

export type Opinion = Refusal | Changes;

/** It may pass, with these changes. */
export interface Changes {
  readonly kind: 'accept';
  /** To the mail's own header, in this order. */
  readonly edits?: readonly HeaderEdit[];
  /** Instead of the body that came; begins behind the header's empty line. */
  readonly body?: readonly Uint8Array[];
}
