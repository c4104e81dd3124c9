/**
 * The real server as a child process, on ports and a spool and with a DNS server of its own, and a bare SMTP peer to talk to it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Names } from './names.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin/restante');
const PATIENCE = 20_000;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (!address || typeof address !== 'object') throw new Error('no port');
  return address.port;
}

/** Polls until `ask` gives something. */
export async function until<T>(what: string, ask: () => Promise<T | null> | T | null): Promise<T> {
  const end = performance.now() + PATIENCE;
  while (performance.now() < end) {
    const got = await ask();
    if (got !== null) return got;
    await new Promise((wake) => setTimeout(wake, 20));
  }
  throw new Error(`did not come: ${what}`);
}

export class Daemon {
  readonly folder = mkdtempSync(join(tmpdir(), 'restante-daemon-'));
  readonly file = join(this.folder, 'restante.yaml');
  readonly port: number;
  /** Where it serves POP3 with TLS from the first octet, if it was asked to. */
  readonly pop3s: number | null;
  /** Whom it asks: for SPF, for a start. */
  readonly names: Names;
  log = '';
  #child: ChildProcess | null = null;

  static async make(sites: string, more: { pop3s?: boolean } = {}): Promise<Daemon> {
    const pop3s = more.pop3s ? await freePort() : null;
    const daemon = new Daemon(await freePort(), pop3s, await Names.start());
    daemon.configure(sites);
    return daemon;
  }

  private constructor(port: number, pop3s: number | null, names: Names) {
    this.port = port;
    this.pop3s = pop3s;
    this.names = names;
  }

  /** `listen`: what stands beside the addresses. */
  configure(sites: string, listen = ''): void {
    const pop3s = this.pop3s === null ? '' : `, pop3s: ["127.0.0.1:${this.pop3s}"]`;
    const more = listen === '' ? '' : `, ${listen}`;
    const at = `listen: { smtp: ["127.0.0.1:${this.port}"]${pop3s}${more} }`;
    writeFileSync(
      this.file,
      `hostname: mx2.example.net\nspool: ./spool\n${at}\n${sites}\n${this.names.line}\n`,
    );
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    this.log = '';
    const child = spawn(BIN, ['serve', '-c', this.file], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (text) => (this.log += String(text)));
    await until('ready', () => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${this.log}`);
      return this.log.includes('"event":"ready"') || null;
    });
  }

  /** The exit code, or the signal that ended it. */
  async end(signal: NodeJS.Signals): Promise<number | string | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    child.kill(signal);
    const [code, by] = await once(child, 'exit');
    return code ?? by;
  }

  /** Waits for a log line with this event, from the place `from` of the log on. */
  event(event: string, from = 0): Promise<Record<string, unknown>> {
    return until(`the event "${event}" in\n${this.log}`, () => {
      const line = this.log
        .slice(from)
        .split('\n')
        .find((text) => text.includes(`"event":"${event}"`));
      return line ? JSON.parse(line) : null;
    });
  }

  async reload(): Promise<void> {
    this.#child?.kill('SIGHUP');
  }

  /** A command of ours; its standard output, or its code and what it said. */
  command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    return new Promise((done) => {
      execFile(BIN, [...args, '-c', this.file], { cwd: ROOT }, (fault, out, err) => {
        done({ code: typeof fault?.code === 'number' ? fault.code : fault ? -1 : 0, out, err });
      });
    });
  }

  async json<T>(...args: string[]): Promise<T> {
    const { out, err } = await this.command(...args, '--json');
    if (out === '') throw new Error(err);
    return JSON.parse(out);
  }

  peer(from?: string): Promise<Peer> {
    return Peer.to(this.port, from);
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    this.names.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Sends lines and reads replies, and nothing else. */
export class Peer {
  readonly socket: Socket;
  #text = '';
  #closed = false;

  /** `from`: a loopback address. `first`: said before the greeting. */
  static async to(port: number, from = '127.0.0.1', first = ''): Promise<Peer> {
    const host = from.includes(':') ? '::1' : '127.0.0.1';
    const peer = new Peer(connect({ port, host, localAddress: from }));
    if (first !== '') peer.socket.write(first);
    await peer.reply();
    return peer;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (text) => (this.#text += text.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => (this.#closed = true));
  }

  /** The next reply, all its lines. '' when the connection is gone. */
  reply(): Promise<string> {
    return until('a reply', () => {
      const whole = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text)?.[0];
      if (whole === undefined) return this.#closed ? '' : null;
      this.#text = this.#text.slice(whole.length);
      return whole;
    });
  }

  say(line: string): Promise<string> {
    this.socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** A whole mail; the replies to each recipient and to the end of data. */
  async mail(recipients: readonly string[], content: string): Promise<{ rcpt: string[]; end: string }> {
    await this.say('MAIL FROM:<friend@elsewhere.example>');
    const rcpt: string[] = [];
    for (const to of recipients) rcpt.push(await this.say(`RCPT TO:<${to}>`));
    await this.say('DATA');
    return { rcpt, end: await this.say(`${content}\r\n.`) };
  }

  close(): void {
    this.socket.destroy();
  }
}
