/**
 * An open loop of mails: so many a second, each over a connection of its own from an address of its own, whether those
 * before it are through or not. What a mail took counts from the moment at which it was due.
 */
import { connect } from 'node:net';

export interface Sent {
  /** Milliseconds after the beginning at which it was due. */
  readonly due: number;
  /** Milliseconds. */
  readonly took: number;
  /** The last reply. */
  readonly reply: string;
}

const PATIENCE = 30_000;

export async function openLoop(port: number, perSecond: number, seconds: number): Promise<Sent[]> {
  const began = performance.now();
  const all: Promise<Sent>[] = [];
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = (i * 1000) / perSecond;
    const wait = began + due - performance.now();
    if (wait > 0) await new Promise((wake) => setTimeout(wake, wait));
    // 127.1.0.0 and on: no list has them, and no resolver knows them yet.
    const from = `127.${1 + (salt % 200)}.${i >> 8}.${i & 255}`;
    all.push(oneMail(port, from).then((reply) => ({ due, took: performance.now() - began - due, reply })));
  }
  salt++;
  return Promise.all(all);
}
let salt = Math.floor(Math.random() * 200);

const SAYS = [
  'EHLO sender.example\r\n',
  'MAIL FROM:<friend@sender.example>\r\n',
  'RCPT TO:<joe@acme.example>\r\n',
  'DATA\r\n',
  `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n.\r\n`,
];

/** The reply to its end, or the first refusal. */
function oneMail(port: number, from: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    let [text, step] = ['', 0];
    const end = (reply: string) => {
      socket.destroy();
      resolve(reply);
    };
    socket.setNoDelay(true);
    socket.setTimeout(PATIENCE, () => end('no reply'));
    socket.on('error', (fault) => end(fault.message));
    socket.on('close', () => end('closed'));
    socket.on('data', (octets) => {
      text += octets.toString('latin1');
      const [reply] = /^\d{3}(?: .*)?\r\n/m.exec(text) ?? [];
      if (reply === undefined) return;
      text = '';
      const next = SAYS[step++];
      if (/^[45]/.test(reply) || next === undefined) end(reply.trim());
      else socket.write(next);
    });
  });
}

export interface Spread {
  readonly half: number;
  readonly most99: number;
  readonly longest: number;
}

export function spread(sent: readonly Sent[]): Spread {
  const took = sent.map((each) => each.took).sort((a, b) => a - b);
  const at = (part: number) =>
    Math.round((took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0) * 10) / 10;
  return { half: at(0.5), most99: at(0.99), longest: at(1) };
}
