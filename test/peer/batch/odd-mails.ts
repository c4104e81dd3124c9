/** Mails that are hard to carry: what they are, so that each can be compared when it arrives. */

export interface OddMail {
  readonly number: number;
  readonly sender: string;
  /** Local parts. */
  readonly locals: readonly string[];
  /** With CRLF, as latin1. */
  readonly content: string;
}

const BODIES: readonly string[] = [
  'plain\r\n',
  '',
  '\r\n\r\n\r\n',
  '.\r\n',
  '..\r\n.x\r\n. \r\n',
  'From joe Mon Jan  5 12:00:00 2026\r\nFrom me\r\n>From you\r\n',
  'QUIT\r\nRSET\r\nMAIL FROM:<x@y>\r\nDATA\r\n.quit\r\n',
  '\xe4\xf6\xfc \x80\xff\xfe\r\n',
  Buffer.from('Grüße, 世界 🌍\r\n').toString('latin1'),
  `${'x'.repeat(990)}\r\n${'y'.repeat(990)}\r\n`,
  ' leading and trailing \r\n\ttabs\t\r\n',
  '\x01\x02\x1a\x1b[31m\x7f\x08\r\n',
  `${'line of a longer mail\r\n'.repeat(5000)}.\r\n`,
];
const SENDERS = [
  'joe@sender.example',
  '',
  'joe+tag=x/y@sender.example',
  'jörg@sender.example',
  'bounce-1=a=b.example@sender.example',
];
const LOCALS = [['a'], ['a', 'b'], ['a', 'b+c', 'd=e'], ['jürgen'], ["o'brien", 'a']];

export const oddMails = (count: number): OddMail[] =>
  Array.from({ length: count }, (_, number) => ({
    number,
    sender: SENDERS[number % SENDERS.length] ?? '',
    locals: LOCALS[Math.floor(number / 3) % LOCALS.length] ?? [],
    content: `Subject: odd ${number}\r\nX-Long:\r\n folded\r\n\r\n${BODIES[number % BODIES.length]}`,
  }));

/** The number in its Subject. */
export const numberOf = (text: string): number => Number(/^Subject: odd (\d+)\r?$/m.exec(text)?.[1] ?? -1);
