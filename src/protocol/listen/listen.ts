/**
 * TCP listeners for a protocol engine.
 *
 * Promises: at most `connections` in all, `perClient` from one client address (one IPv6 /64 is one client) and
 * `perNetwork` from one network are served; further ones are told so and closed at once. No network can keep
 * the others out: `Crowd` (`crowd.ts`). Stopping closes the listeners first, lets each conversation end in its
 * order, and cuts what is left at the deadline. IPv4-mapped addresses appear as IPv4. What comes from a declared
 * proxy without a valid PROXY header is closed. RFC 5321 §3.8.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { NetworkSet } from '../../base/networks.ts';
import type { Engine, Peer } from '../engine.ts';
import { plainAddress } from './address.ts';
import { Crowd, type CrowdLimits } from './crowd.ts';
import { readProxy } from './proxy.ts';

export interface ListenAddress {
  /** An IP address without brackets. */
  readonly host: string;
  /** 0: any free one, for tests. */
  readonly port: number;
}

export interface ListenOptions extends CrowdLimits {
  readonly at: readonly ListenAddress[];
  readonly engine: Engine;
  /** From here connections begin with a PROXY header. Absent: from nowhere. */
  readonly isProxy?: NetworkSet;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ListenFailed {
  readonly kind: 'failed';
  readonly at: ListenAddress;
  readonly why: string;
}

export async function listen(options: ListenOptions): Promise<Listeners | ListenFailed> {
  const listeners = new Listeners(options);
  const failed = await listeners.open();
  if (!failed) return listeners;
  await listeners.stop(0);
  return failed;
}

/** For dialogs to notice that their connection was cut. */
const AFTER_CUT = SECOND;

/**
 * A socket that has closed names nothing of ours any more. A part of each of Node's streams is old at its birth, and what the
 * socket leads to would grow old with it (decisions/young.md).
 */
function forget(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', ignore);
}

const ignore = (): void => {};

export class Listeners {
  readonly kind = 'listening';
  readonly #options: ListenOptions;
  readonly #servers: Server[] = [];
  readonly #crowd: Crowd;
  /** Their PROXY header has not come yet. */
  readonly #opening = new Set<Socket>();
  #whenEmpty: () => void = () => {};

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#crowd = new Crowd(options);
  }

  /** Where it listens, in the order of `at`. */
  get bound(): readonly ListenAddress[] {
    return this.#servers.flatMap((server) => {
      const at = server.address();
      return at && typeof at === 'object' ? [{ host: at.address, port: at.port }] : [];
    });
  }

  /** Connections that are being served. */
  get connections(): number {
    return this.#crowd.size;
  }

  async open(): Promise<ListenFailed | null> {
    for (const at of this.#options.at) {
      const why = await this.#listen(at);
      if (why !== null) return { kind: 'failed', at, why };
    }
    return null;
  }

  /** Resolves when all connections are over, at the latest soon after `grace` milliseconds. */
  async stop(grace: number): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#opening) socket.destroy();
    for (const conversation of this.#crowd.conversations()) conversation.stop();
    if (await this.#emptied(grace)) return;
    this.#options.log.warn('connections cut at stop', { count: this.#crowd.size });
    for (const conversation of this.#crowd.conversations()) conversation.destroy();
    await this.#emptied(AFTER_CUT);
  }

  /** False: not within `ms`. */
  #emptied(ms: number): Promise<boolean> {
    if (this.#crowd.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const late = this.#options.clock.after(ms, () => resolve(false));
      this.#whenEmpty = () => {
        late.cancel();
        resolve(true);
      };
    });
  }

  #listen(at: ListenAddress): Promise<string | null> {
    // Half-open: a peer that sends QUIT and closes still gets its replies.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#servers.push(server);
    return new Promise((resolve) => {
      server.once('error', (error) => resolve(error.message));
      server.listen(
        { host: at.host, port: at.port, ipv6Only: this.#hasIpv4Beside(at), backlog: 1024 },
        () => {
          server.on('error', (error) => this.#options.log.error('listener failed', { why: error.message }));
          resolve(null);
        },
      );
    });
  }

  /** `[::]` takes IPv4, too, unless a listener for IPv4 stands beside it. */
  #hasIpv4Beside(at: ListenAddress): boolean {
    return this.#options.at.some((other) => other.port === at.port && !other.host.includes(':'));
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    socket.on('error', ignore);
    // Already gone again.
    if (remoteAddress === undefined || localAddress === undefined) {
      socket.destroy();
      return;
    }
    const peer = {
      address: plainAddress(remoteAddress),
      port: remotePort ?? 0,
      localAddress: plainAddress(localAddress),
      localPort: localPort ?? 0,
    };
    if (this.#options.isProxy?.(peer.address)) void this.#introduce(socket, peer);
    else this.#admit(socket, peer);
  }

  /** A proxy's connection: whose it is stands in its header. */
  async #introduce(socket: Socket, proxy: Peer): Promise<void> {
    const { connections, clock, log } = this.#options;
    if (this.#opening.size >= connections) return this.#refuse(socket, proxy, 'too many connections');
    this.#opening.add(socket);
    const read = await readProxy(socket, clock);
    this.#opening.delete(socket);
    if (read.kind === 'bad') {
      log.info('connection refused', { peer: proxy.address, why: read.why });
      socket.destroy();
      return;
    }
    const via = { by: 'PROXY', address: proxy.address } as const;
    this.#admit(socket, read.ends ? { ...read.ends, via } : proxy);
    socket.resume();
  }

  #admit(socket: Socket, peer: Peer): void {
    const why = this.#crowd.full(peer.address);
    if (why === undefined) this.#serve(socket, peer);
    else this.#refuse(socket, peer, why);
  }

  #refuse(socket: Socket, peer: Peer, why: string): void {
    this.#options.log.info('connection refused', { peer: peer.address, why });
    socket.write(this.#options.engine.tooMany);
    socket.destroySoon();
  }

  #serve(socket: Socket, peer: Peer): void {
    try {
      const conversation = this.#options.engine.serve(socket, peer);
      const leave = this.#crowd.enter(peer.address, conversation);
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      // A peer that closes while its question is being answered still costs us that answer.
      void Promise.all([closed, conversation.done]).then(() => {
        leave();
        forget(socket);
        if (this.#crowd.size === 0) this.#whenEmpty();
      });
    } catch (fault) {
      this.#options.log.error('connection not served', { peer: peer.address, why: String(fault) });
      socket.destroy();
    }
  }
}
