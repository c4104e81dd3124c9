/**
 * What the POP3 engine asks of those who have the mail: its port. The engine speaks the wire and
 * knows no queue and no lease; a Maildrop is a snapshot of messages that one session has for itself.
 * RFC 1939 §4, §5, §6.
 */

/** Who has proved who he is. */
export interface Login {
  /** The name that was proved. */
  readonly name: string;
  /** The names of the sites it may act for. */
  readonly sites: readonly string[];
  /** The peer's IP address. */
  readonly address: string;
}

export interface Maildrops {
  /** A rejected promise is a fault of ours: the peer may try later. */
  open(login: Login): Promise<Opened>;
}

export type Opened =
  | Maildrop
  /** Another session, or another way to collect, has it. */
  | { readonly kind: 'busy' }
  /** There is no mailbox for this login. */
  | { readonly kind: 'none' };

/** Messages have the numbers 1 to `count`, for the whole session. */
export interface Maildrop {
  readonly kind: 'maildrop';
  readonly count: number;
  /** Aborted: the mail is taken back. Nothing more can be opened; what was fetched by then can still be removed. */
  readonly taken: AbortSignal;
  /** Days that mail is kept (RFC 2449 §6.7). */
  readonly days: number;
  /** The exact octets of the message, line ends counted as two (RFC 1939 §11). */
  size(n: number): number;
  /** Unique for ever; 1 to 70 octets of printable ASCII (RFC 1939 §7, UIDL). */
  uid(n: number): string;
  /** Null: it cannot be read, or is gone meanwhile. */
  open(n: number): Promise<Message | null>;
  /** Durable when it resolves. False: not all of them could be removed. */
  remove(numbers: readonly number[]): Promise<boolean>;
  /** Others may have it again. Called once, always. */
  release(): Promise<void>;
}

export interface Message {
  /** The octets in order. May be iterated once; a read error throws. */
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}
