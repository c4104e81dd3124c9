/**
 * A Session for tests of the engine. It accepts everything but what its addresses ask for:
 * `reject@`, `defer@` in MAIL or RCPT, `nodata@` (content refused), `full@` (452 at the end of data),
 * `broken@` (a fault). It keeps what it was asked, in order.
 */
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { type Reply, reply } from '../../src/mail/reply.ts';
import type {
  ContentSink,
  MailCommand,
  Manner,
  RcptCommand,
  Session,
  Turn,
} from '../../src/protocol/smtp/session.ts';

export interface KeptMail {
  readonly mail: MailCommand;
  readonly rcpt: readonly RcptCommand[];
  readonly content: Buffer;
}

export class TestSession implements Session {
  readonly calls: string[] = [];
  readonly kept: KeptMail[] = [];
  manner: Manner | null = null;
  /** No greeting before the peer has sent something. */
  waits = false;
  #early: () => void = () => {};
  /** Said instead of a greeting. */
  refusal: Reply | null = null;
  /** What a sink does with each part besides keeping it. */
  onPart: (part: Uint8Array) => Promise<void> | void = () => {};
  aborts = 0;
  #mail: MailCommand | null = null;
  #rcpt: RcptCommand[] = [];

  async connect(): Promise<Reply | null> {
    this.calls.push('connect');
    if (!this.waits) return this.refusal;
    await new Promise<void>((resolve) => {
      this.#early = resolve;
    });
    return reply(554, '5.5.1', 'Too early');
  }

  early(): void {
    this.#early();
  }

  async hello(manner: Manner): Promise<Reply | null> {
    this.calls.push(`hello ${manner.helo}`);
    this.manner = manner;
    return manner.helo === 'reject.example' ? reply(550, '5.7.1', 'Not you') : null;
  }

  async mail(command: MailCommand, manner: Manner): Promise<Reply> {
    const by = manner.authenticated ? ` by ${manner.authenticated.login}` : '';
    const from = manner.forwarded && ` from ${JSON.stringify(manner.forwarded)}`;
    this.calls.push(`mail ${command.sender}${by}${from ?? ''}`);
    // A turn of the loop, as a look-up takes: pipelined input must wait.
    await turn();
    const refused = judge(command.sender);
    if (refused) return refused;
    this.#mail = command;
    this.#rcpt = [];
    return reply(250, '2.1.0', 'Sender taken');
  }

  async rcpt(command: RcptCommand): Promise<Reply> {
    this.calls.push(`rcpt ${command.address}`);
    const refused = judge(command.address);
    if (refused) return refused;
    this.#rcpt.push(command);
    return reply(250, '2.1.5', 'Recipient taken');
  }

  async content(): Promise<ContentSink | Reply> {
    this.calls.push('content');
    if (this.#mail?.sender.startsWith('nodata@')) return reply(451, '4.3.0', 'No content now');
    const parts: Uint8Array[] = [];
    const mail = this.#mail;
    if (!mail) throw new Error('content without mail');
    return {
      write: (part) => {
        parts.push(part);
        return this.onPart(part);
      },
      end: async () => {
        this.calls.push('end');
        await turn();
        if (mail.sender.startsWith('full@')) return reply(452, '4.3.1', 'Full');
        this.kept.push({ mail, rcpt: this.#rcpt, content: Buffer.concat(parts) });
        return reply(250, '2.0.0', 'Kept');
      },
      abort: () => {
        this.aborts++;
      },
    };
  }

  async etrn(argument: string, manner: Manner): Promise<Reply> {
    this.calls.push(`etrn ${argument} by ${manner.authenticated?.login ?? 'a stranger'}`);
    return reply(250, '2.0.0', 'Called');
  }

  /** What is turned round answers each line with itself, until it says BYE. */
  async atrn(domains: readonly string[]): Promise<Reply | Turn> {
    this.calls.push(`atrn ${domains.join(' ')}`);
    if (domains.includes('refused.example')) return reply(450, '4.7.1', 'Not yours');
    const take = (stream: Duplex | null) =>
      new Promise<void>((resolve) => {
        if (!stream) return resolve();
        let text = '';
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
          for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
            const line = text.slice(0, end);
            text = text.slice(end + 2);
            this.calls.push(`turned ${line}`);
            stream.write(`you said ${line}\r\n`);
            if (line !== 'BYE') continue;
            stream.end();
            resolve();
          }
        });
        stream.on('close', () => resolve());
        stream.resume();
      });
    return { reply: reply(250, '2.0.0', 'Turned'), take };
  }

  reset(): void {
    this.calls.push('reset');
    this.#mail = null;
  }

  closed(): void {
    this.calls.push('closed');
  }
}

function judge(address: string): Reply | null {
  if (address.startsWith('reject@')) return reply(550, '5.1.1', 'No such address');
  if (address.startsWith('defer@')) return reply(451, '4.7.1', 'Later');
  if (address.startsWith('broken@')) throw new Error('a fault with secrets in it');
  return null;
}
