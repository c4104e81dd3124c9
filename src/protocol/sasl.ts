/**
 * Authentication as the protocol engines (SMTP, ODMR, POP3) ask for it: the port that `auth/` answers.
 * The engines carry challenges and responses in base64 as their protocol wants it; what a mechanism
 * means, who may use it on this channel, and who is locked out is not their business.
 *
 * RFC 4422 §3 (the exchange), 4954 (SMTP), 5034 (POP3).
 */

/** What the answer may depend on. */
export interface Channel {
  /** The peer's IP address. */
  readonly address: string;
  /** Is the connection encrypted? */
  readonly tls: boolean;
}

export type SaslStep =
  /** To be sent to the client; its answer goes into the next `step`. */
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  /** `login`: the name that was proved, as configured; `sites`: the names of the sites it may act for. */
  | { readonly kind: 'accepted'; readonly login: string; readonly sites: readonly string[] }
  /** Said slowly, on purpose. `locked`: too many failures, 4yz; `malformed`: 501; `wrong`: 535. */
  | { readonly kind: 'refused'; readonly why: 'wrong' | 'locked' | 'malformed' };

/** One attempt. */
export interface Exchange {
  /** `response`: null if the client sent no initial response. Never rejects. */
  step(response: Uint8Array | null): Promise<SaslStep>;
}

export interface Authenticator {
  /** What may be offered on this channel; empty: AUTH is not offered. */
  mechanisms(channel: Channel): readonly string[];
  /** Null: no such mechanism on this channel. */
  begin(mechanism: string, channel: Channel): Exchange | null;
  /** A name and a password, as POP3's USER and PASS give them. Null: not on this channel. */
  password(name: string, password: string, channel: Channel): Promise<SaslStep> | null;
}
