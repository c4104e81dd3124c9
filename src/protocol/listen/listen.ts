/**
 * TCP listeners for a protocol engine.
 *
 * Promises: at most `connections` in all and `perClient` from one client address are served (one
 * IPv6 /64 is one client); further ones are told so and closed at once. Stopping closes the
 * listeners first, lets each conversation end in its order, and cuts what is left at the deadline.
 * IPv4-mapped addresses appear as IPv4. RFC 5321 §3.8.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, SECOND } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { NetworkSet } from '../../base/networks.ts';
import type { Conversation, Engine, Peer } from '../engine.ts';
import { clientKey, plainAddress } from './address.ts';

export interface ListenAddress {
  /** An IP address without brackets. */
  readonly host: string;
  /** 0: any free one, for tests. */
  readonly port: number;
}

export interface ListenOptions {
  readonly at: readonly ListenAddress[];
  readonly engine: Engine;
  readonly connections: number;
  readonly perClient: number;
  /** Fellow secondaries and front MTAs: `perClient` is not for them. */
  readonly isPeer: NetworkSet;
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

export class Listeners {
  readonly kind = 'listening';
  readonly #options: ListenOptions;
  readonly #servers: Server[] = [];
  readonly #live = new Map<Socket, Conversation>();
  readonly #perClient = new Map<string, number>();
  #whenEmpty: () => void = () => {};

  constructor(options: ListenOptions) {
    this.#options = options;
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
    return this.#live.size;
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
    for (const conversation of this.#live.values()) conversation.stop();
    if (await this.#emptied(grace)) return;
    this.#options.log.warn('connections cut at stop', { count: this.#live.size });
    for (const conversation of this.#live.values()) conversation.destroy();
    await this.#emptied(AFTER_CUT);
  }

  /** False: not within `ms`. */
  #emptied(ms: number): Promise<boolean> {
    if (this.#live.size === 0) return Promise.resolve(true);
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
    socket.on('error', () => {});
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
    const client = clientKey(peer.address);
    const ofClient = this.#perClient.get(client) ?? 0;
    const { connections, perClient, isPeer, engine } = this.#options;
    if (this.#live.size >= connections || (ofClient >= perClient && !isPeer(peer.address))) {
      this.#options.log.info('connection refused', { peer: peer.address, why: 'too many connections' });
      socket.write(engine.tooMany);
      socket.destroySoon();
      return;
    }
    this.#serve(socket, peer, client);
  }

  #serve(socket: Socket, peer: Peer, client: string): void {
    try {
      const conversation = this.#options.engine.serve(socket, peer);
      this.#live.set(socket, conversation);
      this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1);
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      // A peer that closes while its question is being answered still costs us that answer.
      void Promise.all([closed, conversation.done]).then(() => this.#leave(socket, client));
    } catch (fault) {
      this.#options.log.error('connection not served', { peer: peer.address, why: String(fault) });
      socket.destroy();
    }
  }

  #leave(socket: Socket, client: string): void {
    this.#live.delete(socket);
    const left = (this.#perClient.get(client) ?? 1) - 1;
    if (left > 0) this.#perClient.set(client, left);
    else this.#perClient.delete(client);
    if (this.#live.size === 0) this.#whenEmpty();
  }
}
