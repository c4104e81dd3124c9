/**
 * Runs inside a host of the lab: speaks SMTP to a server as a sender does, mail by mail over one connection, and
 * writes each mail's replies as a JSON line. A client of its own, so that ours is not its own witness.
 *   node say.ts HOST MAILS-AS-JSON
 */
import { connect } from 'node:net';
import { replies } from './inject.ts';

export interface Said {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Lines, in LF. */
  readonly content: string;
}

export interface HeardOfIt {
  readonly rcpt: readonly string[];
  /** To the end of data; '' if there was none. */
  readonly end: string;
}

async function main(): Promise<void> {
  const [host = '', json = ''] = process.argv.slice(2);
  const socket = connect(25, host);
  socket.setTimeout(60_000, () => socket.destroy(new Error('no answer for a minute')));
  const answers = replies(socket);
  const answer = async (): Promise<string> => {
    const next = await answers.next();
    if (next.done) throw new Error('connection closed');
    return next.value.trim();
  };
  const say = (text: string): Promise<string> => {
    socket.write(`${text}\r\n`);
    return answer();
  };
  await answer();
  await say('EHLO sender.example.test');
  for (const { sender, recipients, content } of JSON.parse(json) as Said[]) {
    await say('RSET');
    await say(`MAIL FROM:<${sender}>`);
    const rcpt: string[] = [];
    for (const to of recipients) rcpt.push(await say(`RCPT TO:<${to}>`));
    let end = '';
    if (rcpt.some((r) => r.startsWith('2')) && (await say('DATA')).startsWith('354')) {
      end = await say(`${content.replaceAll('\n', '\r\n')}\r\n.`);
    }
    process.stdout.write(`${JSON.stringify({ rcpt, end } satisfies HeardOfIt)}\n`);
  }
  socket.end('QUIT\r\n');
}

if (import.meta.main) await main();
