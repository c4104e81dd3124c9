/** A server with one site that calls, the site's own mail server, and fetchmail as its caller. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { Daemon, freePort } from '../../support/daemon.ts';
import { type FakeMail, FakePrimary } from '../../support/fake-primary.ts';
import { letter } from '../mailbox/letters.ts';

const PLUGIN = resolve(import.meta.dirname, '../../../examples/fetchmail-starttls.sh');
export const PASSWORD = 'a secret of twenty';

export class CallWorld {
  readonly daemon: Daemon;
  readonly sink: FakePrimary;
  readonly odmr: number;
  readonly call: number;
  /**
   * Another way into the sink: fetchmail gives mail to it line by line, and each waits 40 ms for the
   * acknowledgement of the one before over TCP.
   */
  readonly #door: Server;

  /** `site`: lines of the site, in braces. */
  static async start(site: (sink: number) => string): Promise<CallWorld> {
    const daemon = await Daemon.make('sites: {}');
    const sink = await FakePrimary.start();
    const world = new CallWorld(daemon, sink, await freePort(), await freePort());
    const { port, file, folder, names } = daemon;
    writeFileSync(
      file,
      [
        'hostname: mx2.example.net',
        'spool: ./spool',
        names.line,
        'listen:',
        `  smtp: ["127.0.0.1:${port}"]`,
        `  odmr: ["127.0.0.1:${world.odmr}"]`,
        `  call: ["127.0.0.1:${world.call}"]`,
        `sites: { acme: { domains: [acme.example], ${site(sink.port)} } }`,
        '',
      ].join('\n'),
    );
    mkdirSync(join(folder, 'spool'), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
    const set = await daemon.command(
      ...['secret', 'set', 'acme', '--cram', '--password-file', join(folder, 'password')],
    );
    assert.equal(set.code, 0, set.err);
    await daemon.start();
    return world;
  }

  private constructor(daemon: Daemon, sink: FakePrimary, odmr: number, call: number) {
    this.daemon = daemon;
    this.sink = sink;
    this.odmr = odmr;
    this.call = call;
    this.#door = createServer((from) => {
      const to = connect({ host: sink.host, port: sink.port, noDelay: true });
      from.on('error', () => to.destroy());
      to.on('error', () => from.destroy());
      from.pipe(to).pipe(from);
    }).listen(this.#doorAt);
  }

  get #doorAt(): string {
    return join(this.daemon.folder, 'sink');
  }

  async close(): Promise<void> {
    await this.daemon.remove();
    await this.sink.stop();
    this.#door.close();
  }

  /** fetchmail, by these lines of its rc file. */
  fetchmail(lines: readonly string[]): Run {
    const home = join(this.daemon.folder, 'fetchmail');
    mkdirSync(home, { recursive: true });
    const rc = join(home, 'rc');
    writeFileSync(rc, `${lines.join('\n')}\n`, { mode: 0o600 });
    return new Run(
      'fetchmail',
      ['-v', '-f', rc, '--nodetach', '--nosyslog', '--pidfile', join(home, 'pid')],
      home,
    );
  }

  byOdmr(): Run {
    return this.fetchmail([
      `poll 127.0.0.1 service ${this.odmr} protocol odmr`,
      `  user "acme" password "${PASSWORD}"`,
      '  fetchdomains acme.example',
      `  smtphost "${this.#doorAt}"`,
      '  sslproto ""',
    ]);
  }

  /** By the plugin in `examples`; `trust`: what signs for the server. */
  byOdmrInTls(trust: string): Run {
    return this.fetchmail([
      `poll 127.0.0.1 service ${this.odmr} protocol odmr`,
      `  plugin "${PLUGIN} mx2.example.net %h %p ${trust}"`,
      `  user "acme" password "${PASSWORD}"`,
      '  fetchdomains acme.example',
      `  smtphost "${this.#doorAt}"`,
      '  sslproto ""',
    ]);
  }

  byEtrn(): Run {
    return this.fetchmail([
      `poll 127.0.0.1 service ${this.daemon.port} protocol etrn`,
      '  fetchdomains acme.example',
      '  sslproto ""',
    ]);
  }

  async queued(): Promise<number> {
    const [site] = await this.daemon.json<{ queued: number; state: string }[]>('site', 'list');
    return site?.queued ?? -1;
  }

  async state(): Promise<string> {
    const [site] = await this.daemon.json<{ state: string }[]>('site', 'list');
    return site?.state ?? '';
  }
}

export class Run {
  readonly child: ChildProcess;
  output = '';

  constructor(program: string, args: readonly string[], home: string) {
    const env = { ...process.env, HOME: home, FETCHMAILHOME: home, LC_ALL: 'C' };
    this.child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text) => (this.output += String(text)));
    }
  }

  /** The exit code, or the signal; killed if it goes on for `ms`. */
  async end(ms: number): Promise<number | string | null> {
    const { child } = this;
    const late = setTimeout(() => child.kill('SIGKILL'), ms);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    clearTimeout(late);
    return child.exitCode ?? child.signalCode;
  }
}

const OURS = /^Received: from sender\.example [^\r]*by mx2\.example\.net\r\n(?:[ \t][^\r]*\r\n)*/;

/** The mail is the letter, to its recipients, from its sender, octet for octet below our Received field. */
export function examined(mail: FakeMail): number {
  const text = mail.content.toString('latin1');
  const number = Number(/^Message-ID: <(\d+)@letters\.example>/m.exec(text)?.[1] ?? -1);
  const expected = letter(number);
  assert.equal(mail.sender, expected.sender, `sender of ${number}`);
  const utf8 = (s: string): string => Buffer.from(s, 'latin1').toString('utf8');
  assert.deepEqual(
    mail.recipients.map((r) => (r.includes('\xc3') ? utf8(r) : r)),
    expected.recipients,
    `recipients of ${number}`,
  );
  const ours = OURS.exec(text)?.[0];
  assert.ok(ours, text.slice(0, 300));
  assert.equal(text.slice(ours.length), expected.content.toString('latin1'), `letter ${number}`);
  return number;
}
