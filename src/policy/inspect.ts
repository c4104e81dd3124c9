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

export interface Inspection {
  /** As it came: dot-unstuffed, lines ended by CRLF, without our Received. A promise is back-pressure. */
  write(chunk: Uint8Array): Promise<void> | void;
  /** All is there. Marks, fields and quarantine go into the mail's findings. */
  end(): Soon<Opinion>;
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
