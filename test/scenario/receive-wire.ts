/**
 * The SMTP server engine before a house, on a loopback socket, and a client that says lines and
 * reads the status of their replies. Who the peer is, the test says, not the socket.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { SystemClock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import { createSmtpServer } from '../../src/protocol/smtp/server/server.ts';
import { HOSTNAME, type House, peerAt, STRANGER } from './receive-harness.ts';

export class Port {
  readonly #server: Server;
  /** The address that the next connection comes from. */
  #next = STRANGER;

  constructor(house: House) {
    const engine = createSmtpServer(() => ({
      hostname: HOSTNAME,
      token: 'token',
      sizeLimit: house.settings.sizeLimit,
      maxRecipients: 1000,
      clock: new SystemClock(),
      log: silent,
      openSession: house.receiver,
    }));
    this.#server = createServer({ allowHalfOpen: true }, (socket) =>
      engine.serve(socket, peerAt(this.#next)),
    );
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server.close();
  }

  /** A connection after EHLO. */
  async call(address: string = STRANGER): Promise<Caller> {
    this.#next = address;
    const bound = this.#server.address();
    assert.ok(bound && typeof bound === 'object');
    const caller = new Caller(connect({ host: '127.0.0.1', port: bound.port, noDelay: true }));
    assert.equal(await caller.reply(), '220');
    assert.equal(await caller.say('EHLO client.example'), '250');
    return caller;
  }
}

export class Caller {
  readonly #socket: Socket;
  readonly #input: AsyncIterator<Buffer>;
  #text = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#input = socket[Symbol.asyncIterator]();
  }

  /** The status of the reply to a line: "550 5.7.1". */
  say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`, 'utf8');
    return this.reply();
  }

  async reply(): Promise<string> {
    for (;;) {
      const [, last] = /(?:^|\n)(\d{3}(?: .*)?)\r\n/.exec(this.#text) ?? [];
      if (last !== undefined) {
        this.#text = this.#text.slice(this.#text.indexOf(`${last}\r\n`) + last.length + 2);
        return /^\d{3}(?: \d\.\d{1,3}\.\d{1,3}(?= |$))?/.exec(last)?.[0] ?? last;
      }
      const next = await this.#input.next();
      if (next.done) return 'closed';
      this.#text += next.value.toString();
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
