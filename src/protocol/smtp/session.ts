/**
 * What the SMTP server engine asks: its port to `receive`. The engine speaks the wire (grammar,
 * order of commands, pipelining, TLS, deadlines, end of data) and knows no policy; a Session
 * answers each question with the Reply to send; after a 421 the connection is closed. One Session
 * a connection.
 */

import type { Duplex } from 'node:stream';
import type { Soon } from '../../base/soon.ts';
import type { Recipient } from '../../mail/envelope.ts';
import type { Reply } from '../../mail/reply.ts';

/** Who brings mail that comes by no connection: a neighbour by UUCP or NNCP, and the site that it is. */
export interface Courier {
  readonly protocol: 'UUCP' | 'NNCP';
  readonly site: string;
}

/** Postfix's XFORWARD: where a mail came from before it came to a front of ours, as far as it is known there. */
export type Forwarded = Readonly<
  Partial<Record<'name' | 'addr' | 'port' | 'proto' | 'helo' | 'ident' | 'source', string>>
>;

/** How the peer talks at the moment: changes with EHLO, AUTH and STARTTLS. */
export interface Manner {
  /** The argument of EHLO or HELO; '' before. */
  readonly helo: string;
  readonly esmtp: boolean;
  readonly tls?: { readonly version: string; readonly cipher: string };
  /** Who proved by AUTH to be who, and the names of the sites it may act for (RFC 4954). */
  readonly authenticated?: { readonly login: string; readonly sites: readonly string[] };
  readonly courier?: Courier;
  /** What a front of ours said of the mail that comes next (XFORWARD): told, never proved. */
  readonly forwarded?: Forwarded;
}

export interface MailCommand {
  /** '' is the null reverse-path. */
  readonly sender: string;
  /** SIZE=, RFC 1870; octets. */
  readonly size?: number;
  readonly body: '7bit' | '8bitmime';
  readonly smtputf8: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  /** AUTH=, RFC 4954 §5; accepted and not trusted. */
  readonly auth?: string;
}

export interface RcptCommand extends Recipient {
  /** `RCPT TO:<postmaster>`: address is then `postmaster` without a domain (RFC 5321 §4.5.1). */
  readonly bare: boolean;
  /** A source route stood before the address and was dropped (RFC 5321 §3.6.1, App. C). */
  readonly sourceRoute: boolean;
}

/** Takes the content of one mail: dot-unstuffed, lines ended by CRLF, exactly as sent. */
export interface ContentSink {
  /** Back-pressure: the engine reads no more from the peer before it resolves. */
  write(chunk: Uint8Array): Promise<void> | void;
  /** All is there. The reply to the end of data; the transaction is over. */
  end(): Soon<Reply>;
  /** Content was refused by the engine or the connection broke: nothing of it may stay. Idempotent. */
  abort(): void;
}

/** The roles turn: the peer is the server from now on. */
export interface Turn {
  /** 250, and the last thing that the engine says. */
  readonly reply: Reply;
  /**
   * Gets the connection when that was said, with what was left in the engine's input put back; null if it broke
   * before. Resolves when it is used no more. Never rejects.
   */
  take(stream: Duplex | null): Promise<void>;
}

export interface Session {
  /** Null: greet. A 4yz or 5yz reply is said instead and the connection closed. */
  connect(): Soon<Reply | null>;
  /** The peer sent something before it was greeted. May be called while `connect` is being answered, several times. */
  early?(): void;
  /** EHLO/HELO. Null: accept, with the engine's own text. */
  hello(manner: Manner): Soon<Reply | null>;
  mail(command: MailCommand, manner: Manner): Soon<Reply>;
  rcpt(command: RcptCommand): Soon<Reply>;
  /** DATA, or the first BDAT, after at least one accepted recipient. */
  content(): Soon<ContentSink | Reply>;
  /** ETRN with its argument, which is a word (RFC 1985). Absent: not here. */
  etrn?(argument: string, manner: Manner): Promise<Reply>;
  /** ATRN, authenticated, with its domains; none: all of the login's (RFC 2645). Absent: not here. */
  atrn?(domains: readonly string[], manner: Manner): Promise<Reply | Turn>;
  /** The transaction ended otherwise than by `ContentSink.end`: RSET, EHLO, STARTTLS, content that the engine refused. */
  reset(): void;
  /** The connection is gone. Called once, always. */
  closed(): void;
}
