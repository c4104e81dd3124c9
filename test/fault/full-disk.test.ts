/**
 * The whole server on a file system that is really full: SMTP answers 452, `restante status` says so, mail that
 * is held is handed over, and when room returns mail is taken again without a restart. Needs root: it mounts a
 * file system in memory.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Daemon, freePort, until } from '../support/daemon.ts';
import { FakePrimary } from '../support/fake-primary.ts';

const MB = 1024 * 1024;
/** The room kept back is 72 MB of it. */
const SIZE = 128;

interface Status {
  readonly spool: { readonly state: string; readonly entries: number; readonly why?: string };
}

test('on a full file system mail is refused, 452, held mail drains, and room that returns is used', {
  timeout: 90_000,
}, async () => {
  assert.equal(process.getuid?.(), 0, 'root is needed to mount a file system');
  const primaryPort = await freePort();
  const site = `acme: { domains: [acme.example], primary: "127.0.0.1:${primaryPort}", hold: 5d, recipients: any }`;
  const d = await Daemon.make(`limits: { reserve: 8MiB }\nsites: { ${site} }`);
  const spool = join(d.folder, 'spool');
  mkdirSync(spool);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}m,mode=0700`, 'tmpfs', spool]);
  let primary: FakePrimary | null = null;
  try {
    await d.start();
    let peer = await d.peer();
    await peer.say('EHLO sender.example');
    for (let i = 0; i < 20; i++) {
      assert.match((await peer.mail(['joe@acme.example'], `Subject: ${i}\r\n\r\nbody`)).end, /^250/);
    }
    const status = async (): Promise<Status['spool']> => (await d.json<Status>('status')).spool;
    assert.equal((await status()).state, 'ok');

    await d.command('site', 'hold', 'acme', '--reason', 'a test');
    const filler = join(spool, 'filler');
    fill(filler);
    await until('the spool to see it', async () => ((await status()).state === 'full' ? true : null));
    assert.match(await peer.say('MAIL FROM:<friend@elsewhere.example>'), /^452 4\.3\.1/);
    assert.match((await d.command('status')).out, /full/);
    assert.equal((await status()).entries, 20);

    // Not even a restart needs room: it knows what it held, and a hold is a hold.
    await d.end('SIGKILL');
    fill(filler);
    await d.start();
    assert.equal((await status()).entries, 20);
    await d.end('SIGTERM');
    fill(filler);
    await d.start();
    assert.equal((await status()).entries, 20);
    assert.equal((await d.json<{ state: string }[]>('site', 'list'))[0]?.state, 'held');
    await d.command('site', 'release', 'acme');

    primary = await FakePrimary.start({}, primaryPort);
    await d.command('site', 'flush', 'acme');
    await until('the mail to drain', () => (primary?.mails.length === 20 ? true : null));
    await until('it to be settled', async () => ((await status()).entries === 0 ? true : null));
    assert.equal((await status()).state, 'full');

    rmSync(filler);
    await until('the spool to see room', async () => ((await status()).state === 'ok' ? true : null));
    peer = await d.peer();
    await peer.say('EHLO sender.example');
    assert.match((await peer.mail(['joe@acme.example'], 'Subject: again\r\n\r\nbody')).end, /^250/);
    await until('it to arrive', () => (primary?.mails.length === 21 ? true : null));
  } finally {
    await primary?.stop();
    await d.end('SIGKILL');
    execFileSync('umount', ['-l', spool]);
    await d.remove();
  }
});

/** Takes all the room that there is. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  const block = Buffer.alloc(MB);
  try {
    for (const size of [MB, 4096, 1]) {
      try {
        for (;;) if (writeSync(file, block, 0, size) === 0) break;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}
