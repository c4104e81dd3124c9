/**
 * The whole server with a site that collects by batch: mail to it goes to a command; mail from it comes by
 * `restante rmail` and `restante rsmtp`, with the exit codes that uuxqt and nncp-toss understand.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { run } from '../../src/app/cli/program.ts';
import type { EntryRow } from '../../src/operate/api/contract.ts';
import { Daemon, freePort, until } from '../support/daemon.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TAKE = join(ROOT, 'test/support/take-mail.sh');
let daemon: Daemon;
let taken = '';
let list = '';

before(async () => {
  daemon = await Daemon.make('sites: {}');
  taken = join(daemon.folder, 'taken');
  mkdirSync(taken);
  list = join(daemon.folder, 'listed.txt');
  writeFileSync(list, 'alice@listed.example\n');
  daemon.configure(`outbound: "127.0.0.1:${await freePort()}"
sites:
  leaf:
    domains: [leaf.example]
    collect: batch
    batch: { command: [${TAKE}, "{recipients}"], count: 1, from: { uucp: leaf } }
    send: true
  ship:
    domains: [ship.example]
    collect: batch
    batch: { command: [${TAKE}], form: bsmtp, compress: zstd, count: 1, from: { nncp: SHIPID } }
  listed: { domains: [listed.example], recipients: { file: ${list} } }`);
  process.env.TAKEN = taken;
  await daemon.start();
});
after(() => daemon.remove());

/** A command of ours as uuxqt calls it, in this process: many are tried. */
async function bring(
  args: readonly string[],
  stdin: string | Buffer,
  env: Record<string, string> = { UU_MACHINE: 'leaf' },
): Promise<{ code: number | null; err: string }> {
  let err = '';
  const terminal = {
    out() {},
    err: (text: string) => void (err += text),
    tty: false,
    columns: 80,
    colour: false,
    now: () => Date.now(),
    drained: async () => {},
  };
  const input = async function* () {
    yield Buffer.from(stdin);
  };
  const whole = { RESTANTE_CONFIG: daemon.file, ...env };
  const code = await run({ terminal, env: whole, version: '0', stdin: input() }, args);
  return { code, err };
}

/** The same as a process. */
function execute(
  args: readonly string[],
  stdin: string,
  env: Record<string, string>,
): Promise<number | null> {
  return new Promise((done) => {
    const child = spawn(join(ROOT, 'bin/restante'), args, {
      env: { PATH: process.env.PATH, RESTANTE_CONFIG: daemon.file, ...env },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    child.on('close', done);
  });
}

const FROM = 'From joe@leaf.example Mon Jan  5 12:00:00 2026 remote from leaf\n';
const queued = async (site: string): Promise<EntryRow[]> => {
  const text = (await ask(join(daemon.folder, 'spool/control'), '/queue')).text;
  const rows = text.split('\n').filter(Boolean);
  return rows.map((row): EntryRow => JSON.parse(row)).filter((entry) => entry.site === site);
};
const contentOf = async (id: string): Promise<string> =>
  (await ask(join(daemon.folder, 'spool/control'), `/queue/${encodeURIComponent(id)}/content`)).text;
/** What is new in a queue after `act`. */
async function newIn(site: string, act: () => Promise<unknown>): Promise<EntryRow[]> {
  const old = new Set((await queued(site)).map((e) => e.id));
  await act();
  return (await queued(site)).filter((e) => !old.has(e.id));
}

const item = (to: string, text: string, from = 'joe@leaf.example') =>
  `MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\nSubject: x\r\n\r\n${text}\r\n.\r\n`;
const batch = (...items: string[]) => `EHLO leaf.example\r\n${items.join('')}QUIT\r\n`;

describe('the way out', () => {
  test('rmail: the command gets the mail, and the queue is empty', async () => {
    const peer = await daemon.peer();
    await peer.say('EHLO x.example');
    const { rcpt, end } = await peer.mail(
      ['a@leaf.example', 'b@leaf.example'],
      'Subject: x\r\n\r\n..dot\r\nFrom me',
    );
    assert.match(rcpt.join('') + end, /^(250[^\n]*\n){3}$/);
    const words = await until('the command', () =>
      existsSync(join(taken, 'words.0')) ? readFileSync(join(taken, 'words.0'), 'utf8') : null,
    );
    assert.equal(words, 'a@leaf.example\nb@leaf.example\n');
    const input = readFileSync(join(taken, 'input.0'), 'latin1');
    assert.match(
      input,
      /^From friend@elsewhere\.example [^\n]*\nReceived: from x\.example [^\r]*\nSubject: x\n\n\.dot\nFrom me\n$/,
    );
    await until('an empty queue', async () => (await queued('leaf')).length === 0 || null);
    peer.close();
  });

  test('a command that fails puts the mail off, with what it said; a flush tries at once', async () => {
    writeFileSync(join(taken, 'do'), '75');
    const peer = await daemon.peer();
    await peer.say('EHLO x.example');
    await peer.mail(['a@leaf.example'], 'Subject: later');
    const [entry] = await until('a deferral', async () => {
      const all = await queued('leaf');
      return all.some((e) => e.state === 'deferred') ? all : null;
    });
    assert.match(entry?.reason ?? '', /take-mail\.sh ended with 75: not now, says the far end/);
    rmSync(join(taken, 'do'));
    await daemon.command('site', 'flush', 'leaf');
    await until('an empty queue', async () => (await queued('leaf')).length === 0 || null);
    peer.close();
  });

  test('bsmtp: a batch goes, and is told in the log with its ratio', async () => {
    const from = daemon.log.length;
    const before = readdirSync(taken).length;
    const peer = await daemon.peer();
    await peer.say('EHLO x.example');
    await peer.mail(["o'brien@ship.example"], `Subject: x\r\n\r\n${'hello '.repeat(100)}`);
    // The last one to leaf may still be told.
    const line = (event: string) =>
      until(`the line "${event}" of its batch`, () => {
        const lines = daemon.log
          .slice(from)
          .split('\n')
          .filter((l) => l.includes(event));
        return lines.map((l) => JSON.parse(l)).find((l) => (l.site ?? l.queue) === 'ship') ?? null;
      });
    const told = await line('batch handed over');
    assert.deepEqual([told.site, told.mails, told.compress], ['ship', 1, 'zstd']);
    const over = await line('call over');
    assert.equal(over.sent, told.sent);
    assert.ok(Number(over.ratio) > 1, String(over.ratio));
    const { out } = await daemon.command('site', 'show', 'ship');
    assert.match(out, /^last calls .*: 1 mail, \d+ B as \d+ B \(ratio \d+\.\d\) in /m);
    assert.doesNotMatch(out, /^primary/m);
    assert.ok(Number(told.ratio) > 1);
    assert.ok(readdirSync(taken).length > before);
    peer.close();
  });
});

describe('the way back: rmail', () => {
  test('mail from the site goes to the queues of other domains and of sites', async () => {
    const body = Buffer.from(`${FROM}Subject: x\n\n.dot\nFrom me\n\xe9\xff\n`, 'latin1');
    const args = ['rmail', 'a@victim.example', 'relay!other.example!bob', 'alice@listed.example'];
    const [entry] = await newIn('>victim.example', async () => {
      assert.deepEqual(await bring(args, body), { code: 0, err: '' });
    });
    assert.deepEqual([entry?.sender, entry?.recipients], ['joe@leaf.example', ['a@victim.example']]);
    assert.deepEqual((await queued('>other.example')).at(-1)?.recipients, ['bob@other.example']);
    assert.deepEqual((await queued('listed')).at(-1)?.recipients, ['alice@listed.example']);
    const text = await contentOf(entry?.id ?? '');
    assert.match(text, /^Received: from leaf by mx2\.example\.net \(Restante[^)]*\)\s+with UUCP id\s/);
    assert.match(text, /\r\nSubject: x\r\n\r\n\.dot\r\nFrom me\r\n/);
    const view = await ask(join(daemon.folder, 'spool/control'), `/queue/${entry?.id}`);
    assert.match(view.text, /sent by the site leaf/);
  });

  test('the null sender is one of its own', async () => {
    const [entry] = await newIn('>victim.example', async () => {
      assert.equal(
        (await bring(['rmail', 'a@victim.example'], 'From <> Mon Jan  5 12:00:00 2026\nSubject: x\n\n')).code,
        0,
      );
    });
    assert.equal(entry?.sender, '');
  });

  const REFUSED: readonly (readonly [string, string[], string, Record<string, string>, number, RegExp])[] = [
    [
      "another's sender",
      ['a@victim.example'],
      'From x@evil.example Mon\n\n',
      { UU_MACHINE: 'leaf' },
      77,
      /550 5\.7\.1/,
    ],
    [
      'a site that may not send',
      ['a@victim.example'],
      'From x@ship.example Mon\n\n',
      { NNCP_SENDER: 'SHIPID' },
      77,
      /550 5\.7\.1/,
    ],
    [
      'a user who is not there',
      ['bob@listed.example'],
      `${FROM}\n`,
      { UU_MACHINE: 'leaf' },
      67,
      /550 5\.1\.1/,
    ],
    [
      'a path to nobody knows whom',
      ['relay!joe'],
      `${FROM}\n`,
      { UU_MACHINE: 'leaf' },
      67,
      /relay is no domain name/,
    ],
    ['an option as a recipient', ['--', '-oQ/tmp'], `${FROM}\n`, { UU_MACHINE: 'leaf' }, 67, /501|address/],
    ['an unknown option', ['-x'], `${FROM}\n`, { UU_MACHINE: 'leaf' }, 67, /address/],
    ['no From line', ['a@victim.example'], 'Subject: x\n\n', { UU_MACHINE: 'leaf' }, 65, /no From line/],
    ['a bare CR', ['a@victim.example'], `${FROM}Subject: x\n\na\rb\n`, { UU_MACHINE: 'leaf' }, 65, /5\.6\.0/],
    ['nobody who brings it', ['a@victim.example'], `${FROM}\n`, {}, 64, /UU_MACHINE/],
    ['no recipient', [], `${FROM}\n`, { UU_MACHINE: 'leaf' }, 64, /for whom/],
    [
      'a neighbour that nobody knows',
      ['a@victim.example'],
      `${FROM}\n`,
      { UU_MACHINE: 'stranger' },
      75,
      /451 4\.7\.0/,
    ],
    [
      'the name of a neighbour of another kind',
      ['a@victim.example'],
      `${FROM}\n`,
      { NNCP_SENDER: 'leaf' },
      75,
      /451 4\.7\.0/,
    ],
    [
      'a server that is not there',
      ['a@victim.example'],
      `${FROM}\n`,
      { UU_MACHINE: 'leaf', RESTANTE_CONFIG: '/nowhere.yaml' },
      75,
      /nowhere/,
    ],
  ];
  for (const [claim, args, stdin, env, code, told] of REFUSED) {
    test(`${claim}: exit ${code}, and nothing is kept`, async () => {
      const added = await newIn('>victim.example', async () => {
        const { code: ended, err } = await bring(['rmail', ...args], stdin, env);
        assert.match(err, told);
        assert.equal(ended, code, err);
      });
      assert.deepEqual(added, []);
    });
  }

  test('the program ends with the exit code, as a process', async () => {
    const stdin = `${FROM}Subject: x\n\n`;
    const uucp = { UU_MACHINE: 'leaf' };
    assert.equal(await execute(['rmail', 'a@victim.example'], stdin, uucp), 0);
    assert.equal(await execute(['rmail', 'bob@listed.example'], stdin, uucp), 67);
    assert.equal(
      await execute(['rmail', 'a@victim.example'], stdin, { ...uucp, RESTANTE_CONFIG: '/nowhere' }),
      75,
    );
  });

  test('one that is refused does not keep the others, and is told', async () => {
    const [entry] = await newIn('>victim.example', async () => {
      const { code, err } = await bring(
        ['rmail', 'a@victim.example', 'bob@listed.example'],
        `${FROM}Subject: x\n\n`,
      );
      assert.equal(code, 67);
      assert.match(err, /<bob@listed\.example>: 550 5\.1\.1/);
    });
    assert.deepEqual(entry?.recipients, ['a@victim.example']);
  });
});

describe('the way back: rsmtp', () => {
  for (const [kind, pack] of [
    ['plain', (text: string) => Buffer.from(text)],
    ['with LF', (text: string) => Buffer.from(text.replaceAll('\r\n', '\n'))],
    ['gzip', (text: string) => gzipSync(text)],
    ['zstd', (text: string) => zstdCompressSync(text)],
  ] as const) {
    test(`a batch, ${kind}`, async () => {
      const text = batch(item('a@victim.example', '..dot'), item('b@victim.example', 'second', ''));
      const added = await newIn('>victim.example', async () => {
        assert.deepEqual(await bring(['rsmtp'], pack(text)), { code: 0, err: '' });
      });
      assert.deepEqual(
        added.map((e) => [e.sender, ...e.recipients]),
        [
          ['joe@leaf.example', 'a@victim.example'],
          ['', 'b@victim.example'],
        ],
      );
      assert.match(await contentOf(added[0]?.id ?? ''), /\r\n\r\n\.dot\r\n$/);
    });
  }

  test('half a batch: what is whole is taken, and it is told', async () => {
    const text = batch(item('a@victim.example', 'one'), item('b@victim.example', 'two'));
    const added = await newIn('>victim.example', async () => {
      const { code, err } = await bring(['rsmtp'], text.slice(0, text.indexOf('two') + 1));
      assert.equal(code, 65);
      assert.match(err, /ends in the middle of a mail/);
    });
    assert.deepEqual(
      added.map((e) => e.recipients),
      [['a@victim.example']],
    );
    assert.equal((await bring(['rsmtp'], gzipSync(text).subarray(0, 60))).code, 65);
  });

  test('a batch that is tried again brings nothing twice; once it is over, it is another batch', async () => {
    const text = batch(
      item('a@victim.example', 'one'),
      item('alice@listed.example', 'two'),
      item('c@victim.example', 'three'),
    );
    // No copy of the list is at hand: its recipients wait.
    const fresh = join(daemon.folder, 'fresh.txt');
    writeFileSync(fresh, '');
    const config = readFileSync(daemon.file, 'utf8');
    writeFileSync(daemon.file, config.replaceAll('listed.example', 'fresh.example').replaceAll(list, fresh));
    await daemon.reload();
    await daemon.event('reloaded');
    const waits = text.replaceAll('listed.example', 'fresh.example');
    const first = await newIn('>victim.example', async () => {
      const { code, err } = await bring(['rsmtp'], waits);
      assert.equal(code, 75, err);
    });
    assert.equal(first.length, 2);
    const second = await newIn('>victim.example', async () => {
      assert.equal((await bring(['rsmtp'], waits)).code, 75);
    });
    assert.equal(second.length, 0);
    writeFileSync(fresh, 'alice@fresh.example\n');
    const third = await until('the list is read again', async () => {
      const added = await newIn('>victim.example', async () => {
        const { code, err } = await bring(['rsmtp'], waits);
        assert.ok(code === 0 || code === 75, err);
      });
      return (await queued('listed')).some((e) => e.recipients.includes('alice@fresh.example'))
        ? added
        : null;
    });
    assert.equal(third.length, 0);
    const again = await newIn('>victim.example', async () => {
      assert.equal((await bring(['rsmtp'], waits)).code, 0);
    });
    assert.equal(again.length, 2);
    writeFileSync(daemon.file, config);
    const from = daemon.log.length;
    await daemon.reload();
    await daemon.event('reloaded', from);
  });

  test('what is no batch at all is refused', async () => {
    assert.equal((await bring(['rsmtp'], 'hello\n'.repeat(1000))).code, 65);
    assert.equal((await bring(['rsmtp'], Buffer.alloc(100_000))).code, 65);
  });
});

describe('the socket for other users', () => {
  test('listen.rmail serves couriers, and nothing else', async () => {
    const config = readFileSync(daemon.file, 'utf8');
    await daemon.end('SIGTERM');
    const port = /listen: \{ smtp: \[[^\]]*\]/;
    writeFileSync(
      daemon.file,
      config.replace(port, (found) => `${found}, rmail: run/rmail`),
    );
    mkdirSync(join(daemon.folder, 'run'));
    await daemon.start();
    const [entry] = await newIn('>victim.example', async () => {
      assert.equal((await bring(['rmail', 'a@victim.example'], `${FROM}Subject: x\n\n`)).code, 0);
    });
    assert.ok(entry);
    assert.equal((await ask(join(daemon.folder, 'run/rmail'), '/status')).status, 404);
    assert.equal((await ask(join(daemon.folder, 'spool/control'), '/status')).status, 200);
  });
});

function ask(socketPath: string, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((done, failed) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => done({ status: response.statusCode, text }));
    });
    asked.once('error', failed);
    asked.end();
  });
}
