/**
 * The two sides of an SMTP server connection, without sockets: what the dialog asks of the wire,
 * and what it is told by it. `duplex.ts` is the wire over any duplex stream.
 */
import type { Duplex } from 'node:stream';

export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
}

export interface Wire {
  /** Takes all of it. What the peer has not taken yet counts in `backlog`. */
  write(octets: string | Uint8Array): void;
  /** Can anything still reach the peer? */
  readonly open: boolean;
  /** Octets written and not yet taken by the peer. */
  readonly backlog: number;
  pause(): void;
  resume(): void;
  /** Server side of a TLS handshake; all later reading and writing is in TLS. Null: it failed. */
  startTls(): Promise<TlsFacts | null>;
  /**
   * Hands the stream on, under TLS if that is active, with `rest` put back before what is still to be read; all
   * that was written has left. Null: it broke. `destroy` still cuts it.
   */
  release(rest: Buffer): Promise<Duplex | null>;
  /** Sends what is written and closes; gives the peer some time to take it. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface WireEvents {
  onInput(chunk: Buffer): void;
  /** Nothing that was written waits any more. */
  onDrained(): void;
  /** The peer will send no more, or is gone. May come more than once. */
  onEnded(): void;
}
