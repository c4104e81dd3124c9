/** The POP3 engine with what it asks for faked: one login, one mailbox. */
import { SystemClock } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import type { Conversation } from '../../src/protocol/engine.ts';
import type { Login, Maildrop, Maildrops, Message, Opened } from '../../src/protocol/pop3/maildrop.ts';
import { createPop3Server, type ServerOptions } from '../../src/protocol/pop3/server.ts';
import type { Authenticator, Channel, Exchange, SaslStep } from '../../src/protocol/sasl.ts';
import { PEER } from './smtp-engine.ts';
import { memoryPair } from './smtp-pair.ts';
import { TestClient } from './smtp-transcript.ts';

/**
 * `acme` with `secret`, by PLAIN where the line is encrypted or `clear`, and everywhere by ECHO: a
 * challenge `who?`, then the name, then the challenge `sure?`, then nothing.
 */
export class TestAuthenticator implements Authenticator {
  clear = true;
  refusal: 'wrong' | 'locked' | 'malformed' = 'wrong';

  mechanisms({ tls }: Channel): readonly string[] {
    return tls || this.clear ? ['PLAIN', 'ECHO'] : ['ECHO'];
  }

  begin(mechanism: string, channel: Channel): Exchange | null {
    if (!this.mechanisms(channel).includes(mechanism)) return null;
    return { step: mechanism === 'PLAIN' ? this.#plain() : this.#echo() };
  }

  password(name: string, password: string, { tls }: Channel): Promise<SaslStep> | null {
    return tls || this.clear ? Promise.resolve(this.#judge(name, password)) : null;
  }

  #plain(): Exchange['step'] {
    return async (response) => {
      if (!response) return { kind: 'challenge', data: new Uint8Array(0) };
      const [, name = '', password = ''] = Buffer.from(response).toString().split('\0');
      return this.#judge(name, password);
    };
  }

  #echo(): Exchange['step'] {
    let name: string | null = null;
    return async (response) => {
      if (!response) return { kind: 'challenge', data: Buffer.from('who?') };
      if (name !== null) return this.#judge(name, response.length === 0 ? 'secret' : '');
      name = Buffer.from(response).toString();
      return { kind: 'challenge', data: Buffer.from('sure?') };
    };
  }

  #judge(name: string, password: string): SaslStep {
    return name === 'acme' && password === 'secret'
      ? { kind: 'accepted', login: name, sites: ['acme'] }
      : { kind: 'refused', why: this.refusal };
  }
}

/** Messages as chunks; what was asked is written down. */
export class TestMaildrops implements Maildrops {
  messages: (readonly string[])[];
  answer: 'maildrop' | 'busy' | 'none' = 'maildrop';
  readonly logins: Login[] = [];
  /** Numbers that were removed at QUIT. */
  removed: readonly number[] | null = null;
  removes = true;
  released = 0;
  /** Aborted by a test: the mail is taken back. */
  readonly taken = new AbortController();
  /** Chunks that were asked for. */
  read = 0;
  closed = 0;
  /** Number of a message that cannot be opened; of one that breaks after its first chunk. */
  unreadable = 0;
  breaking = 0;

  constructor(...messages: (string | readonly string[])[]) {
    this.messages = messages.map((m) => (typeof m === 'string' ? [m] : m));
  }

  async open(login: Login): Promise<Opened> {
    this.logins.push(login);
    if (this.answer !== 'maildrop') return { kind: this.answer };
    const drop: Maildrop = {
      kind: 'maildrop',
      taken: this.taken.signal,
      count: this.messages.length,
      days: 30,
      size: (n) => this.#chunks(n).reduce((sum, c) => sum + c.length, 0),
      uid: (n) => `uid-${n}`,
      open: async (n) => (n === this.unreadable ? null : this.#message(n)),
      remove: async (numbers) => {
        this.removed = numbers;
        return this.removes;
      },
      release: async () => void this.released++,
    };
    return drop;
  }

  #chunks(n: number): readonly string[] {
    return this.messages[n - 1] ?? [];
  }

  #message(n: number): Message {
    const world = this;
    async function* chunks() {
      for (const chunk of world.#chunks(n)) {
        world.read++;
        yield Buffer.from(chunk, 'latin1');
        if (n === world.breaking) throw new Error('disk on fire');
      }
    }
    return { chunks, close: async () => void this.closed++ };
  }
}

export type Overrides = Partial<ServerOptions> & { readonly maildrops?: TestMaildrops };

export function engineOptions(overrides: Overrides = {}): ServerOptions {
  return {
    hostname: 'mx2.example',
    authenticator: new TestAuthenticator(),
    maildrops: new TestMaildrops(),
    clock: new SystemClock(),
    log: silent,
    ...overrides,
  };
}

export function talkInMemory(overrides: Overrides = {}): {
  client: TestClient;
  conversation: Conversation;
} {
  const [near, far] = memoryPair();
  const conversation = createPop3Server(() => engineOptions(overrides), 'on request').serve(far, PEER);
  return { client: new TestClient(near), conversation };
}
