/**
 * The envelope: what RFC 5321 §2.3.1 calls the mail object's envelope, with the parameters
 * of MAIL and RCPT that have to travel with it. Addresses are text as it came over the wire,
 * without the angle brackets and any source route; case and quoting are kept (BATV, VERP).
 */

/** RFC 3461 §4.1. Absent NOTIFY is not the same as any of its values. */
export type NotifyKeyword = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

export interface Recipient {
  /** `local@domain`, as sent. */
  readonly address: string;
  /** NOTIFY=, RFC 3461 §4.1. */
  readonly notify?: readonly NotifyKeyword[];
  /** ORCPT=, RFC 3461 §4.2, as sent (`rfc822;xtext`). */
  readonly orcpt?: string;
}

export interface Envelope {
  /** The reverse-path; '' is the null one. */
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  /** BODY=, RFC 6152. */
  readonly body: '7bit' | '8bitmime';
  /** Needs a SMTPUTF8 transaction: a non-ASCII address, or a non-ASCII header in mail so declared (RFC 6531). */
  readonly smtputf8: boolean;
  /** RET=, RFC 3461 §4.3. */
  readonly ret?: 'FULL' | 'HDRS';
  /** ENVID=, RFC 3461 §4.4, as sent (xtext). */
  readonly envid?: string;
}

/** How much an envelope takes, where it matters before the envelope is read. */
export interface Extent {
  readonly recipients: number;
  /** Octets (UTF-8) of the sender and of these recipients. */
  readonly octets: number;
  /** Of each recipient, where there are 2 to MOST_EACH, none longer than LONGEST_EACH. */
  readonly each?: readonly number[];
}

/** Of more recipients only the sum is told. */
export const MOST_EACH = 14;
export const LONGEST_EACH = 255;

export function extentOf(sender: string, recipients: readonly Recipient[]): Extent {
  let octets = Buffer.byteLength(sender);
  let longest = 0;
  const each: number[] = [];
  for (const { address } of recipients) {
    const length = Buffer.byteLength(address);
    octets += length;
    longest = Math.max(longest, length);
    if (each.length < MOST_EACH) each.push(length);
  }
  const isTold = each.length > 1 && each.length === recipients.length && longest <= LONGEST_EACH;
  return { recipients: recipients.length, octets, ...(isTold && { each }) };
}

/** Results as RFC 8601 §2.7 names them: `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`, `policy`; `skipped` is ours. */
export type AuthenticationResult = string;

/** What was found when a mail came in, as far as it was looked at. */
export interface MailAuthentication {
  /** RFC 7208. `domain`: whose policy was asked: of the sender, or of EHLO for the null sender. */
  readonly spf?: { readonly result: AuthenticationResult; readonly domain: string };
  /** RFC 6376: the domains (d=) of good signatures. */
  readonly dkim?: { readonly result: AuthenticationResult; readonly domains: readonly string[] };
  /** RFC 9989. `domain`: of the From field. `author`: its address, if there is only one. */
  readonly dmarc?: {
    readonly result: AuthenticationResult;
    readonly domain: string;
    readonly author?: string;
    readonly policy?: string;
  };
  /** RFC 8617. */
  readonly arc?: { readonly result: AuthenticationResult };
}

/** For people: "spf=pass elsewhere.example, dkim=none". */
export function describeAuthentication(found: MailAuthentication): string {
  const about = ([method, one]: [string, { result: string; domain?: string; domains?: readonly string[] }]) =>
    [`${method}=${one.result}`, one.domain ?? one.domains?.join(' ') ?? ''].join(' ').trim();
  return Object.entries(found).map(about).join(', ');
}

/** Where a mail came from, kept with it for trace, notices and policy. */
export type Origin =
  | {
      readonly kind: 'received';
      /** The peer's IP address; of a courier, its name. */
      readonly peer: string;
      /** What it said in EHLO or HELO. */
      readonly helo: string;
      /** The `with` of our Received field (RFC 3848, 6531): SMTP, ESMTP, ESMTPS, UTF8SMTPS …; UUCP, NNCP for couriers. */
      readonly protocol: string;
      /** Who authenticated, if anybody. */
      readonly authenticated?: string;
      /** The site by whose send rule it came in: the return path is its own. */
      readonly sends?: string;
      /** What a front of ours said of where the mail came from (XFORWARD). */
      readonly forwarded?: Readonly<Record<string, string>>;
      /** The client's verified name, if that was looked up. */
      readonly name?: string;
      readonly authentication?: MailAuthentication;
      /** What was peculiar and was let pass. */
      readonly marks?: readonly string[];
    }
  | {
      readonly kind: 'notice';
      /** The entry that the notice speaks of. */
      readonly about: string;
    };
