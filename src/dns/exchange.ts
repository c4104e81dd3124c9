/**
 * One question to one server, once: by UDP, and by TCP when the answer did not fit.
 * Every exchange has its own socket, so its own port chosen by the kernel, and its own id; the
 * socket is connected, so only the server asked can be heard (RFC 5452 §9.1). Always ends within
 * its time; never rejects.
 *
 * RFC 1035 §4.2, 7766.
 */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { decodeResponse, encodeQuestion, type Question, type Response } from './wire.ts';

export interface Server {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

export type Heard = Response | { readonly kind: 'silent'; readonly why: string };

export interface Asking {
  readonly server: Server;
  readonly question: Question;
  readonly id: number;
  readonly edns: boolean;
  readonly clock: Clock;
  /** Milliseconds for each of UDP and TCP. */
  readonly timeout: number;
}

export async function exchange(asking: Asking): Promise<Heard> {
  const heard = await byUdp(asking);
  return heard.kind === 'truncated' ? byTcp(asking) : heard;
}

function byUdp({ server, question, id, edns, clock, timeout }: Asking): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    let over = false;
    const finish = (heard: Heard) => {
      if (over) return;
      over = true;
      timer.cancel();
      socket.close();
      resolve(heard);
    };
    const timer = clock.after(timeout, () => finish({ kind: 'silent', why: 'timeout' }));
    socket.on('error', (e) => finish({ kind: 'silent', why: e.message }));
    socket.on('message', (octets) => {
      const response = decodeResponse(octets, question, id);
      if (response) finish(response);
    });
    socket.on('connect', () => {
      if (!over) socket.send(encodeQuestion(question, id, edns));
    });
    socket.connect(server.port, server.host);
  });
}

function byTcp({ server, question, id, edns, clock, timeout }: Asking): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = connect(server.port, server.host);
    let got = Buffer.alloc(0);
    let over = false;
    const finish = (heard: Heard) => {
      if (over) return;
      over = true;
      timer.cancel();
      socket.destroy();
      resolve(heard);
    };
    const timer = clock.after(timeout, () => finish({ kind: 'silent', why: 'timeout by TCP' }));
    socket.on('error', (e) => finish({ kind: 'silent', why: e.message }));
    socket.on('close', () => finish({ kind: 'silent', why: 'TCP connection closed' }));
    socket.on('connect', () => {
      const message = encodeQuestion(question, id, edns);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    });
    socket.on('data', (chunk) => {
      // Bounded: the length field holds at most 65535, and what is beyond it is not waited for.
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const response = decodeResponse(got.subarray(2, 2 + got.readUInt16BE(0)), question, id);
      finish(response ?? { kind: 'silent', why: 'not an answer' });
    });
  });
}
