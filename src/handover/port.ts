/**
 * The handover port: one way to give entries to a site. A handover never sees the spool; it
 * gets parcels and returns outcomes. It tells the site's trouble from a mail's own, because
 * only it knows the protocol; what follows from that is the keeper's business.
 */
import type { Envelope, Origin } from '../mail/envelope.ts';
import type { Outcome } from '../mail/outcome.ts';
import type { Reply } from '../mail/reply.ts';

/** The octets of one mail. */
export interface ParcelContent {
  readonly size: number;
  /** All of it, when at hand. */
  readonly pieces?: readonly Uint8Array[];
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** One entry on its way. `envelope.recipients` are only those that are still pending. */
export interface Parcel {
  readonly id: string;
  readonly envelope: Envelope;
  readonly origin: Origin;
  readonly size: number;
  /**
   * Called when the content is wanted, not before; a second time, when some recipients need a transaction
   * of their own. Null: it cannot be read; the mail is put off.
   */
  open(): Promise<ParcelContent | null>;
}

/** The site's trouble: no mail is failed by it, none has its own clock moved. */
export interface Trouble {
  readonly kind: 'trouble';
  readonly cause:
    | 'dns' // no exchanger could be found
    | 'ourselves' // no exchanger is preferred to us
    | 'connect' // refused, unreachable, timed out
    | 'greeting'
    | 'ehlo'
    | 'tls'
    | 'expect' // not the host that was expected
    | 'refused' // MAIL refused for reasons not of this sender; relaying denied; our address listed
    | 'loop' // the host is us, or the mail came back
    | 'lost' // the connection broke
    | 'busy'; // 421, or 4yz to greeting, EHLO, MAIL: wants fewer connections
  /** For people: what happened, with host and the words of the peer. */
  readonly text: string;
  readonly host?: string;
  readonly reply?: Reply;
  /** Only for a foreign domain, which may say for good that it takes no mail (it does not exist, null MX): fails the mail. */
  readonly permanent?: Reply;
  /** The line was closed by the peer while nothing was asked of it: says nothing about the site. Open another. */
  readonly idle?: true;
}

export interface Answered {
  readonly kind: 'answered';
  /** Parallel to the parcel's envelope.recipients. */
  readonly outcomes: readonly Outcome[];
  /** Milliseconds from the end of data to its reply (or to the last reply, if there was no data). */
  readonly latency: number;
  /** Octets that left for it, where what left is compressed; those of a batch stand with its first mail. */
  readonly sent?: number;
}

/**
 * A parcel that met trouble half-way: `outcomes` tells what is certain nevertheless (null: not
 * known, try again). After it the line is dead.
 */
export interface Broken {
  readonly kind: 'broken';
  readonly trouble: Trouble;
  readonly outcomes: readonly (Outcome | null)[];
  /** True once any RCPT of this parcel got 2yz or 4yz: the site is reachable (§5). */
  readonly alive: boolean;
}

export type Given = Answered | Broken;

/** One open connection. */
export interface Line {
  readonly kind: 'line';
  /** For people: name and address. */
  readonly host: string;
  /** Is it the site's best exchanger? A fellow secondary is not, and does not make the site up. */
  readonly best: boolean;
  /** Most parcels that may be given before the first is answered (pipelining). */
  readonly depth: number;
  /** In order. Never rejects. */
  give(parcel: Parcel): Promise<Given>;
  /** Says QUIT when all given parcels are answered. Never rejects. */
  close(): Promise<void>;
  /**
   * Ends it as soon as nothing is in doubt. What was not sent to its end comes back broken at once; what was, the
   * site may have taken, so its answer is waited for (and what was given behind it comes back no earlier). True:
   * there is such a wait.
   */
  hangUp(): boolean;
  /** Cuts it at once. */
  destroy(): void;
}

/** One way to collect, for one queue. */
export interface Handover {
  /** Opens one connection: name look-up, connect, greeting, EHLO, TLS. Never rejects. */
  connect(signal: AbortSignal): Promise<Line | Trouble>;
  /** The site had called, and all that came of it has ended; no other call waits for that end. */
  callOver?(): void;
}
