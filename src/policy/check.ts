/**
 * What a check of the gate is: one file or folder here, one place in the order of the gate (`gate.ts`).
 * A check looks at a whole connection, step by step; the first refusal counts and later checks are not
 * asked. It may begin slow work early (in `begin`, say) and wait for it where it needs the answer.
 *
 * A check never throws, never waits without a deadline, and answers 4yz where it is in doubt or where
 * something of ours is broken.
 */
import type { Soon } from '../base/soon.ts';
import type { HeaderScan } from '../mail/header.ts';
import type { Peer } from '../protocol/engine.ts';
import type { MailCommand, Manner } from '../protocol/smtp/session.ts';
import type { Site } from '../site/site.ts';
import type { Findings } from './findings.ts';
import type { Refusal, Verdict } from './verdict.ts';

export interface Check {
  readonly name: string;
  /** A connection begins. Undefined: this check has nothing to do with this client. */
  begin(visit: Visit): Watch | undefined;
}

/** One connection. Its peer is a client with an IP address, never a courier. */
export interface Visit {
  readonly peer: Peer;
  /** One of `peers:`: a fellow secondary or a front MTA of ours. */
  readonly trusted: boolean;
}

/** One mail, from MAIL on. */
export interface Asking {
  readonly mail: MailCommand;
  readonly manner: Manner;
  /** The site that sends it by its send rule; undefined for a stranger's mail. */
  readonly sending?: Site;
  /** What is found out about it; kept with the mail. */
  readonly findings: Findings;
}

/** A recipient that belongs to us. */
export interface AskedRecipient {
  readonly address: string;
  /** Absent for the operator's own mail and for foreign domains of a site that sends. */
  readonly site?: Site;
  /** A postmaster: has to stay within reach of those that the lists deny (RFC 5321 §4.5.1). */
  readonly postmaster: boolean;
}

/** The content is all there. */
export interface Complete extends Asking {
  readonly recipients: readonly AskedRecipient[];
  readonly scan: HeaderScan;
  /** Octets. */
  readonly size: number;
}

/** What a check does at the steps of one connection; steps that it has nothing to say at are absent. */
export interface Watch {
  connect?(): Soon<Verdict>;
  /** The client sent something before it was greeted; may be told several times, while `connect` is being answered. */
  early?(): void;
  /** EHLO or HELO; may come several times. */
  hello?(manner: Manner): Soon<Verdict>;
  mail?(asking: Asking): Soon<Verdict>;
  /** After the door (`relay.ts`), before the roster. */
  rcpt?(asking: Asking, recipient: AskedRecipient): Soon<Verdict>;
  /** After everything else has accepted it, the roster too: the last word on it. */
  taken?(asking: Asking, recipient: AskedRecipient): Soon<Verdict>;
  arrived?(mail: Complete): Soon<Verdict>;
  /** Something was refused, by whichever check. */
  refused?(refusal: Refusal): void;
  /** Mail was taken: 250 was said. */
  accepted?(mail: Complete): void;
  /** The connection is gone. */
  closed?(): void;
}
