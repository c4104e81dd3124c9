/** A line on loopback that can fall silent: it passes TCP on to a port, and after so many octets of the answer no more. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { until } from '../lab.ts';

export class Hurdle {
  readonly port: number;
  /** Octets of answers that came through. */
  passed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #left = Number.POSITIVE_INFINITY;
  #fallen: () => void = () => {};

  static async before(port: number): Promise<Hurdle> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Hurdle(server, port);
  }

  private constructor(server: Server, target: number) {
    const address = server.address();
    if (!address || typeof address !== 'object') throw new Error('no port');
    this.port = address.port;
    this.#server = server;
    server.on('connection', (caller) => this.#join(caller, connect(target, '127.0.0.1')));
  }

  #join(caller: Socket, answerer: Socket): void {
    for (const [from, to] of [
      [caller, answerer],
      [answerer, caller],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.end();
      });
    }
    caller.on('data', (octets) => void answerer.write(octets));
    answerer.on('data', (octets: Buffer) => {
      const part = octets.subarray(0, this.#left);
      this.#left -= part.length;
      this.passed += part.length;
      if (part.length > 0) caller.write(part);
      if (part.length < octets.length) this.#fallen();
    });
  }

  /** Resolves when the line has fallen silent, and the caller has read what came through, however slow it is. */
  async silentAfter(octets: number): Promise<void> {
    this.#left = octets;
    await new Promise<void>((fallen) => {
      this.#fallen = fallen;
    });
    await until('the caller has read all', 60, () => this.#isRead());
  }

  /** Nothing is in the kernel's buffers between us and the caller (`local remote state tx:rx`, in hex). */
  #isRead(): boolean {
    if ([...this.#sockets].some((socket) => socket.writableLength > 0)) return false;
    const own = this.port.toString(16).toUpperCase().padStart(4, '0');
    const rows = readFileSync('/proc/net/tcp', 'latin1').matchAll(
      /: \w+:(\w{4}) \w+:(\w{4}) (\w\w) (\w+):(\w+)/g,
    );
    return [...rows].every(([, local, remote, state, sent, received]) => {
      if (state === '0A') return true;
      return (
        (local !== own || Number(`0x${sent}`) === 0) && (remote !== own || Number(`0x${received}`) === 0)
      );
    });
  }

  /** Hangs up, and is a good line again. */
  heal(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#fallen = () => {};
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.heal();
    this.#server.close();
  }
}
