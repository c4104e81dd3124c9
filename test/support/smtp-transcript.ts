/**
 * Plays a transcript against an engine (SMTP's, POP3's), over any client-side stream. Lines of a transcript:
 *
 *   # …           a comment
 *   ! name value  an option: `maxRecipients 2`, `sizeLimit 1000`, `notls`, `refuse`, `logins` (AUTH
 *                 is offered), `etrn`, `front` (the peer is one of ours), `waits` (the greeting comes late), `odmr` (the other service), `whole` (the packets matter: never cut into octets)
 *   C: text       sent with CRLF; successive ones go in one packet (pipelining)
 *   C> text       sent as it is; \r \n \0 \\ and \xHH stand for octets in both
 *   S: text       the next line from the server; {} in it stands for anything
 *   TLS           a TLS handshake
 *   EOF           the client ends its side
 *   CLOSED        the server has ended its side, and said nothing more
 *   KEPT n        so many mails were kept so far
 *   CALLED text   the session was last asked this
 *   K: text       a line of the content of the last mail that was kept; all of them, in order
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { TestSession } from './smtp-session.ts';

export interface Step {
  readonly kind: 'send' | 'expect' | 'tls' | 'eof' | 'closed' | 'kept' | 'called' | 'content';
  readonly text: string;
  readonly line: number;
}

export interface Transcript {
  readonly options: ReadonlyMap<string, string>;
  readonly steps: readonly Step[];
}

export function parseTranscript(text: string): Transcript {
  const options = new Map<string, string>();
  const steps: Step[] = [];
  text.split('\n').forEach((raw, i) => {
    const line = i + 1;
    const add = (kind: Step['kind'], value: string) => steps.push({ kind, text: value, line });
    const word = raw.split(' ')[0] ?? '';
    const rest = raw.slice(word.length + 1);
    if (raw === '' || word.startsWith('#')) return;
    if (word === '!') options.set(rest.split(' ')[0] ?? '', rest.split(' ')[1] ?? '');
    else if (word === 'C:') add('send', `${octets(rest)}\r\n`);
    else if (word === 'C>') add('send', octets(rest));
    else if (word === 'S:') add('expect', rest);
    else if (word === 'K:') add('content', `${octets(rest)}\r\n`);
    else if (word === 'KEPT' || word === 'CALLED') add(word.toLowerCase() as Step['kind'], rest);
    else if (['TLS', 'EOF', 'CLOSED'].includes(word)) add(word.toLowerCase() as Step['kind'], '');
    else throw new Error(`line ${line} is no transcript: ${raw}`);
  });
  return { options, steps };
}

function octets(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/\\(?:x([0-9a-f]{2})|([rn0\\]))/gi, (_, hex: string | undefined, letter: string) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : ({ r: '\r', n: '\n', '0': '\0' }[letter] ?? '\\'),
    );
}

/** The client's end of a connection, read by lines. */
export class TestClient {
  #stream: Duplex;
  #text = '';
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#attach();
  }

  #attach(): void {
    const ended = () => {
      this.#ended = true;
      this.#wake();
    };
    this.#stream.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    this.#stream.on('end', ended);
    this.#stream.on('close', ended);
    this.#stream.on('error', ended);
  }

  async send(text: string, bytewise = false): Promise<void> {
    const bytes = Buffer.from(text, 'latin1');
    for (let i = 0; i < bytes.length && !this.#stream.destroyed; i += bytewise ? 1 : bytes.length) {
      this.#stream.write(bytewise ? bytes.subarray(i, i + 1) : bytes);
      if (bytewise) await turn();
    }
  }

  /** Null: the server ended its side first. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (this.#ended) return null;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  /** A whole reply, its lines joined by LF. */
  async reply(): Promise<string> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === null) return lines.join('\n');
      lines.push(line);
      if (line[3] !== '-') return lines.join('\n');
    }
  }

  async startTls(): Promise<void> {
    this.#stream.removeAllListeners('data');
    const plain = this.#stream;
    const secure = connectTls({
      socket: plain as Socket,
      rejectUnauthorized: false,
      servername: 'mx2.example',
    });
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('error', reject);
    });
    this.#stream = secure;
    this.#attach();
  }

  /** What was said and not read, once the server ended its side. */
  async remains(): Promise<string> {
    let all = '';
    for (;;) {
      const line = await this.line();
      if (line === null) return all + this.#text;
      all += `${line}\n`;
    }
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}

export async function play(
  transcript: Transcript,
  client: TestClient,
  session: Pick<TestSession, 'kept' | 'calls'>,
  bytewise: boolean,
): Promise<void> {
  const { steps } = transcript;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    const where = `line ${step.line}`;
    if (step.kind === 'send') {
      let text = step.text;
      for (; steps[i + 1]?.kind === 'send'; i++) text += steps[i + 1]?.text;
      await client.send(text, bytewise);
    } else if (step.kind === 'expect') {
      const line = await client.line();
      assert.match(line ?? '(closed)', pattern(step.text), where);
    } else if (step.kind === 'tls') {
      await client.startTls();
    } else if (step.kind === 'eof') {
      client.end();
    } else if (step.kind === 'closed') {
      assert.equal(await client.remains(), '', where);
    } else if (step.kind === 'kept') {
      assert.equal(session.kept.length, Number(step.text), where);
    } else if (step.kind === 'called') {
      assert.equal(session.calls.at(-1), step.text, where);
    } else {
      let text = step.text;
      for (; steps[i + 1]?.kind === 'content'; i++) text += steps[i + 1]?.text;
      assert.equal(session.kept.at(-1)?.content.toString('latin1'), text, where);
    }
  }
  client.end();
  assert.equal(await client.remains(), '', 'after the end');
  assert.equal(session.calls.at(-1), 'closed');
}

function pattern(text: string): RegExp {
  const parts = text.split('{}').map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
