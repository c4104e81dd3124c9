/**
 * A primary that is asked for recipients, in memory and on the clock of the test: takes those that it has, and
 * notes who was asked for, when, over how many connections.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../src/base/clock.ts';
import type { Reached, Unreached } from '../../src/primary/reach.ts';
import { open, RFC_DEADLINES } from '../../src/protocol/smtp/client/open.ts';
import type { Site } from '../../src/site/site.ts';
import { memoryPair } from './smtp-pair.ts';

export class AskedPrimary {
  readonly #clock: Clock;
  readonly users = new Set<string>();
  /** The reply to one RCPT; undefined: by `users`. */
  answer: (address: string) => string | undefined = () => undefined;
  /** The reply to MAIL. */
  mail = '250 2.1.0 ok';
  /** Why nobody gets through. */
  trouble: string | null = null;
  best = true;
  silent = false;
  /** Address and monotonic time. */
  readonly asked: { address: string; at: number }[] = [];
  readonly commands: string[] = [];
  connections = 0;
  opened = 0;
  peak = 0;

  constructor(clock: Clock, users: readonly string[] = []) {
    this.#clock = clock;
    for (const user of users) this.users.add(user);
  }

  /** Those that were asked for by name: no made-up mailbox. */
  get names(): string[] {
    return this.asked.map((a) => a.address).filter((address) => !address.startsWith('restante-'));
  }

  readonly connect = async (_site: Site, signal: AbortSignal): Promise<Reached | Unreached> => {
    this.connections++;
    if (this.trouble !== null) return { kind: 'trouble', cause: 'connect', text: this.trouble };
    const [near, far] = memoryPair();
    this.opened++;
    this.peak = Math.max(this.peak, this.opened);
    far.once('close', () => this.opened--);
    this.#serve(far);
    const options = { socket: near, clock: this.#clock, hostname: 'mx2.example', host: 'primary.example' };
    const opened = await open({ ...options, tls: { kind: 'none' }, deadlines: RFC_DEADLINES, signal });
    if (opened.kind === 'failure') return { kind: 'trouble', cause: 'greeting', text: opened.text };
    const exchanger = { host: 'primary.example', port: 25, preference: 10, best: this.best, addresses: [] };
    return { kind: 'reached', opened, exchanger, address: '192.0.2.10' };
  };

  #serve(socket: Duplex): void {
    let rest = '';
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.write('220 primary.example\r\n');
    socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString();
      for (let lf = rest.indexOf('\r\n'); lf >= 0; lf = rest.indexOf('\r\n')) {
        const line = rest.slice(0, lf);
        rest = rest.slice(lf + 2);
        this.commands.push(line);
        const said = this.#reply(line);
        if (!this.silent) socket.write(`${said}\r\n`);
        if (line === 'QUIT') socket.end();
      }
    });
  }

  #reply(line: string): string {
    if (line.startsWith('EHLO')) return '250-primary.example\r\n250 SMTPUTF8';
    if (line.startsWith('MAIL')) return this.mail;
    const address = /^RCPT TO:<(.*)>/.exec(line)?.[1];
    if (address === undefined) return '250 2.0.0 ok';
    this.asked.push({ address, at: this.#clock.monotonic() });
    const usual = this.users.has(address.toLowerCase()) ? '250 2.1.5 ok' : '550 5.1.1 no such user';
    return this.answer(address) ?? usual;
  }
}
