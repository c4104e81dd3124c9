/**
 * The call over HTTPS, as an engine for a listener: TLS with the server's certificates; without TLS only where the
 * connection came to a loopback address (a proxy beside us, a test). HTTP itself is node's.
 *
 * Promises: bounded header and body, a deadline for each request; nothing but `POST /call/SITE` is answered with more
 * than a status.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Conversation, Engine, Peer } from '../../protocol/engine.ts';
import type { TlsSource } from '../../protocol/smtp/server/duplex.ts';
import { answerCall, type CallDesk } from './desk.ts';

/** For the TLS handshake, and for a whole request. */
const DEADLINE = 20 * SECOND;
const BODY_LIMIT = 4096;
/** RFC 8446 §5.1: the first octet of a handshake record. */
const HANDSHAKE = 0x16;

export interface CallEngineOptions {
  readonly desk: CallDesk;
  readonly tls: TlsSource;
  readonly clock: Clock;
  readonly log: Log;
}

export function createCallServer({ desk, tls, clock, log }: CallEngineOptions): Engine {
  const peers = new WeakMap<Duplex, Peer>();
  const http = createServer(
    { requestTimeout: DEADLINE, headersTimeout: DEADLINE, keepAliveTimeout: SECOND, maxHeaderSize: 8192 },
    (request, response) => {
      const peer = peers.get(request.socket);
      if (!peer) return void request.socket.destroy();
      void answer(desk, peer, request, response).catch((fault: unknown) => {
        log.error('call broke', { peer: peer.address, why: String(fault) });
        response.destroy();
      });
    },
  );
  const hand = (stream: Duplex, peer: Peer): void => {
    peers.set(stream, peer);
    http.emit('connection', stream);
  };
  return {
    tooMany: '',
    serve(stream, peer): Conversation {
      const done = new Promise<void>((resolve) => stream.once('close', () => resolve()));
      const late = clock.after(DEADLINE, () => stream.destroy());
      stream.once('close', () => late.cancel());
      stream.once('data', (first: Buffer) => {
        stream.pause();
        stream.unshift(first);
        if (first[0] === HANDSHAKE) secure(stream, tls, (secured) => hand(secured, peer), late.cancel);
        else if (isLoopback(peer.localAddress)) {
          late.cancel();
          hand(stream, peer);
          stream.resume();
        } else stream.destroy();
      });
      return { done, stop: () => stream.destroy(), destroy: () => stream.destroy() };
    },
  };
}

function secure(stream: Duplex, tls: TlsSource, ready: (secured: TLSSocket) => void, done: () => void): void {
  const secured = new TLSSocket(stream as Socket, {
    isServer: true,
    secureContext: tls.context(),
    SNICallback: (name, reply) => reply(null, tls.context(name)),
  });
  secured.on('error', () => stream.destroy());
  secured.once('close', () => stream.destroy());
  secured.once('secure', () => {
    done();
    ready(secured);
  });
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

async function answer(
  desk: CallDesk,
  peer: Peer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyOf(request);
  const { method = '', url = '', headers } = request;
  const said = answerCall(desk, peer.address, {
    method,
    path: url,
    authorization: headers.authorization,
    body,
  });
  const text = said.body === undefined ? '' : `${JSON.stringify(said.body)}\n`;
  response.writeHead(said.status, {
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
    ...(text === '' ? {} : { 'Content-Type': 'application/json' }),
    // RFC 9110 §11.6.1
    ...(said.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
  });
  response.end(text);
}

/** Null: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
