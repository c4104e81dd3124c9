/**
 * What the gate finds out about one mail: written by checks as they learn it, kept with the entry and in the
 * log. A new one for each transaction.
 */
import type { MailAuthentication } from '../mail/envelope.ts';

export class Findings {
  /** Short words for what was peculiar and was let pass: `unknown recipient`, `list.example 2`. */
  readonly marks: string[] = [];
  /**
   * Header fields to stand right below our Received, each complete: folded, ending in CRLF. In the order in which
   * they are to appear.
   */
  readonly fields: string[] = [];
  /** The client's name, if its address and its name point to each other (RFC 8601 §3, iprev). */
  clientName?: string;
  /** The allow list that the client stands on. */
  allowedBy?: string;
  /** SPF, DKIM, DMARC, ARC as far as they were looked at. */
  authentication?: MailAuthentication;
  /** There while SPF is being asked: resolves, within its deadline, when `authentication.spf` is known. */
  spf?: Promise<void>;
  /** Set: the mail is taken and held, with this reason, until an operator decides. */
  quarantine?: string;

  /**
   * Recipients (as they were accepted) that get it not, each with who said so. With none left the mail is dropped: our
   * 250 was said by the operator's rule.
   */
  readonly removed = new Map<string, string>();

  mark(word: string): void {
    if (!this.marks.includes(word)) this.marks.push(word);
  }
}
