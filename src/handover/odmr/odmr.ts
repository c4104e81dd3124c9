/**
 * The way `odmr`: a Line over the connection on which the site called, once the roles have turned. The site is the
 * SMTP server on it now; TLS stays as it is, and nothing new is opened.
 *
 * RFC 2645 §5.3.
 */
import type { Duplex } from 'node:stream';
import { open, RFC_DEADLINES } from '../../protocol/smtp/client/open.ts';
import type { Line, Trouble } from '../port.ts';
import { type LineMeans, lineOf } from '../push/push.ts';

export interface TurnedOptions extends LineMeans {
  /** Our name in EHLO. */
  readonly hostname: string;
  /** The site's address. */
  readonly address: string;
  /** Null: it broke before the roles turned. */
  readonly stream: Promise<Duplex | null>;
}

export async function turnedLine(options: TurnedOptions, signal: AbortSignal): Promise<Line | Trouble> {
  const { hostname, address, clock, deadlines = RFC_DEADLINES } = options;
  const socket = await options.stream;
  const host = `[${address}]`;
  if (!socket) return { kind: 'trouble', cause: 'lost', text: `${host}: it hung up at the turn`, host };
  const tls = { kind: 'none' } as const;
  const opening = open({ socket, clock, hostname, host: address, tls, deadlines, signal });
  // It was stopped for the turn, and is listened to from here on.
  socket.resume();
  const opened = await opening;
  if (opened.kind === 'opened') {
    const exchanger = { host: address, port: 25, preference: 0, best: true, addresses: [address] };
    return lineOf({ kind: 'reached', opened, exchanger, address }, options);
  }
  const cause = opened.at === 'auth' ? 'refused' : opened.at;
  const text = `${host}: ${opened.at === 'ehlo' ? 'EHLO' : opened.at}: ${opened.text}`;
  return { kind: 'trouble', cause, text, host, ...(opened.reply && { reply: opened.reply }) };
}
