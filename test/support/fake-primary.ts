/**
 * An SMTP server for tests of the client: does everything right by itself, and at any station
 * whatever the test's script says instead. It keeps what it accepted, octet for octet, and notes what
 * a client may not do (pipelining where it is not offered, or behind a command that ends a group).
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export type FakeStation =
  | 'greeting'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'xclient'
  | 'xforward'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'end'
  | 'bdat'
  | 'rset'
  | 'quit';

/** A reply ("550 5.1.1 no", lines separated by \n; with \r\n it is sent as it is), the connection closed, or silence for ever. */
export type FakeAct = string | 'close' | 'hang';

export interface FakeMail {
  /** Who its client is, as told by XCLIENT and by the EHLO behind it: `192.0.2.7 mail.example`; '' if nobody was named. */
  readonly client: string;
  /** What XFORWARD told of it, in order. */
  readonly forwarded: readonly string[];
  readonly sender: string;
  readonly mailArgs: string;
  readonly recipients: readonly string[];
  readonly rcptArgs: readonly string[];
  readonly content: Buffer;
}

export interface FakeOptions {
  readonly name?: string;
  /** It takes XCLIENT again after XCLIENT; Postfix does not. */
  readonly renames?: boolean;
  /** Default: PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8, SIZE; STARTTLS with `tls`. */
  readonly keywords?: readonly string[];
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly host?: string;
  /** `nth`: how often this station was reached on this connection, from 1. Undefined: as it should be. */
  readonly script?: (station: FakeStation, arg: string, nth: number) => FakeAct | undefined;
}

export const ALL_KEYWORDS = [
  'PIPELINING',
  '8BITMIME',
  'ENHANCEDSTATUSCODES',
  'DSN',
  'SMTPUTF8',
  'SIZE 100000000',
];

export class FakePrimary {
  readonly mails: FakeMail[] = [];
  /** Commands in order, over all connections. */
  readonly commands: string[] = [];
  /** What arrived in one read, as text; content included. */
  readonly reads: string[] = [];
  readonly violations: string[] = [];
  connections = 0;
  port = 0;
  /** Answers the TLS handshake with what is none. */
  breakTls = false;
  /** Says 354 and reads nothing any more. */
  pauseAtData = false;
  /** What it says is kept back here, and is to be said by the test. */
  mute: (() => void)[] | null = null;
  /** Said when the first octets of a content came. */
  earlyRefusal: string | null = null;
  readonly host: string;
  options: FakeOptions;
  readonly #server = createServer({ noDelay: true }, (socket) => {
    this.connections++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    new Dialog(this, socket);
  });
  readonly #sockets = new Set<Socket>();

  private constructor(options: FakeOptions) {
    this.options = options;
    this.host = options.host ?? '127.0.0.1';
  }

  static async start(options: FakeOptions = {}, port = 0): Promise<FakePrimary> {
    const fake = new FakePrimary(options);
    fake.#server.listen(port, fake.host);
    await once(fake.#server, 'listening');
    fake.port = (fake.#server.address() as AddressInfo).port;
    return fake;
  }

  get open(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

const END = Buffer.from('\r\n.\r\n');

class Dialog {
  readonly #fake: FakePrimary;
  #socket: Socket;
  readonly #reached = new Map<FakeStation, number>();
  #rest: Buffer = Buffer.alloc(0);
  #state: 'command' | 'data' | 'bdat' | 'stuck' = 'command';
  #content: Buffer[] = [];
  #tail: Buffer = Buffer.alloc(0);
  #left = 0;
  #last = false;
  #mail: { sender: string; args: string } | null = null;
  #recipients: { address: string; args: string }[] = [];
  #secure = false;
  /** By XCLIENT. */
  #told = new Map<string, string>();
  #helo = '';
  #forwarded: string[] = [];
  #challenges: string[] = [];

  constructor(fake: FakePrimary, socket: Socket) {
    this.#fake = fake;
    this.#socket = socket;
    this.#listen(socket);
    this.#answer('greeting', '', `220 ${this.#name} ready`);
  }

  get #name(): string {
    return this.#fake.options.name ?? 'primary.test';
  }

  #listen(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#fake.reads.push(chunk.toString('latin1'));
      if (this.#state === 'stuck') return;
      this.#rest = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk;
      this.#consume();
    });
  }

  #consume(): void {
    while (this.#rest.length > 0) {
      if (this.#state === 'stuck') return;
      if (this.#state === 'data' ? !this.#data() : this.#state === 'bdat' ? !this.#bdat() : !this.#line())
        return;
    }
  }

  #line(): boolean {
    const lf = this.#rest.indexOf('\r\n');
    if (lf < 0) return false;
    const line = this.#rest.subarray(0, lf).toString();
    this.#rest = this.#rest.subarray(lf + 2);
    this.#fake.commands.push(line);
    const verb = line.split(/[ :]/)[0]?.toUpperCase() ?? '';
    const pipelining = this.#keywords().includes('PIPELINING');
    const endsGroup = ['EHLO', 'HELO', 'DATA', 'STARTTLS', 'QUIT', 'AUTH'].includes(verb);
    if (this.#rest.length > 0 && (endsGroup || (!pipelining && verb !== 'BDAT'))) {
      this.#fake.violations.push(`sent behind ${verb}: ${this.#rest.toString('latin1').slice(0, 40)}`);
    }
    this.#command(verb, line);
    return true;
  }

  #keywords(): string[] {
    const { keywords, tls } = this.#fake.options;
    const all = [...(keywords ?? ALL_KEYWORDS), ...(tls && !this.#secure ? ['STARTTLS'] : [])];
    const renames = this.#fake.options.renames || !this.#told.has('ADDR');
    return renames ? all : all.filter((keyword) => !keyword.startsWith('XCLIENT'));
  }

  #command(verb: string, line: string): void {
    if (this.#challenges.length > 0) {
      this.#answer('auth', line, this.#challenges.shift() ?? '235 2.7.0 yes');
      return;
    }
    switch (verb) {
      case 'EHLO':
        this.#reset();
        this.#helo = line.slice(5);
        this.#answer(
          'ehlo',
          line,
          [`${this.#name} hello`, ...this.#keywords()].map((l) => `250 ${l}`).join('\n'),
        );
        return;
      case 'HELO':
        this.#answer('helo', line, `250 ${this.#name}`);
        return;
      case 'STARTTLS':
        if (this.#answer('starttls', line, '220 2.0.0 go ahead')) this.#startTls();
        return;
      case 'AUTH':
        if (/^AUTH LOGIN$/i.test(line)) this.#challenges = ['334 UGFzc3dvcmQ6', '235 2.7.0 yes'];
        this.#answer('auth', line, /^AUTH LOGIN$/i.test(line) ? '334 VXNlcm5hbWU6' : '235 2.7.0 yes');
        return;
      case 'XCLIENT':
        this.#xclient(line);
        return;
      case 'XFORWARD':
        if (this.#mail) this.#say('503 5.5.1 MAIL transaction in progress');
        else if (this.#answer('xforward', line, '250 2.0.0 ok')) this.#forwarded.push(line.slice(9));
        return;
      case 'MAIL':
        this.#mailFrom(line);
        return;
      case 'RCPT':
        this.#rcptTo(line);
        return;
      case 'DATA':
        this.#startData(line);
        return;
      case 'BDAT':
        this.#left = Number(line.split(' ')[1]);
        this.#last = / LAST$/i.test(line);
        this.#state = 'bdat';
        if (this.#left === 0) this.#bdatEnd();
        return;
      case 'RSET':
        this.#reset();
        this.#answer('rset', line, '250 2.0.0 flushed');
        return;
      case 'QUIT':
        this.#answer('quit', line, '221 2.0.0 bye');
        this.#state = 'stuck';
        this.#socket.end();
        return;
      default:
        this.#say('500 5.5.2 what?');
    }
  }

  #xclient(line: string): void {
    if (this.#mail) {
      this.#say('503 5.5.1 MAIL transaction in progress');
      return;
    }
    if (!this.#keywords().some((keyword) => keyword.startsWith('XCLIENT'))) {
      this.#say('550 5.7.0 insufficient authorization');
      return;
    }
    if (!this.#answer('xclient', line, `220 ${this.#name} ready`)) return;
    for (const word of line.split(' ').slice(1)) {
      const [name = '', value = ''] = word.split('=');
      this.#told.set(name, value);
    }
    this.#reset();
  }

  #mailFrom(line: string): void {
    const [, sender = '', args = ''] = /^MAIL FROM:<(.*?)>(.*)$/i.exec(line) ?? [];
    if (this.#mail) {
      this.#answer('mail', line, '503 5.5.1 nested MAIL');
      return;
    }
    if (this.#answer('mail', line, '250 2.1.0 ok')) this.#mail = { sender, args: args.trim() };
  }

  #rcptTo(line: string): void {
    if (!this.#mail) {
      this.#say('503 5.5.1 no MAIL');
      return;
    }
    const [, address = '', args = ''] = /^RCPT TO:<(.*)>(.*)$/i.exec(line) ?? [];
    if (this.#answer('rcpt', line, '250 2.1.5 ok')) this.#recipients.push({ address, args: args.trim() });
  }

  #startData(line: string): void {
    const none = this.#recipients.length === 0;
    const act = this.#fake.options.script?.('data', line, this.#count('data'));
    if (!this.#perform(act ?? (none ? '503 5.5.1 no recipients' : '354 go ahead'), '3')) return;
    this.#state = 'data';
    if (this.#fake.pauseAtData) this.#socket.pause();
    this.#content = [];
    // An end of data directly behind DATA counts too.
    this.#tail = Buffer.from('\r\n');
  }

  #data(): boolean {
    if (this.#fake.earlyRefusal) this.#say(this.#fake.earlyRefusal);
    this.#fake.earlyRefusal = null;
    const chunk = this.#rest;
    const window = Buffer.concat([this.#tail, chunk]);
    const at = window.indexOf(END);
    if (at < 0) {
      this.#content.push(chunk);
      this.#tail = Buffer.from(window.subarray(Math.max(0, window.length - 4)));
      this.#rest = Buffer.alloc(0);
      return false;
    }
    const until = at + END.length - this.#tail.length;
    this.#content.push(chunk.subarray(0, until));
    this.#rest = chunk.subarray(until);
    this.#state = 'command';
    const stuffed = Buffer.concat(this.#content);
    const content = unstuff(stuffed.subarray(0, stuffed.length - 3));
    if (this.#answer('end', '', this.#recipients.length ? '250 2.0.0 queued' : '554 5.5.1 no recipients')) {
      this.#keep(content);
    }
    this.#reset();
    return true;
  }

  #bdat(): boolean {
    const part = this.#rest.subarray(0, this.#left);
    this.#content.push(part);
    this.#left -= part.length;
    this.#rest = this.#rest.subarray(part.length);
    if (this.#left === 0) this.#bdatEnd();
    return this.#left === 0;
  }

  #bdatEnd(): void {
    this.#state = 'command';
    const failed = this.#recipients.length === 0;
    if (!this.#answer('bdat', '', failed ? '503 5.5.1 no recipients' : '250 2.0.0 taken')) {
      this.#content = [];
      return;
    }
    if (!this.#last) return;
    this.#keep(Buffer.concat(this.#content));
    this.#reset();
  }

  #keep(content: Buffer): void {
    const address = this.#told.get('ADDR');
    this.#fake.mails.push({
      client: address === undefined ? '' : `${address} ${this.#helo}`,
      forwarded: this.#forwarded,
      sender: this.#mail?.sender ?? '',
      mailArgs: this.#mail?.args ?? '',
      recipients: this.#recipients.map((r) => r.address),
      rcptArgs: this.#recipients.map((r) => r.args),
      content,
    });
  }

  #reset(): void {
    this.#mail = null;
    this.#recipients = [];
    this.#content = [];
    this.#forwarded = [];
  }

  #startTls(): void {
    const { tls } = this.#fake.options;
    if (!tls) return;
    this.#socket.removeAllListeners('data');
    if (this.#fake.breakTls) {
      this.#state = 'stuck';
      this.#socket.once('data', () => this.#socket.end('this is no TLS\r\n'));
      return;
    }
    const secure = new TLSSocket(this.#socket, { isServer: true, secureContext: createSecureContext(tls) });
    this.#secure = true;
    this.#socket = secure;
    this.#rest = Buffer.alloc(0);
    this.#listen(secure);
  }

  #count(station: FakeStation): number {
    const nth = (this.#reached.get(station) ?? 0) + 1;
    this.#reached.set(station, nth);
    return nth;
  }

  /** True: a positive reply was given. */
  #answer(station: FakeStation, arg: string, usual: string): boolean {
    return this.#perform(this.#fake.options.script?.(station, arg, this.#count(station)) ?? usual, '2');
  }

  #perform(act: FakeAct, good: string): boolean {
    if (act === 'hang') this.#state = 'stuck';
    else if (act === 'close') {
      this.#state = 'stuck';
      this.#socket.destroy();
    } else {
      this.#say(act);
      if (act.startsWith('421')) {
        this.#state = 'stuck';
        this.#socket.end();
      }
    }
    return act.startsWith(good);
  }

  #say(text: string): void {
    if (this.#fake.mute) this.#fake.mute.push(() => this.#write(text));
    else this.#write(text);
  }

  #write(text: string): void {
    if (text.includes('\r')) {
      this.#socket.write(text);
      return;
    }
    const lines = text.split('\n');
    const wire = lines.map((l, i) => (i < lines.length - 1 ? `${l.slice(0, 3)}-${l.slice(4)}` : l));
    this.#socket.write(`${wire.join('\r\n')}\r\n`);
  }
}

/** The first dot of each line that begins with one goes (RFC 5321 §4.5.2). */
function unstuff(stuffed: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = stuffed[0] === 0x2e ? 1 : 0;
  for (
    let at = stuffed.indexOf('\r\n.', Math.max(0, from - 1));
    at >= 0;
    at = stuffed.indexOf('\r\n.', at + 3)
  ) {
    pieces.push(stuffed.subarray(from, at + 2));
    from = at + 3;
  }
  pieces.push(stuffed.subarray(from));
  return Buffer.concat(pieces);
}
