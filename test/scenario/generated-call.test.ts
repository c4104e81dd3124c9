/** The caller's script as it is generated, run by sh: over HTTPS, and by SMTP; from an address that changes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { Daemon, freePort, until } from '../support/daemon.ts';
import { FakePrimary } from '../support/fake-primary.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Said {
  code: number;
  out: string;
  err: string;
}
const sh = (file: string, env: Record<string, string>, ...args: string[]): Promise<Said> =>
  new Promise((done) => {
    execFile('sh', [file, ...args], { env: { ...process.env, ...env } }, (fault, out, err) =>
      done({ code: typeof fault?.code === 'number' ? fault.code : fault ? -1 : 0, out, err }),
    );
  });

/** A site without a lasting address, and its mail server at two of them. */
async function start(token: string | null) {
  const d = await Daemon.make('sites: {}');
  cleanups.push(() => d.remove());
  const call = await freePort();
  const mta = await freePort();
  const configure = (more: string) =>
    writeFileSync(
      d.file,
      `hostname: mx2.example.net\nspool: ./spool\n${d.names.line}\nlisten: { smtp: ["127.0.0.1:${d.port}"], call: ["127.0.0.1:${call}"] }\n` +
        `sites: { acme: { domains: [acme.example], collect: etrn, primary: "caller:${mta}"${more} } }\n`,
    );
  configure(token === null ? '' : `, token: ${token}`);
  const at = async (host: string) => {
    const primary = await FakePrimary.start({ host }, mta);
    cleanups.push(() => primary.stop());
    return primary;
  };
  return { d, call, configure, homes: [await at('127.0.0.5'), await at('127.0.0.6')] as const };
}

async function mail(d: Daemon, subject: string): Promise<void> {
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  await peer.mail(['joe@acme.example'], `Subject: ${subject}`);
  peer.close();
}

async function calls(d: Daemon, script: string, at: string, homes: readonly FakePrimary[]): Promise<void> {
  for (const [i, home] of homes.entries()) {
    await mail(d, `number ${i}`);
    const { code, err } = await sh(script, { CALL_AT: at, CALL_FROM: home.host });
    assert.equal(code, 0, err);
    await until('the mail', () => (home.mails.length === 1 ? true : null));
    assert.match(home.mails[0]?.content.toString() ?? '', new RegExp(`Subject: number ${i}`));
  }
}

test('over HTTPS with the token: the mail goes to where the site is now', async () => {
  const { d, call, configure, homes } = await start(null);
  await d.start();
  const folder = join(d.folder, 'caller');
  const made = await d.json<{ token: string }>('generate', 'etrn', 'acme', '--dir', folder);
  configure(`, token: ${made.token}`);
  const from = d.log.length;
  await d.reload();
  await d.event('reloaded', from);
  const script = join(folder, 'call');
  assert.equal(statSync(join(folder, 'secret')).mode & 0o777, 0o600);
  assert.ok(!readFileSync(script, 'utf8').includes(readFileSync(join(folder, 'secret'), 'utf8').trim()));
  await calls(d, script, `127.0.0.1:${call}`, homes);
  // Linked into what runs when the line comes up, with the words of that; NetworkManager also tells when it goes down.
  symlinkSync(script, join(d.folder, '90-call'));
  const hook = join(d.folder, '90-call');
  const at = { CALL_AT: `127.0.0.1:${call}`, CALL_FROM: homes[0].host };
  const up = await sh(hook, at, 'ppp0', '/dev/ttyS0', '115200', '192.0.2.77', '192.0.2.1');
  assert.deepEqual([up.code, up.err], [0, '']);
  assert.notEqual(up.out, '');
  const down = await sh(hook, { ...at, NM_DISPATCHER_ACTION: 'down' }, 'eth0', 'down');
  assert.deepEqual([down.code, down.out], [0, '']);
  await mail(d, 'to another address');
  assert.equal((await sh(script, at, '--to', homes[1].host)).code, 0);
  await until('the mail at the address that was named', () => (homes[1].mails.length === 2 ? true : null));
  writeFileSync(join(folder, 'secret'), 'wrong\n');
  const wrong = await sh(script, { CALL_AT: `127.0.0.1:${call}` });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /answers 401/);
  // What is there is not overwritten.
  assert.equal((await d.command('generate', 'etrn', 'acme', '--dir', folder)).code, 1);
});

test('by SMTP with a login in TLS: the same', async () => {
  const { d, homes } = await start(null);
  mkdirSync(join(d.folder, 'spool'), { recursive: true, mode: 0o700 });
  writeFileSync(join(d.folder, 'password'), 'quite a secret\n', { mode: 0o600 });
  await d.command('secret', 'set', 'acme', '--password-file', join(d.folder, 'password'));
  await d.start();
  const folder = join(d.folder, 'caller');
  assert.equal((await d.command('generate', 'etrn', 'acme', '--over', 'smtp', '--dir', folder)).code, 0);
  writeFileSync(join(folder, 'secret'), 'quite a secret\n', { mode: 0o600 });
  const script = join(folder, 'call');
  await calls(d, script, `127.0.0.1:${d.port}`, homes);
  const empty = await sh(script, { CALL_AT: `127.0.0.1:${d.port}` });
  assert.match(empty.out, /^251 /, empty.err);
  writeFileSync(join(folder, 'secret'), 'wrong\n');
  const wrong = await sh(script, { CALL_AT: `127.0.0.1:${d.port}` });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /^call: 535/);
});
