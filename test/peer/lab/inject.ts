/**
 * Runs inside a host of the lab: gives the mails of a corpus to an MTA by SMTP, some connections at a
 * time, and writes for each mail one JSON line: number, the last reply, when it came. A client of its
 * own and as small as can be, so that ours is not its own witness.
 *   node inject.ts SPEC-AS-JSON HOST PORT CONNECTIONS [MILLISECONDS BETWEEN MAILS] [FROM]
 */
import { connect, type Socket } from 'node:net';
import { type CorpusMail, type CorpusSpec, corpusMail } from './corpus.ts';

export interface Injected {
  readonly number: number;
  readonly code: number;
  readonly reply: string;
  /** Milliseconds since 1970: the reply to the end of data. */
  readonly at: number;
}

/** Reads replies, one after another. */
export async function* replies(socket: Socket): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1');
    for (
      let m = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text);
      m;
      m = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text)
    ) {
      text = text.slice(m[0].length);
      yield m[0];
    }
  }
}

class Client {
  readonly #socket: Socket;
  readonly #replies: AsyncGenerator<string>;

  constructor(host: string, port: number) {
    this.#socket = connect(port, host);
    this.#socket.setTimeout(120_000, () => this.#socket.destroy(new Error('no answer for two minutes')));
    this.#replies = replies(this.#socket);
  }

  async answer(): Promise<string> {
    const next = await this.#replies.next();
    if (next.done) throw new Error('connection closed');
    return next.value;
  }

  async say(line: string, expect: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    const reply = await this.answer();
    if (!reply.startsWith(expect)) throw new Error(`${line}: ${reply}`);
    return reply;
  }

  async send(mail: CorpusMail): Promise<string> {
    await this.say(`MAIL FROM:<${mail.sender}> BODY=8BITMIME`, '250');
    for (const to of mail.recipients) await this.say(`RCPT TO:<${to}>`, '250');
    await this.say('DATA', '354');
    this.#socket.write(stuffed(mail.content));
    return this.say('.', '');
  }

  close(): void {
    this.#socket.end('QUIT\r\n');
  }
}

/** RFC 5321 §4.5.2. */
function stuffed(content: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  if (content[0] === 0x2e) parts.push(Buffer.from('.'));
  for (let at = content.indexOf('\r\n.'); at >= 0; at = content.indexOf('\r\n.', at + 2)) {
    parts.push(content.subarray(from, at + 2), Buffer.from('.'));
    from = at + 2;
  }
  parts.push(content.subarray(from));
  return Buffer.concat(parts);
}

async function main(): Promise<void> {
  const [json = '', host = '', port = '25', connections = '1', pause = '0', first = '0'] =
    process.argv.slice(2);
  const spec = JSON.parse(json) as CorpusSpec;
  let next = Number(first);
  const worker = async (): Promise<void> => {
    const client = new Client(host, Number(port));
    await client.answer();
    await client.say('EHLO localhost', '250');
    while (next < spec.count) {
      const mail = corpusMail(spec, next++);
      const reply = await client.send(mail);
      const line: Injected = {
        number: mail.number,
        code: Number(reply.slice(0, 3)),
        reply: reply.trim(),
        at: Date.now(),
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
      if (Number(pause)) await new Promise((done) => setTimeout(done, Number(pause)));
    }
    client.close();
  };
  await Promise.all(Array.from({ length: Number(connections) }, worker));
}

if (import.meta.main) await main();
