/**
 * The wire over a duplex stream: a socket, a pair in memory, TLS on top of either.
 *
 * Promises: a failed stream is an end, never an exception; a TLS handshake has a deadline; after
 * `end` the peer has LINGER to take the last replies, and what it still sends is thrown away, so
 * that closing does not become a reset that destroys them.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { type Clock, SECOND } from '../../../base/clock.ts';
import type { TlsFacts, Wire, WireEvents } from './wire.ts';

/** Certificates by the name a client asks for (SNI); without a name, the first. */
export interface TlsSource {
  context(name?: string): SecureContext;
}

const HANDSHAKE_DEADLINE = 60 * SECOND;
const LINGER = 10 * SECOND;

export class DuplexWire implements Wire {
  #stream: Duplex;
  readonly #events: WireEvents;
  readonly #tls: TlsSource | undefined;
  readonly #clock: Clock;
  #closing = false;

  constructor(stream: Duplex, events: WireEvents, tls: TlsSource | undefined, clock: Clock) {
    this.#stream = stream;
    this.#events = events;
    this.#tls = tls;
    this.#clock = clock;
    this.#listen(stream);
  }

  get open(): boolean {
    return this.#stream.writable;
  }

  get backlog(): number {
    return this.#stream.writableLength;
  }

  write(octets: string | Uint8Array): void {
    if (!this.#stream.writable) return;
    if (typeof octets === 'string') this.#stream.write(octets, 'latin1');
    else this.#stream.write(octets);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  async startTls(): Promise<TlsFacts | null> {
    const plain = this.#stream;
    const source = this.#tls;
    if (!source) return null;
    plain.removeListener('data', this.#onData);
    plain.removeListener('end', this.#onEnded);
    // TLS takes over below the stream: our 220 must have left, and nothing be read meanwhile.
    if (plain.writableLength > 0) {
      plain.pause();
      await new Promise<void>((sent) => plain.write('', () => sent()));
      plain.resume();
    }
    if (plain.destroyed) return null;
    const secure = new TLSSocket(plain as Socket, {
      isServer: true,
      secureContext: source.context(),
      SNICallback: (name, done) => done(null, source.context(name)),
    });
    this.#stream = secure;
    return this.#handshake(secure, plain);
  }

  #handshake(secure: TLSSocket, plain: Duplex): Promise<TlsFacts | null> {
    return new Promise((resolve) => {
      const late = this.#clock.after(HANDSHAKE_DEADLINE, () => secure.destroy());
      const done = (facts: TlsFacts | null) => {
        late.cancel();
        resolve(facts);
      };
      secure.once('secure', () => {
        this.#listen(secure);
        done({ version: secure.getProtocol() ?? '', cipher: secure.getCipher().standardName });
      });
      secure.on('error', () => {});
      secure.once('close', () => {
        plain.destroy();
        this.#events.onEnded();
        done(null);
      });
    });
  }

  async release(rest: Buffer): Promise<Duplex | null> {
    const stream = this.#stream;
    this.#closing = true;
    stream.pause();
    for (const [event, listener] of [
      ['data', this.#onData],
      ['drain', this.#onDrained],
      ['end', this.#onEnded],
      ['close', this.#onEnded],
    ] as const) {
      stream.removeListener(event, listener);
    }
    if (stream.writable) await new Promise<void>((sent) => stream.write('', () => sent()));
    if (stream.destroyed || stream.readableEnded) return null;
    if (rest.length > 0) stream.unshift(rest);
    return stream;
  }

  end(): void {
    if (this.#closing) return;
    this.#closing = true;
    const stream = this.#stream;
    if (stream.destroyed) return;
    const late = this.#clock.after(LINGER, () => stream.destroy());
    stream.once('close', () => late.cancel());
    stream.end();
    stream.resume();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #listen(stream: Duplex): void {
    stream.on('data', this.#onData);
    stream.on('drain', this.#onDrained);
    stream.on('end', this.#onEnded);
    stream.on('close', this.#onEnded);
    stream.on('error', () => {});
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#closing) this.#events.onInput(chunk);
  };
  readonly #onDrained = (): void => this.#events.onDrained();
  readonly #onEnded = (): void => this.#events.onEnded();
}
