/**
 * The beginning of a conversation with a server: greeting, EHLO (or HELO), STARTTLS, AUTH. What comes
 * out is a Wire that is ready for MAIL and what the server offers, or at which station it ended.
 *
 * Never goes on in clear where TLS was required; never sends a secret in clear unless TLS is switched
 * off by name; never rejects.
 *
 * RFC 5321 §3.1, §3.2, §4.1.1.1, §4.5.3.2; 3207; 4954, 4616 (PLAIN); 1870, 9422.
 */
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Clock, MINUTE, SECOND } from '../../../base/clock.ts';
import { isPositive, type Reply } from '../../../mail/reply.ts';
import { type Heard, isLost, type Lost, Wire } from './wire.ts';

/** RFC 5321 §4.5.3.2, and what it does not name. Milliseconds. */
export interface Deadlines {
  readonly greeting: number;
  readonly hello: number;
  readonly handshake: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly data: number;
  /** Without the peer reading anything of the content. */
  readonly block: number;
  readonly end: number;
  readonly quit: number;
}

export const RFC_DEADLINES: Deadlines = {
  greeting: 5 * MINUTE,
  hello: 5 * MINUTE,
  handshake: MINUTE,
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  end: 10 * MINUTE,
  quit: 5 * SECOND,
};

/** What a server says in EHLO. All false after HELO. */
export interface Offer {
  /** The first word of its reply: who it says it is. */
  readonly name: string;
  readonly esmtp: boolean;
  readonly pipelining: boolean;
  readonly chunking: boolean;
  /** Octets; absent when it names no limit. */
  readonly size?: number;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  readonly starttls: boolean;
  /** Upper case. */
  readonly auth: readonly string[];
  /** LIMITS RCPTMAX, RFC 9422 §3.2. */
  readonly rcptMax?: number;
  /** Keyword in upper case → its parameters. */
  readonly keywords: ReadonlyMap<string, string>;
}

/** `may`: any certificate, or none at all. `fingerprint`: SHA-256 in lower-case hex. */
export type ClientTls =
  | { readonly kind: 'none' | 'may' | 'verify' }
  | { readonly kind: 'fingerprint'; readonly sha256: readonly string[] };

export interface OpenOptions {
  /** Connected, and nothing read from it. */
  readonly socket: Duplex;
  readonly clock: Clock;
  /** Our name in EHLO. */
  readonly hostname: string;
  /** The server's name, for SNI and `verify`. */
  readonly host: string;
  readonly tls: ClientTls;
  /** PEM, beside the system's. */
  readonly ca?: readonly string[];
  readonly auth?: { readonly user: string; readonly password: string };
  readonly deadlines: Deadlines;
  readonly signal?: AbortSignal;
}

export type Station = 'greeting' | 'ehlo' | 'tls' | 'auth';

export interface OpenFailure {
  readonly kind: 'failure';
  readonly at: Station;
  readonly text: string;
  readonly reply?: Reply;
  readonly lost?: Lost;
  /** The TLS handshake failed, or STARTTLS was offered and refused: cleartext on a new connection may do. */
  readonly handshake?: true;
}

export interface Opened {
  readonly kind: 'opened';
  readonly wire: Wire;
  readonly offer: Offer;
  readonly tls?: { readonly version: string; readonly fingerprint: string };
}

export async function open(options: OpenOptions): Promise<Opened | OpenFailure> {
  const wire = new Wire(options.socket, options.clock);
  const abort = () => wire.lose({ lost: 'destroyed', text: 'given up' });
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted) abort();
  const result = await new Opening(wire, options).run();
  options.signal?.removeEventListener('abort', abort);
  if (result.kind === 'failure') wire.end();
  return result;
}

class Opening {
  readonly #wire: Wire;
  readonly #options: OpenOptions;

  constructor(wire: Wire, options: OpenOptions) {
    this.#wire = wire;
    this.#options = options;
  }

  async run(): Promise<Opened | OpenFailure> {
    const { tls, auth, deadlines } = this.#options;
    const greeting = await this.#hear(deadlines.greeting);
    if (isLost(greeting) || !isPositive(greeting)) return failed('greeting', greeting);
    let offer = await this.#hello();
    if ('kind' in offer) return offer;
    let secured: Opened['tls'];
    if (tls.kind !== 'none' && (offer.starttls || tls.kind !== 'may')) {
      if (!offer.starttls) return { kind: 'failure', at: 'tls', text: 'STARTTLS is not offered' };
      const done = await this.#startTls();
      if ('kind' in done) return done;
      secured = done;
      // RFC 3207 §4.2: what was said before is forgotten.
      offer = await this.#hello();
      if ('kind' in offer) return offer;
    }
    if (auth) {
      if (!secured && tls.kind !== 'none') {
        return { kind: 'failure', at: 'auth', text: 'no TLS, so the password is not sent' };
      }
      const refusal = await this.#authenticate(offer, auth);
      if (refusal) return refusal;
    }
    return { kind: 'opened', wire: this.#wire, offer, ...(secured && { tls: secured }) };
  }

  #hear(ms: number): Promise<Heard> {
    return new Promise((resolve) => this.#wire.expect(ms, resolve));
  }

  #say(line: string, ms: number): Promise<Heard> {
    return ask(this.#wire, line, ms);
  }

  #hello(): Promise<Offer | OpenFailure> {
    const { hostname, deadlines } = this.#options;
    return sayHello(this.#wire, hostname, deadlines.hello);
  }

  async #startTls(): Promise<NonNullable<Opened['tls']> | OpenFailure> {
    const { deadlines, host, tls, ca } = this.#options;
    const ready = await this.#say('STARTTLS', deadlines.hello);
    if (isLost(ready)) return failed('tls', ready);
    if (ready.code !== 220) return { ...failed('tls', ready), handshake: true };
    // Octets behind the 220 in clear would be taken for the server's words under TLS.
    if (!this.#wire.handOver()) {
      return { kind: 'failure', at: 'tls', text: 'more than a reply to STARTTLS', handshake: true };
    }
    const secure = connectTls({
      socket: this.#wire.socket,
      ...(isIP(host) ? { host } : { host, servername: host }),
      rejectUnauthorized: tls.kind === 'verify',
      ...(ca && tls.kind === 'verify' && { ca: [...ca] }),
    });
    const wrong = await this.#handshake(secure);
    if (wrong !== null) {
      secure.destroy();
      return { kind: 'failure', at: 'tls', text: `TLS handshake: ${wrong}`, handshake: true };
    }
    const fingerprint = fingerprintOf(secure);
    if (tls.kind === 'fingerprint' && !tls.sha256.includes(fingerprint)) {
      secure.destroy();
      return { kind: 'failure', at: 'tls', text: `the certificate is another: ${fingerprint}` };
    }
    this.#wire.replace(secure);
    return { version: secure.getProtocol() ?? 'TLS', fingerprint };
  }

  #handshake(secure: TLSSocket): Promise<string | null> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(this.#options.deadlines.handshake, () => resolve('timed out'));
      const done = (wrong: string | null) => {
        timer.cancel();
        resolve(wrong);
      };
      secure.once('secureConnect', () => done(null));
      // Stays: errors after the first must not end the process.
      secure.on('error', (e) => done(e.message));
      secure.once('close', () => done('connection closed by the peer'));
    });
  }

  async #authenticate(
    offer: Offer,
    { user, password }: { user: string; password: string },
  ): Promise<OpenFailure | null> {
    const { deadlines } = this.#options;
    let heard: Heard;
    if (offer.auth.includes('PLAIN')) {
      heard = await this.#say(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, deadlines.hello);
    } else if (offer.auth.includes('LOGIN')) {
      heard = await this.#say('AUTH LOGIN', deadlines.hello);
      for (const word of [user, password]) {
        if (isLost(heard) || heard.code !== 334) break;
        heard = await this.#say(base64(word), deadlines.hello);
      }
    } else {
      return { kind: 'failure', at: 'auth', text: 'neither AUTH PLAIN nor AUTH LOGIN is offered' };
    }
    return !isLost(heard) && heard.code === 235 ? null : failed('auth', heard);
  }
}

/** One command, one reply. */
function ask(wire: Wire, line: string, ms: number): Promise<Heard> {
  wire.command(line);
  return new Promise((resolve) => wire.expect(ms, resolve));
}

async function sayHello(wire: Wire, name: string, ms: number): Promise<Offer | OpenFailure> {
  const ehlo = await ask(wire, `EHLO ${name}`, ms);
  if (isLost(ehlo)) return failed('ehlo', ehlo);
  if (isPositive(ehlo)) return offerOf(ehlo, true);
  if (ehlo.code < 500) return failed('ehlo', ehlo);
  // RFC 5321 §3.2: a server without the extensions.
  const helo = await ask(wire, `HELO ${name}`, ms);
  return !isLost(helo) && isPositive(helo) ? offerOf(helo, false) : failed('ehlo', helo);
}

/**
 * The beginning once more, as somebody else: the server takes us for the client that these XCLIENT commands name, greets
 * him, and hears his EHLO. Within no mail. After a failure nobody knows for whom it takes us: the conversation is of no more use.
 * Postfix's XCLIENT_README.
 */
export async function reopen(
  opened: Opened,
  xclient: readonly string[],
  helo: string,
  deadlines: Deadlines,
): Promise<Opened | OpenFailure> {
  for (const line of xclient) {
    const greeting = await ask(opened.wire, line, deadlines.greeting);
    if (isLost(greeting) || !isPositive(greeting)) return failed('greeting', greeting);
  }
  const offer = await sayHello(opened.wire, helo, deadlines.hello);
  return 'kind' in offer ? offer : { ...opened, offer };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function fingerprintOf(secure: TLSSocket): string {
  // Absent for anonymous ciphers, which we do not offer.
  return (secure.getPeerCertificate().fingerprint256 ?? '').replaceAll(':', '').toLowerCase();
}

function failed(at: Station, heard: Heard): OpenFailure {
  if (isLost(heard)) {
    return { kind: 'failure', at, text: heard.text, lost: heard, ...(heard.reply && { reply: heard.reply }) };
  }
  return {
    kind: 'failure',
    at,
    text: [heard.code, heard.enhanced, heard.text.join('; ')].join(' '),
    reply: heard,
  };
}

/** RFC 5321 §4.1.1.1: one keyword a line, after the first. */
export function offerOf(reply: Reply, esmtp: boolean): Offer {
  const keywords = new Map<string, string>();
  if (esmtp) {
    for (const line of reply.text.slice(1)) {
      // "AUTH=PLAIN" is an old misspelling of "AUTH PLAIN".
      const word = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line.trimEnd());
      if (word?.[1])
        keywords.set(word[1].toUpperCase(), word[2] ?? keywords.get(word[1].toUpperCase()) ?? '');
    }
  }
  const size = positive(keywords.get('SIZE'));
  const rcptMax = positive(/(?:^| )RCPTMAX=(\d+)/i.exec(keywords.get('LIMITS') ?? '')?.[1]);
  return {
    name: reply.text[0]?.split(' ')[0] ?? '',
    esmtp,
    pipelining: keywords.has('PIPELINING'),
    chunking: keywords.has('CHUNKING'),
    ...(size !== null && { size }),
    eightBitMime: keywords.has('8BITMIME'),
    smtpUtf8: keywords.has('SMTPUTF8'),
    dsn: keywords.has('DSN'),
    starttls: keywords.has('STARTTLS'),
    auth: (keywords.get('AUTH') ?? '').toUpperCase().split(' ').filter(Boolean),
    ...(rcptMax !== null && { rcptMax }),
    keywords,
  };
}

/** RFC 1870 §4: SIZE without a number, or 0, names no limit. */
function positive(digits: string | undefined): number | null {
  return digits !== undefined && /^\d{1,15}$/.test(digits) && Number(digits) > 0 ? Number(digits) : null;
}
