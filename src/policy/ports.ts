/**
 * What policy asks of others: narrow, so that a test can answer with a literal.
 */
import type { Site } from '../site/site.ts';
import type { QueueName, SpoolHealth } from '../spool/port.ts';

/** What a primary said in its last EHLO; absent members are unknown. */
export interface Capabilities {
  /** Its SIZE limit, RFC 1870. 0 and absent: none known. */
  readonly size?: number;
  /** False only if it is known not to offer SMTPUTF8. */
  readonly smtpUtf8?: boolean;
}

/** What `primary/` has learned. Asked on the way of each mail: answers from memory, at once. */
export interface PrimaryKnowledge {
  capabilities(site: string): Capabilities | undefined;
  /** Names of the sites whose primary is known to be at this IP address. */
  sitesAt(address: string): readonly string[];
}

/** How a site's primary stands at the moment, as its keeper sees it. */
export interface Standing {
  /** It takes mail: `up` or `draining`. False also for sites that are not pushed to. */
  readonly up: boolean;
  /** Its refusals are not believed at the moment. */
  readonly wary: boolean;
}

/** Asked on the way of each mail: answers from memory, at once. */
export interface Standings {
  /** Undefined: nothing is known of it yet. */
  standing(site: string): Standing | undefined;
}

/** Whether a primary was met alive of late. */
export interface Pulses {
  /** When its best host greeted us last (by the monotonic clock), and its name. Answers at once. */
  seen(site: string): { readonly at: number; readonly host: string } | undefined;
  /** Asks it now: a connection and no mail. All who ask meanwhile share one answer. Never rejects. */
  ask(site: Site): Promise<boolean>;
}

/** What the roster knows for certain. Asked while a peer waits: answers from memory, at once. */
export interface KnownGood {
  isKnownGood(site: Site, address: string): boolean;
}

/** The part of the spool that checks of room look at. */
export interface RoomView {
  health(): SpoolHealth;
  /** Octets that this queue may still take; absent in a store that has no shares. */
  room?(queue: QueueName): number;
}

/** What of the configuration policy looks at. A value; a reload replaces it. */
export interface Settings {
  readonly hostname: string;
  /** Canonical names that are us: the host name and `also.names`. */
  readonly names: readonly string[];
  /** IP addresses that are us besides those we listen on (`also.addresses`). */
  readonly addresses: readonly string[];
  /** Where mail for the postmaster goes; without it, into the operator's queue. */
  readonly postmaster?: string;
  /** Octets; the largest mail taken where the primary's own limit is not known. */
  readonly sizeLimit: number;
}

/** RFC 1870 §4 asks for no limit at all; this one keeps a single mail from filling the spool. */
export const DEFAULT_SIZE_LIMIT = 150 * 1024 * 1024;
