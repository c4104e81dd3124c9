/**
 * The POP3 server engine: speaks RFC 1939 with its extensions over any duplex stream, asks an
 * Authenticator who the peer is, and Maildrops for the mail. It knows no sites and no spool.
 *
 * Read on: `dialog.ts` (the wire, order of commands), `verbs.ts` (which command in which state),
 * `authorization.ts`, `transaction.ts` (what they do), `transmit.ts` (content on its way out).
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Engine } from '../engine.ts';
import type { Authenticator } from '../sasl.ts';
import { DuplexWire, type TlsSource } from '../smtp/server/duplex.ts';
import { Dialog } from './dialog.ts';
import type { Maildrops } from './maildrop.ts';
import { error } from './replies.ts';

export interface ServerOptions {
  readonly hostname: string;
  /** Absent: STLS is not offered. */
  readonly tls?: TlsSource;
  readonly authenticator: Authenticator;
  readonly maildrops: Maildrops;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * `options` is asked at each connection, so that a reload reaches new ones and leaves old ones alone.
 * `immediate`: TLS from the first octet on (RFC 8314 §3.2, port 995).
 */
export function createPop3Server(options: () => ServerOptions, tls: 'on request' | 'immediate'): Engine {
  const immediate = tls === 'immediate';
  return {
    tooMany: immediate ? '' : error('Too many connections; try again later', 'SYS/TEMP'),
    serve(stream, peer) {
      const now = options();
      const dialog = new Dialog(now, peer, (events) => new DuplexWire(stream, events, now.tls, now.clock));
      return { done: dialog.run(immediate), stop: () => dialog.stop(), destroy: () => dialog.destroy() };
    },
  };
}
