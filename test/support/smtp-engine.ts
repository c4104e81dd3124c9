/** The SMTP engine with a TestSession behind it, ready to be talked to. */
import { connect } from 'node:net';

import { createSecureContext, type SecureContext } from 'node:tls';
import { generate } from 'selfsigned';
import { type Clock, SystemClock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import type { Conversation } from '../../src/protocol/engine.ts';
import { type Listeners, listen } from '../../src/protocol/listen/listen.ts';
import { createSmtpServer, type ServerOptions } from '../../src/protocol/smtp/server/server.ts';
import { memoryPair } from './smtp-pair.ts';
import { TestSession } from './smtp-session.ts';
import { TestClient } from './smtp-transcript.ts';

export interface Talk {
  readonly client: TestClient;
  readonly session: TestSession;
  readonly conversation?: Conversation;
}

export type Overrides = Partial<ServerOptions> & { readonly session?: TestSession };

export function engineOptions(session: TestSession, overrides: Overrides = {}): ServerOptions {
  return {
    hostname: 'mx2.example',
    token: 'token123',
    sizeLimit: 1_000_000,
    maxRecipients: 1000,
    clock: new SystemClock(),
    log: silent,
    openSession: () => session,
    ...overrides,
  };
}

export const PEER = { address: '192.0.2.1', port: 4711, localAddress: '192.0.2.2', localPort: 25 };

export function talkInMemory(overrides: Overrides = {}): Talk {
  const session = overrides.session ?? new TestSession();
  const [near, far] = memoryPair();
  const conversation = createSmtpServer(() => engineOptions(session, overrides)).serve(far, PEER);
  return { client: new TestClient(near), session, conversation };
}

/** One listener on loopback; each connection gets the session that `talk` was told. */
export class LoopbackEngine {
  readonly #listeners: Listeners;
  readonly #next: { options: ServerOptions };

  static async start(clock: Clock = new SystemClock()): Promise<LoopbackEngine> {
    const next = { options: engineOptions(new TestSession()) };
    const listeners = await listen({
      at: [{ host: '127.0.0.1', port: 0 }],
      engine: createSmtpServer(() => next.options),
      connections: 100,
      perClient: 100,
      isPeer: () => false,
      clock,
      log: silent,
    });
    if (listeners.kind === 'failed') throw new Error(listeners.why);
    return new LoopbackEngine(listeners, next);
  }

  private constructor(listeners: Listeners, next: { options: ServerOptions }) {
    this.#listeners = listeners;
    this.#next = next;
  }

  /** One at a time: the server takes the options at the moment it accepts. */
  async talk(overrides: Overrides = {}): Promise<Talk> {
    const session = overrides.session ?? new TestSession();
    this.#next.options = engineOptions(session, overrides);
    const socket = connect(this.#listeners.bound[0]?.port ?? 0, '127.0.0.1');
    socket.setNoDelay(true);
    const client = new TestClient(socket);
    while (session.calls.length === 0) await new Promise((wake) => setTimeout(wake, 1));
    return { client, session };
  }

  stop(): Promise<void> {
    return this.#listeners.stop(0);
  }
}

/** A TLS source with a key of its own. */
export async function testTls(): Promise<{ context(): SecureContext }> {
  const made = await generate([{ name: 'commonName', value: 'mx2.example' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  });
  const context = createSecureContext({ key: made.private, cert: made.cert, minVersion: 'TLSv1.2' });
  return { context: () => context };
}
