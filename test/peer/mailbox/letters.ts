/**
 * The mails of the mailbox tests: number n is always the same. 1 to 5 recipients, known to the header or
 * not (lists, Bcc), null senders, senders that say what was sent, 8-bit, UTF-8 addresses, lines that
 * begin with dots, headers that try to pass for an envelope.
 */
import { connect } from 'node:net';

export interface Letter {
  readonly number: number;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly utf8: boolean;
  /** As it is sent, CRLF. */
  readonly content: Buffer;
}

export const PEOPLE = ['joe', 'ann', 'Bob.Cole', 'eve+tag', 'o-list', 'sales', 'x_y', 'postmaster'].map(
  (name) => `${name}@acme.example`,
);
const UTF8 = 'jörg.müller@acme.example';

export function letter(n: number): Letter {
  const utf8 = n % 23 === 7;
  const count = 1 + (n % 5);
  const recipients = Array.from({ length: count }, (_, i) => PEOPLE[(n + 3 * i) % PEOPLE.length] ?? '');
  if (utf8) recipients[0] = UTF8;
  const sender =
    n % 17 === 4 ? '' : n % 3 === 0 ? `list-${n}=joe=acme@lists.example` : `s${n}@sender.example`;
  const to = [`To: ${recipients[0]}`, 'To: A list <list@lists.example>', 'To: undisclosed-recipients:;'][
    n % 3
  ];
  const header = [
    'From: Somebody <somebody@sender.example>',
    to ?? '',
    `Subject: number ${n}`,
    `Message-ID: <${n}@letters.example>`,
    'Date: Mon, 2 Jun 2025 10:00:00 +0200',
    ...(n % 4 === 1 ? ['X-Envelope-To: stranger@acme.example', 'Return-Path: <forged@acme.example>'] : []),
    'MIME-Version: 1.0',
    `Content-Type: text/plain; charset=${utf8 ? 'utf-8' : 'iso-8859-1'}`,
    'Content-Transfer-Encoding: 8bit',
  ];
  const lines = ['.', '..', '.hidden', `${n} `, '', 'From here', 'x'.repeat(n % 900), '.'];
  const text = `${header.join('\r\n')}\r\n\r\n${lines.join('\r\n')}\r\n`;
  const eightBit = utf8 ? Buffer.from('Grüße\r\n') : Buffer.from('Gr\xfc\xdfe \xff\r\n', 'latin1');
  return { number: n, sender, recipients, utf8, content: Buffer.concat([Buffer.from(text), eightBit]) };
}

/** Gives letters to a server by SMTP; resolves when the last was answered 250. */
export async function post(port: number, letters: readonly Letter[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const replies = lines(socket);
  const expect = async (code: string) => {
    const { value } = await replies.next();
    if (!value?.startsWith(code)) throw new Error(`${code} expected: ${value}`);
  };
  await expect('220');
  socket.write('EHLO sender.example\r\n');
  await expect('250');
  for (const { sender, recipients, utf8, content } of letters) {
    const mail = `MAIL FROM:<${sender}> BODY=8BITMIME${utf8 ? ' SMTPUTF8' : ''}`;
    socket.write([mail, ...recipients.map((r) => `RCPT TO:<${r}>`), 'DATA', ''].join('\r\n'));
    for (let i = 0; i <= recipients.length; i++) await expect('250');
    await expect('354');
    socket.write(`${content.toString('latin1').replace(/^\./gm, '..')}.\r\n`, 'latin1');
    await expect('250');
  }
  socket.end('QUIT\r\n');
}

async function* lines(socket: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let text = '';
  for await (const chunk of socket) {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (line[3] !== '-') yield line;
    }
  }
  return undefined;
}
