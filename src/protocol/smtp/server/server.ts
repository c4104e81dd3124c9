/**
 * The SMTP server engine: speaks RFC 5321 with its extensions over any duplex stream and asks a
 * Session (the port to `receive`) what to answer. It knows no sites, no policy and no spool.
 *
 * Read on: `dialog.ts` (order of commands), `verbs/` (a file for each), `transfer.ts`
 * (content), `content.ts` (end of data), `grammar.ts` and `parameters.ts` (syntax).
 */
import type { Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import type { Engine, Peer } from '../../engine.ts';
import type { Authenticator } from '../../sasl.ts';
import type { Session } from '../session.ts';
import { Dialog } from './dialog.ts';
import { DuplexWire, type TlsSource } from './duplex.ts';
import { render, replies } from './replies.ts';
import type { Service } from './verbs/index.ts';

export interface ServerOptions {
  readonly hostname: string;
  /** Random, the same for all listeners of this process: told in EHLO, by it our client knows us. */
  readonly token: string;
  /** Octets of content at most; told in EHLO. */
  readonly sizeLimit: number;
  /** Recipients in one transaction; at least 100 (RFC 5321 §4.5.3.1.8). */
  readonly maxRecipients: number;
  /** Absent: STARTTLS is not offered. */
  readonly tls?: TlsSource;
  /** Which verbs, and what EHLO offers; absent: MAIL, for receiving mail. */
  readonly service?: Service;
  /** ETRN is offered. */
  readonly etrn?: boolean;
  /** Absent: AUTH is not offered. */
  readonly authenticator?: Authenticator;
  /** From these addresses XCLIENT and XFORWARD are taken. Absent: from nowhere. */
  readonly isFront?: (address: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly openSession: (peer: Peer) => Session;
}

/** `options` is asked at each connection, so that a reload reaches new ones and leaves old ones alone. */
export function createSmtpServer(options: () => ServerOptions): Engine {
  return {
    tooMany: render(replies.tooManyConnections),
    serve(stream, peer) {
      const now = options();
      const dialog = new Dialog(now, peer, (events) => new DuplexWire(stream, events, now.tls, now.clock));
      return { done: dialog.run(), stop: () => dialog.stop(), destroy: () => dialog.destroy() };
    },
  };
}
