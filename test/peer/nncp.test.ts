/**
 * Two NNCP nodes that `restante generate nncp` made, and nothing else: mail goes both ways in files, and over TCP.
 * Lists of mails are compared one by one, octet for octet.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/daemon.ts';
import { until } from './lab.ts';
import { atRestante, atSendmail, batch, forRmail, listed, mails } from './uucp/mails.ts';
import { standIn, taken } from './uucp/stand-in.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('NNCP nodes made by generate nncp', () => {
  const folder = mkdtempSync('/tmp/restante-nncp-');
  const path = (name: string): string => join(folder, name);
  let port = 0;

  function run(input: Uint8Array | null, ...words: string[]): string {
    const [command = '', ...args] = words;
    const options = {
      encoding: 'utf8',
      timeout: 60_000,
      cwd: folder,
      env: { PATH: process.env.PATH },
    } as const;
    return execFileSync(command, args, input ? { ...options, input } : options);
  }
  /** As the user of NNCP, as a mail server's pipe does. */
  const feed = (input: Uint8Array, ...words: string[]): string =>
    run(input, 'setpriv', '--reuid=nncp', '--regid=nncp', '--clear-groups', '--', ...words);
  const exec = (input: Uint8Array, ...words: string[]): string =>
    feed(input, 'nncp-exec', '-cfg', path('near/nncp.hjson'), '-quiet', 'leaf', ...words);

  before(async () => {
    if (!existsSync('/usr/bin/nncp-exec')) throw new Error('apt-get install nncp');
    if (process.getuid?.() !== 0) throw new Error('the NNCP tests need root: they act as the user nncp');
    port = await freePort();
    chmodSync(folder, 0o755);
    standIn(path('sendmail'), path('far.got'));
    standIn(path('restante'), path('near.got'));
    const site = 'sites: { leaf: { domains: [leaf.example] } }';
    writeFileSync(path('restante.yaml'), `hostname: mx2.example.net\nspool: spool\n${site}\n`);
    run(
      null,
      join(ROOT, 'bin/restante'),
      ...['generate', 'nncp', 'leaf', '-c', path('restante.yaml'), '--dir', path('made')],
      ...['--prefix', path('near'), '--far-prefix', path('far')],
      ...['--address', `127.0.0.1:${port}`, '--listen', `127.0.0.1:${port}`],
      ...['--sendmail', path('sendmail'), '--restante', path('restante')],
    );
    for (const side of ['near', 'far']) run(null, 'sh', path(`made/${side}/install.sh`));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('their own tests find nothing wrong', () => {
    // Where Restante would listen.
    writeFileSync(path('near/door/socket'), '');
    // Whatever the umask of the runner.
    chmodSync(path('near/door/socket'), 0o660);
    for (const side of ['near', 'far'])
      assert.doesNotMatch(run(null, 'sh', path(`made/${side}/test.sh`)), /^NO /m);
  });

  test('in files: mail goes both ways, by rmail and in batches, each once', () => {
    const single = mails('down-rmail', 10, 'leaf.example', [200, 5_000], true);
    for (const mail of single) exec(forRmail(mail), 'rmail', ...mail.recipients);
    const many = mails('down-batch', 20, 'leaf.example', [200, 20_000]);
    for (let i = 0; i < many.length; i += 10) exec(batch(many.slice(i, i + 10)), 'rsmtp');
    const up = mails('up', 10, 'far.example', [200, 5_000]);
    for (const { sender, recipients, content } of up) {
      feed(content, path('far/bin/to-mx2'), '-f', sender, '--', ...recipients);
    }
    mkdirSync(path('stick'));
    for (const side of ['near', 'far', 'near']) run(null, 'sh', path(`made/${side}/carry.sh`), path('stick'));
    assert.deepEqual(listed(taken(path('far.got')).map(atSendmail)), listed([...single, ...many]));
    const near = taken(path('near.got'));
    const id = /\bleaf: \{\s*id: (\w+)/.exec(readFileSync(path('near/nncp.hjson'), 'utf8'))?.[1];
    assert.deepEqual([...new Set(near.map((job) => job.machine))], [id], 'NNCP_SENDER says who brings it');
    assert.deepEqual(listed(near.flatMap(atRestante)), listed(up));
  });

  test('over TCP: the unit of the near end answers the call of the far one', async () => {
    const got = ['near.got', 'far.got'].map(path);
    for (const name of got) for (const one of readdirSync(name)) rmSync(join(name, one), { recursive: true });
    const unit = readFileSync(path('made/near/systemd/restante-nncp-daemon.service'), 'utf8');
    const [command = '', ...args] = (/^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '').split(' ');
    const as = ['--reuid=nncp', '--regid=nncp', '--clear-groups', '--', command, ...args];
    const daemon: ChildProcess = spawn('setpriv', as, { stdio: 'ignore' });
    try {
      await until('it answers', 20, () => /is answered/.test(run(null, 'sh', path('made/near/test.sh'))));
      const down = mails('down-tcp', 5, 'leaf.example', [200, 20_000]);
      exec(batch(down), 'rsmtp');
      const [up] = mails('up-tcp', 1, 'far.example', [200, 5_000]);
      assert.ok(up);
      feed(up.content, path('far/bin/to-mx2'), '-f', up.sender, '--', ...up.recipients);
      assert.match(run(null, 'sh', path('made/far/test.sh'), 'call'), /the call to mx2 was good/);
      feed(Buffer.alloc(0), 'nncp-toss', '-cfg', path('near/nncp.hjson'), '-quiet');
      assert.deepEqual(listed(taken(path('far.got')).map(atSendmail)), listed(down));
      assert.deepEqual(listed(taken(path('near.got')).flatMap(atRestante)), listed([up]));
    } finally {
      daemon.kill('SIGTERM');
      await once(daemon, 'exit');
    }
  });

  test('systemd finds nothing wrong with the units of the usual places', () => {
    const config = ['-c', path('restante.yaml'), '--dir', path('usual')];
    run(null, join(ROOT, 'bin/restante'), 'generate', 'nncp', 'leaf', ...config);
    const units = ['near', 'far'].map((side) => readdirSync(path(`usual/${side}/systemd`)));
    assert.deepEqual(units, [
      ['restante-nncp-daemon.service', 'restante-nncp-toss.service'],
      ['restante-nncp-caller.service', 'restante-nncp-toss.service'],
    ]);
    for (const side of ['near', 'far']) {
      const files = readdirSync(path(`usual/${side}/systemd`)).map((name) =>
        path(`usual/${side}/systemd/${name}`),
      );
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
        encoding: 'utf8',
      });
      assert.deepEqual([status, stdout, stderr], [0, '', ''], side);
    }
  });

  test('the far end can fetch no file, leave none, and run nothing else', () => {
    const far = ['-cfg', path('far/nncp.hjson'), '-quiet'];
    feed(Buffer.from('x'), 'nncp-exec', ...far, 'mx2', 'sh', '-c', `touch ${path('near.got/ran')}`);
    feed(Buffer.from('x'), 'nncp-file', ...far, path('restante.yaml'), 'mx2:left');
    feed(Buffer.from('x'), 'nncp-freq', ...far, 'mx2:restante.yaml', 'fetched');
    const before = readdirSync(path('near.got'));
    for (const side of ['far', 'near', 'far']) {
      try {
        run(null, 'sh', path(`made/${side}/carry.sh`), path('stick'));
      } catch {
        // nncp-toss says that it could not do all of it
      }
    }
    assert.deepEqual(readdirSync(path('near.got')), before);
    assert.equal(
      run(null, 'find', folder, '-name', 'ran', '-o', '-name', 'left', '-o', '-name', 'fetched'),
      '',
    );
  });
});
