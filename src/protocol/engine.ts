/**
 * What a protocol engine is to those that listen for it: it serves connections, one dialog on each.
 * SMTP and POP3 are engines; a listener knows no more of them than this.
 */
import type { Duplex } from 'node:stream';

export interface Peer {
  /** IP address in canonical text form; IPv4-mapped ones as IPv4. */
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Who told us so, if it is not the connection itself: a front of ours, by this protocol, from this address. */
  readonly via?: { readonly by: 'PROXY' | 'XCLIENT'; readonly address: string };
}

/** One connection that is being served. */
export interface Conversation {
  /** Resolves when the dialog is over and the session closed; never rejects. */
  readonly done: Promise<void>;
  /** Ends in order: idle ones are told at once, what is under way is finished first. */
  stop(): void;
  /** Cuts it off. */
  destroy(): void;
}

export interface Engine {
  /** For a connection that is one too many, before it is closed; '' where no text can be read (TLS from the first octet). */
  readonly tooMany: string;
  serve(stream: Duplex, peer: Peer): Conversation;
}
