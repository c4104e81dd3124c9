/**
 * The whole server while its operator changes the way a site collects: push, etrn, odmr, mailbox, batch, and push
 * again, by SIGHUP, each time with mail in the queue and a handover half-way. Each mail is compared: it comes
 * once, by one of the ways, to its recipients, from its sender.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, test } from 'node:test';
import { examined } from '../peer/calls/world.ts';
import { letter, post } from '../peer/mailbox/letters.ts';
import { examine, numberOf } from '../peer/mailbox/world.ts';
import { Daemon, freePort, Peer, until } from '../support/daemon.ts';
import { FakePrimary } from '../support/fake-primary.ts';

const TAKE = resolve(import.meta.dirname, '../support/take-mail.sh');
const PASSWORD = 'post-restante';
/** Mails that come before each way. */
const EACH = 12;
/** Handed over when the way changes. */
const SOME = 3;

/** What the customer's mail server says can be kept back. */
class Valve {
  readonly #server: Server;
  readonly #kept: { to: Socket; octets: Buffer }[] = [];
  #shut = false;

  constructor(sink: FakePrimary, port: number) {
    this.#server = createServer((from) => this.join(from, sink)).listen(port, '127.0.0.1');
  }

  join(from: Socket, sink: FakePrimary): void {
    const to = connect({ host: sink.host, port: sink.port, noDelay: true });
    from.pipe(to);
    to.on('data', (octets: Buffer) => {
      if (this.#shut) this.#kept.push({ to: from, octets });
      else from.write(octets);
    });
    to.on('end', () => from.end());
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const)
      one.on('error', () => other.destroy());
  }

  get shut(): boolean {
    return this.#shut;
  }

  close(): void {
    this.#shut = true;
  }

  open(): void {
    this.#shut = false;
    for (const { to, octets } of this.#kept.splice(0)) to.write(octets);
  }

  end(): void {
    this.#server.close();
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

class Ways {
  readonly daemon: Daemon;
  readonly sink: FakePrimary;
  readonly valve: Valve;
  readonly taken: string;
  readonly ports: { readonly home: number; readonly odmr: number; readonly pop3: number };
  /** Numbers of mails, in the order in which they came home. */
  readonly home: number[] = [];
  #posted = 0;

  static async start(): Promise<Ways> {
    const ports = { home: await freePort(), odmr: await freePort(), pop3: await freePort() };
    const ways = new Ways(await Daemon.make('sites: {}'), await FakePrimary.start(), ports);
    const { daemon } = ways;
    process.env.TAKEN = ways.taken;
    mkdirSync(ways.taken);
    mkdirSync(join(daemon.folder, 'spool'), { mode: 0o700 });
    writeFileSync(join(daemon.folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
    ways.#configure('push');
    const made = await daemon.command(
      ...['secret', 'set', 'acme', '--cram', '--password-file', join(daemon.folder, 'password')],
    );
    assert.equal(made.code, 0, made.err);
    await daemon.start();
    return ways;
  }

  private constructor(daemon: Daemon, sink: FakePrimary, ports: Ways['ports']) {
    this.daemon = daemon;
    this.sink = sink;
    this.ports = ports;
    this.taken = join(daemon.folder, 'taken');
    this.valve = new Valve(sink, ports.home);
    cleanups.push(() => {
      this.valve.end();
      return this.sink.stop();
    });
    cleanups.push(() => daemon.remove());
  }

  #configure(way: string, extra = ''): void {
    const { daemon, ports } = this;
    const port = (of: number) => `["127.0.0.1:${of}"]`;
    const more = {
      push: `primary: "127.0.0.1:${ports.home}", connections: 1`,
      etrn: `primary: "127.0.0.1:${ports.home}", connections: 1`,
      batch: `batch: { command: [${TAKE}, "{recipients}"], every: 1d }`,
    }[way];
    writeFileSync(
      daemon.file,
      `hostname: mx2.example.net\nspool: ./spool\n${daemon.names.line}\n` +
        `listen: { smtp: ${port(daemon.port)}, odmr: ${port(ports.odmr)}, pop3: ${port(ports.pop3)} }\n` +
        `sites: { acme: { domains: [acme.example], collect: ${way}${more ? `, ${more}` : ''}${extra} } }\n`,
    );
  }

  async arrive(): Promise<void> {
    const letters = Array.from({ length: EACH }, (_, i) => letter(this.#posted + i));
    await post(this.daemon.port, letters);
    this.#posted += EACH;
  }

  get posted(): number[] {
    return Array.from({ length: this.#posted }, (_, i) => i);
  }

  async change(way: string, extra = ''): Promise<void> {
    const from = this.daemon.log.length;
    this.#configure(way, extra);
    await this.daemon.reload();
    await this.daemon.event('reloaded', from);
  }

  /** The reply to the last of `SOME` mails is on its way, and stays there. */
  halfWay(): Promise<unknown> {
    const from = this.sink.mails.length;
    this.sink.options = {
      script: (station) => {
        const ends = station === 'end' || station === 'bdat';
        if (ends && this.sink.mails.length >= from + SOME - 1) this.valve.close();
        return undefined;
      },
    };
    return until('a handover that is half-way', () =>
      this.valve.shut && this.sink.mails.length >= from + SOME ? true : null,
    );
  }

  /** Lets it end; resolves when the new way has the queue. */
  async goOn(): Promise<void> {
    this.sink.options = {};
    this.valve.open();
    await until('the end of the lines', () => (this.sink.open === 0 ? true : null));
    for (const mail of this.sink.mails.splice(0)) this.home.push(examined(mail));
  }

  async queued(): Promise<number> {
    return (await this.site()).queued;
  }

  async site(): Promise<{ queued: number; state: string }> {
    const { queued, state } = JSON.parse(await this.ask('GET', '/sites/acme'));
    return { queued, state };
  }

  /** A command is a process of its own, and costs more than all that is asked here. */
  ask(method: 'GET' | 'POST', path: string): Promise<string> {
    return new Promise((done, failed) => {
      const asked = request(
        { socketPath: join(this.daemon.folder, 'spool/control'), method, path },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => (text += String(chunk)));
          answer.on('end', () => done(text));
        },
      );
      asked.once('error', failed);
      asked.end(method === 'POST' ? '{}' : undefined);
    });
  }

  flush(): Promise<string> {
    return this.ask('POST', '/sites/acme/flush');
  }

  /** Nothing was lost, and nothing came twice, up to now. */
  async settled(left: (queued: number) => boolean): Promise<void> {
    assert.equal(new Set(this.home).size, this.home.length, `twice: ${this.home}`);
    // The last answer may still be on its way to the disk.
    const queued = await until(`${this.home.length} mails at home, and the others here`, async () => {
      const here = await this.queued();
      return this.home.length + here === this.#posted ? here : null;
    });
    assert.ok(left(queued), `${queued} left`);
  }

  async etrn(): Promise<void> {
    const peer = await this.daemon.peer();
    await peer.say('EHLO home.example');
    assert.match(await peer.say('ETRN acme.example'), /^250/);
    peer.close();
  }

  async atrn(): Promise<void> {
    const peer = await Peer.to(this.ports.odmr);
    await peer.say('EHLO home.example');
    const plain = Buffer.from(`\0acme\0${PASSWORD}`).toString('base64');
    assert.match(await peer.say(`AUTH PLAIN ${plain}`), /^235/);
    assert.match(await peer.say('ATRN acme.example'), /^250/);
    peer.socket.removeAllListeners('data');
    this.valve.join(peer.socket, this.sink);
  }

  /** Fetches and marks as deleted `count` mails, or all; the session goes on. */
  async fetch(count = Number.POSITIVE_INFINITY): Promise<Pop3> {
    const pop3 = await until('the mailbox', () => Pop3.open(this.ports.pop3));
    const there = Number(/^\+OK (\d+)/.exec(await pop3.say('STAT'))?.[1]);
    for (let n = 1; n <= Math.min(count, there); n++) {
      const text = (await pop3.say(`RETR ${n}`, true)).replaceAll('\r\n.', '\r\n');
      const content = text.slice(text.indexOf('\r\n') + 2, -'\r\n'.length);
      const number = numberOf(Buffer.from(content, 'latin1'));
      examine(letter(number), content, 'as it is');
      this.home.push(number);
      assert.match(await pop3.say(`DELE ${n}`), /^\+OK/);
    }
    return pop3;
  }

  /** What the command took so far. */
  collect(): void {
    for (const name of readdirSync(this.taken)) {
      if (!name.startsWith('words.') || name.endsWith('.part')) continue;
      const words = readFileSync(join(this.taken, name), 'utf8').trimEnd().split('\n');
      const input = readFileSync(join(this.taken, name.replace('words', 'input')), 'latin1');
      const number = numberOf(Buffer.from(input, 'latin1'));
      const expected = letter(number);
      assert.deepEqual(words, expected.recipients);
      const text = input.replace(/^From .*\nReceived: .*\n(?:[ \t].*\n)*/, '');
      assert.equal(text, expected.content.toString('latin1').replaceAll('\r\n', '\n'), `letter ${number}`);
      const sender = expected.sender || '<>';
      assert.ok(input.startsWith(`From ${sender} `), input.slice(0, 100));
      this.home.push(number);
    }
    rmSync(this.taken, { recursive: true });
    mkdirSync(this.taken);
  }
}

class Pop3 {
  readonly #socket: Socket;
  #text = '';

  static async open(port: number): Promise<Pop3 | null> {
    const pop3 = new Pop3(connect(port, '127.0.0.1'));
    await pop3.#reply(false);
    await pop3.say('USER acme');
    const said = await pop3.say(`PASS ${PASSWORD}`);
    if (said.startsWith('+OK')) return pop3;
    assert.match(said, /\[IN-USE\]/);
    pop3.#socket.destroy();
    return null;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (octets: Buffer) => (this.#text += octets.toString('latin1')));
  }

  /** What it says on its own before it hangs up. */
  async rest(): Promise<string> {
    await until('the end of the session', () => (this.#socket.readableEnded ? true : null));
    return this.#text;
  }

  say(command: string, lines = false): Promise<string> {
    this.#socket.write(`${command}\r\n`);
    return this.#reply(lines);
  }

  #reply(lines: boolean): Promise<string> {
    return until('a reply', () => {
      const many = lines && this.#text.startsWith('+OK');
      const end = many ? this.#text.indexOf('\r\n.\r\n') + 5 : this.#text.indexOf('\r\n') + 2;
      if (end < (many ? 5 : 2)) return null;
      const reply = this.#text.slice(0, end - (many ? 1 : 0));
      this.#text = this.#text.slice(end);
      return many ? `${reply.slice(0, -2)}\r\n` : reply;
    });
  }
}

test('from way to way and back, in the middle of a handover each time: every mail comes once', async () => {
  const w = await Ways.start();
  const some = (queued: number) => queued > 0;

  const half = w.halfWay();
  await w.arrive();
  await half;
  await w.change('etrn');
  await w.goOn();
  await until('the new way', async () => ((await w.site()).state === 'waiting' ? true : null));
  await w.settled(some);

  await w.arrive();
  const called = w.halfWay();
  await w.etrn();
  await called;
  await w.change('odmr');
  await w.goOn();
  await w.settled(some);

  await w.arrive();
  const turned = w.halfWay();
  await w.atrn();
  await turned;
  await w.change('mailbox');
  await w.goOn();
  await w.settled(some);

  await w.arrive();
  const session = await w.fetch(SOME);
  await w.change('batch');
  // What it had fetched when the queue was taken from it counts; there is nothing more for it.
  assert.match(await session.say('RETR 4'), /^-ERR/);
  assert.match(await session.say('QUIT'), /^\+OK/);
  await w.settled(some);

  await w.arrive();
  // A command that ends well, later.
  writeFileSync(join(w.taken, 'do'), 'wait');
  await w.flush();
  await until('a command', () =>
    readdirSync(w.taken).some((name) => name.startsWith('words.')) ? true : null,
  );
  await w.change('push');
  assert.equal(w.sink.mails.length, 0);
  rmSync(join(w.taken, 'do'));
  await w.arrive();
  await until('an empty queue', async () => ((await w.queued()) === 0 ? true : null));
  w.collect();
  assert.ok(w.sink.mails.length > EACH, `${w.sink.mails.length} mails went by the new way`);
  await w.goOn();
  assert.ok(!existsSync(join(w.taken, 'words.0')));
  await w.settled((queued) => queued === 0);
  assert.deepEqual(
    [...w.home].sort((a, b) => a - b),
    w.posted,
  );
  assert.deepEqual(w.sink.violations, []);
});

test('a peer that falls silent keeps the queue from its new way for seconds only; nothing is lost or comes twice', async () => {
  const w = await Ways.start();
  const within = async <T>(seconds: number, what: Promise<T>): Promise<T> => {
    const begun = performance.now();
    const done = await what;
    const took = (performance.now() - begun) / 1000;
    assert.ok(took < seconds, `${took} s`);
    return done;
  };
  await w.change('mailbox');
  await w.arrive();
  const silent = await w.fetch(0);
  const half = w.halfWay();
  await w.change('etrn');
  await w.etrn();
  await within(20, half);
  assert.match(await silent.rest(), /^-ERR \[SYS\/TEMP\] The mail is collected in another way now/);

  // The answer to a mail that was sent to its end does not come: that mail may be there, and waits for it.
  await w.change('mailbox');
  const session = await within(20, w.fetch());
  assert.match(await session.say('QUIT'), /^\+OK/);
  await w.daemon.event('given up with mail in doubt');
  const inDoubt = await w.queued();
  assert.ok(inDoubt > 0 && inDoubt <= 4, `${inDoubt} in doubt`);
  await w.goOn();
  await w.settled((queued) => queued === inDoubt - 1);
  const last = await w.fetch();
  assert.match(await last.say('QUIT'), /^\+OK/);
  await w.settled((queued) => queued === 0);
  assert.deepEqual(w.sink.violations, []);
});

test('a mailbox with a bound: the note stands in it instead of the large mail, which comes when it is released', async () => {
  const w = await Ways.start();
  await w.change('mailbox', ', largest: 8KB');
  const peer = await w.daemon.peer();
  await peer.say('EHLO sender.example');
  const send = async (subject: string, lines: number): Promise<string> => {
    const { end } = await peer.mail(
      ['joe@acme.example', 'ann@acme.example'],
      `Subject: ${subject}\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(lines)}end`,
    );
    return /held as (\S+)/.exec(end)?.[1] ?? '';
  };
  await send('small', 1);
  const large = await send('large', 1000);
  const session = async (): Promise<string[]> => {
    const pop3 = await until('the mailbox', () => Pop3.open(w.ports.pop3));
    const texts: string[] = [];
    const there = Number(/^\+OK (\d+)/.exec(await pop3.say('STAT'))?.[1]);
    for (let n = 1; n <= there; n++) texts.push(await pop3.say(`RETR ${n}`, true));
    for (let n = 1; n <= there; n++) await pop3.say(`DELE ${n}`);
    assert.match(await pop3.say('QUIT'), /^\+OK/);
    return texts.map((text) => /^Subject: (.*)\r$/m.exec(text)?.[1] ?? text);
  };
  const [small, note, ...none] = await session();
  assert.equal(small, 'small');
  assert.match(note ?? '', /^A large mail is kept for you \(\d+ octets\)$/);
  assert.deepEqual(none, []);
  assert.deepEqual(await session(), [], 'it is told once');
  assert.equal((await w.daemon.command('queue', 'release', large)).code, 0);
  assert.deepEqual(await session(), ['large']);
  assert.equal(await w.queued(), 0);
  peer.close();
});
