/** A server with one mailbox site and a certificate for `localhost`, and what the examiners look for. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { Daemon } from '../../support/daemon.ts';
import { PASSWORD, type Place } from './collectors.ts';
import type { Letter } from './letters.ts';

export class MailboxWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'restante-mailbox-'));
  readonly daemon: Daemon;

  static async start(mailbox = ''): Promise<MailboxWorld> {
    const daemon = await Daemon.make('sites: {}', { pop3s: true });
    const world = new MailboxWorld(daemon);
    await world.#certify();
    daemon.configure(
      `tls: [{ cert: ${world.#path('cert.pem')}, key: ${world.#path('key.pem')} }]\n` +
        `sites: { acme: { domains: [acme.example], collect: mailbox${mailbox} } }`,
    );
    writeFileSync(world.#path('password'), `${PASSWORD}\n`, { mode: 0o600 });
    mkdirSync(join(daemon.folder, 'spool'), { mode: 0o700 });
    const made = await daemon.command('secret', 'set', 'acme', '--password-file', world.#path('password'));
    assert.equal(made.code, 0, made.err);
    await daemon.start();
    return world;
  }

  private constructor(daemon: Daemon) {
    this.daemon = daemon;
  }

  place(name: string): Place {
    return { folder: this.#path(name), port: this.daemon.pop3s ?? 0, trust: this.#path('cert.pem') };
  }

  async close(): Promise<void> {
    await this.daemon.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  async #certify(): Promise<void> {
    const made = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    writeFileSync(this.#path('cert.pem'), made.cert);
    writeFileSync(this.#path('key.pem'), made.private);
  }
}

export const numberOf = (content: Buffer): number =>
  Number(/^Message-ID: <(\d+)@letters\.example>/m.exec(content.toString('latin1'))?.[1] ?? -1);

/** What a letter becomes below our Received field. */
export function renamed(letter: Letter): string {
  return letter.content
    .toString('latin1')
    .replace('\r\nX-Envelope-To: stranger', '\r\nX-Orig-Env-To: stranger')
    .replace('\r\nReturn-Path: <forged', '\r\nX-Orig-Path: <forged');
}

const FETCHMAILS = /^Received: from localhost\r\n(?:[ \t][^\r]*\r\n)*/;
const OURS = /^Received: from sender\.example [^\r]*by mx2\.example\.net\r\n(?:[ \t][^\r]*\r\n)*/;

/** Takes `field` from the front. */
function cut(text: string, field: RegExp | string, what: string): string {
  const found =
    typeof field === 'string' ? (text.startsWith(field) ? field : undefined) : field.exec(text)?.[0];
  assert.ok(found, `${what} is expected in front of ${JSON.stringify(text.slice(0, 300))}`);
  return text.slice(found.length);
}

/** `text`, CRLF, is the letter as a collector may leave it, octet for octet. */
export function examine(
  letter: Letter,
  text: string,
  by: 'fetchmail' | 'as it is',
  recipients: readonly string[] = letter.recipients,
): void {
  const latin1 = (s: string): string => Buffer.from(s).toString('latin1');
  const all = recipients.join(', ');
  const fits = Buffer.byteLength(letter.sender + recipients.join('')) + 2 * recipients.length <= 60;
  const list = fits ? all : recipients.join(',\r\n ');
  let rest = text;
  // fetchmail makes it the sender of its own MAIL.
  if (by !== 'fetchmail') rest = cut(rest, latin1(`Return-Path: <${letter.sender}>\r\n`), 'Return-Path');
  rest = cut(rest, latin1(`X-Envelope-To: ${list}\r\n`), 'X-Envelope-To');
  if (by === 'fetchmail') rest = cut(rest, FETCHMAILS, "fetchmail's Received field");
  rest = cut(rest, OURS, 'our Received field');
  assert.equal(rest, renamed(letter), `letter ${letter.number}`);
}
