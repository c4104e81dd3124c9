/**
 * Gives mail to many domains, or over STARTTLS with a new connection (and a whole handshake) for each mail,
 * or each mail as a stranger, which smtp-source cannot. A process of its own; several of them run beside each other.
 *
 *   node bench/client/giver.ts '{"port":2590,"count":1000,"sessions":10,"size":4096,"domains":["a.test"],"tls":false,"reused":true}'
 *
 * Mail i goes to u@ the domain i, round and round. With `strangers` each connection comes from an address of 127.0.0.0/8
 * of its own, and each mail from a domain of its own below that one. Exits 1 at the first reply that is not as it should be.
 */
import { connect, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';

export interface Work {
  readonly port: number;
  readonly count: number;
  readonly sessions: number;
  readonly size: number;
  readonly domains: readonly string[];
  readonly tls: boolean;
  readonly reused: boolean;
  readonly strangers?: string;
}

const work: Work = JSON.parse(process.argv[2] ?? '{}');
const LINE = `${'x'.repeat(72)}\r\n`;
const TEXT = Buffer.from(
  `From: <a@b.test>\r\nSubject: t\r\n\r\n${LINE.repeat(Math.ceil(work.size / LINE.length))}.\r\n`,
);
let next = 0;
let clients = 0;

/** Where the next connection comes from: 127.1.0.0 and on, another range for each process. */
function address(): string {
  const i = clients++;
  return `127.${1 + ((process.pid * 7 + (i >> 16)) % 250)}.${(i >> 8) & 255}.${i & 255}`;
}

/** Replies of one connection, one after the other. */
class Replies {
  #rest = '';
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#rest += chunk.toString('latin1');
      this.#wake?.();
    });
    socket.once('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on('error', fault);
  }

  async next(code: string): Promise<void> {
    for (;;) {
      const found = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(this.#rest);
      if (found) {
        this.#rest = this.#rest.slice(found[0].length);
        if (!found[0].startsWith(code)) fault(new Error(found[0]));
        return;
      }
      if (this.#ended) fault(new Error('the connection ended'));
      await new Promise<void>((wake) => (this.#wake = wake));
    }
  }
}

function fault(cause: Error): void {
  console.error(cause.message);
  process.exit(1);
}

async function opened(): Promise<{ socket: Socket; replies: Replies }> {
  const localAddress = work.strangers === undefined ? {} : { localAddress: address() };
  const plain = connect({ port: work.port, host: '127.0.0.1', noDelay: true, ...localAddress });
  const replies = new Replies(plain);
  await replies.next('220');
  plain.write('EHLO c.b.test\r\n');
  await replies.next('250');
  if (!work.tls) return { socket: plain, replies };
  plain.write('STARTTLS\r\n');
  await replies.next('220');
  plain.removeAllListeners('data');
  // The server's certificate is self-signed. No session is kept: each handshake is whole.
  const socket = secure({ socket: plain, rejectUnauthorized: false });
  const within = new Replies(socket);
  socket.write('EHLO c.b.test\r\n');
  await within.next('250');
  return { socket, replies: within };
}

async function session(): Promise<void> {
  while (next < work.count) {
    const { socket, replies } = await opened();
    while (next < work.count) {
      const domain = work.domains[next % work.domains.length];
      const from = work.strangers === undefined ? 'b.test' : `m${next}-${process.pid}.${work.strangers}`;
      next++;
      socket.write(`MAIL FROM:<a@${from}>\r\nRCPT TO:<u@${domain}>\r\nDATA\r\n`);
      for (const code of ['250', '250', '354']) await replies.next(code);
      socket.write(TEXT);
      await replies.next('250');
      if (!work.reused) break;
    }
    socket.write('QUIT\r\n');
    await replies.next('221');
    socket.end();
  }
}

await Promise.all(Array.from({ length: work.sessions }, session));
process.exit(0);
