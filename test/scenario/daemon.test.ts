/** The whole server, as its operator has it: a process, a file, signals, commands. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Daemon, until } from '../support/daemon.ts';

// Nothing listens there: the sites stay down.
const NOWHERE = 'primary: 127.0.0.1:9, recipients: any';
const ACME = `sites: { acme: { domains: [acme.example, other.example], ${NOWHERE} } }`;
const SPLIT = `sites: { acme: { domains: [acme.example], ${NOWHERE} }, other: { domains: [other.example], ${NOWHERE} } }`;
const GONE = `sites: { other: { domains: [other.example], ${NOWHERE} } }`;

interface Row {
  id: string;
  site: string;
  recipients: string[];
  state: string;
}

const daemons: Daemon[] = [];
async function daemon(sites: string): Promise<Daemon> {
  const made = await Daemon.make(sites);
  daemons.push(made);
  await made.start();
  return made;
}
afterEach(async () => {
  for (const one of daemons.splice(0)) await one.remove();
});

const rows = async (d: Daemon): Promise<string[]> =>
  (await d.json<Row[]>('queue', 'list')).map((r) => `${r.site} ${r.recipients.join(',')} ${r.state}`).sort();

test('a reload loses no connection, and queued mail follows its domain; with no site left it is held', async () => {
  const d = await daemon(ACME);
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  await peer.mail(['joe@acme.example', 'ann@other.example'], 'Subject: both');
  await peer.mail(['joe@acme.example'], 'Subject: one');
  assert.deepEqual(await rows(d), [
    'acme joe@acme.example queued',
    'acme joe@acme.example,ann@other.example queued',
  ]);

  // In the middle of a transaction.
  await peer.say('MAIL FROM:<friend@elsewhere.example>');
  let from = d.log.length;
  d.configure(SPLIT);
  await d.reload();
  assert.equal((await d.event('reloaded', from)).moved, 1);
  assert.match(await peer.say('RCPT TO:<joe@acme.example>'), /^250/);
  await peer.say('RSET');
  assert.deepEqual(await rows(d), [
    'acme joe@acme.example queued',
    'acme joe@acme.example queued',
    'other ann@other.example queued',
  ]);

  from = d.log.length;
  d.configure(GONE);
  await d.reload();
  assert.equal((await d.event('reloaded', from)).held, 2);
  await peer.say('MAIL FROM:<friend@elsewhere.example>');
  assert.match(await peer.say('RCPT TO:<joe@acme.example>'), /^550 5\.7\.1/);
  await peer.say('RSET');
  const held = await d.json<(Row & { hold?: unknown })[]>('queue', 'list');
  assert.deepEqual(held.map((r) => r.state).sort(), ['held', 'held', 'queued']);

  from = d.log.length;
  d.configure(ACME);
  await d.reload();
  await d.event('reloaded', from);
  assert.ok(
    (await rows(d)).every((r) => r.startsWith('acme ') && r.endsWith(' queued')),
    String(await rows(d)),
  );
  assert.match(await peer.say('QUIT'), /^221/);
});

test('a bad file changes nothing, and the log says where it is wrong', async () => {
  const d = await daemon(ACME);
  d.configure('sites: { acme: { domians: [acme.example] } }');
  await d.reload();
  const refused = await d.event('reload refused');
  assert.match(String(refused.problems), /restante\.yaml:4:\d+: .*domians.*domains/);
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  assert.match((await peer.mail(['joe@acme.example'], 'Subject: still')).end, /^250 2\.0\.0/);
  assert.equal((await d.command('check')).code, 2);
});

test('SIGTERM ends it in order within ten seconds: idle peers are told 421', async () => {
  const d = await daemon(ACME);
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  const begun = performance.now();
  const ended = d.end('SIGTERM');
  assert.match(await peer.reply(), /^421/);
  assert.equal(await ended, 0);
  assert.ok(performance.now() - begun < 10_000);
});

test('what was answered 250 is there after kill -9 in the middle of receiving, and is shown', async () => {
  const d = await daemon(ACME);
  const acknowledged = new Set<string>();
  const senders = Array.from({ length: 8 }, async (_, n) => {
    const peer = await d.peer();
    await peer.say('EHLO sender.example');
    for (let i = 0; ; i++) {
      const { end } = await peer.mail(
        [`u${n}-${i}@acme.example`],
        `Subject: ${n} ${i}\r\n\r\n${'x'.repeat(3000)}`,
      );
      if (!end.startsWith('250')) return;
      acknowledged.add(`u${n}-${i}@acme.example`);
    }
  });
  await until('some mail', () => acknowledged.size > 200 || null);
  await d.end('SIGKILL');
  await Promise.all(senders);
  await d.start();
  const there = new Set((await d.json<Row[]>('queue', 'list')).flatMap((r) => r.recipients));
  const lost = [...acknowledged].filter((r) => !there.has(r));
  assert.deepEqual(lost, []);
  // At most one for each sender whose 250 was lost.
  assert.ok(there.size - acknowledged.size <= 8, `${there.size} there, ${acknowledged.size} acknowledged`);
});

test('STARTTLS is always offered, and the self-signed key is the same after a restart', async () => {
  const d = await daemon(ACME);
  const fingerprint = async (): Promise<string> => {
    const peer = await d.peer();
    assert.match(await peer.say('EHLO sender.example'), /STARTTLS/);
    assert.match(await peer.say('STARTTLS'), /^220/);
    const secure = connectTls({ socket: peer.socket, rejectUnauthorized: false });
    await new Promise((done, fail) => secure.once('secureConnect', done).once('error', fail));
    const { raw } = secure.getPeerCertificate();
    secure.destroy();
    return new X509Certificate(raw).fingerprint256;
  };
  const first = await fingerprint();
  await d.end('SIGTERM');
  await d.start();
  assert.equal(await fingerprint(), first);
});

test('a second server on the same spool is refused, and the first goes on', async () => {
  const d = await daemon(ACME);
  const { code, err } = await d.command('serve');
  assert.equal(code, 1);
  assert.match(err, /in use by another process/);
  const peer = await d.peer();
  assert.match(await peer.say('NOOP'), /^250/);
});

test("an operator's commands on mail: show, hold, release, export, remove, trace", async () => {
  const d = await daemon(ACME);
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  const { end } = await peer.mail(['joe@acme.example'], 'Subject: seen\r\n\r\nbody');
  const id = /held as (\S+)/.exec(end)?.[1] ?? '';
  assert.match((await d.command('queue', 'show', id)).out, /joe@acme\.example/);
  assert.equal((await d.command('queue', 'hold', id, '--reason', 'look at it')).code, 0);
  assert.deepEqual(await rows(d), ['acme joe@acme.example held']);
  assert.equal((await d.command('queue', 'release', id)).code, 0);
  assert.deepEqual(await rows(d), ['acme joe@acme.example queued']);
  const out = join(d.folder, 'out');
  assert.equal((await d.command('queue', 'export', id, '--output', out)).code, 0);
  assert.match(
    readFileSync(join(out, `${id}.eml`), 'utf8'),
    /^Received: from .*\r\n[\s\S]*Subject: seen\r\n\r\nbody\r\n$/,
  );
  assert.equal((await d.command('queue', 'remove', id)).code, 0);
  assert.deepEqual(await rows(d), []);
  const { out: life } = await d.command('trace', id);
  assert.match(life, /mail accepted[\s\S]*joe@acme\.example/);
  assert.match(life, /remove/);
});
