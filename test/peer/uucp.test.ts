/**
 * Taylor UUCP on lines that `restante generate uucp` made, both ends, and nothing else. Lists of mails are
 * compared one by one, octet for octet.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { EntryRow } from '../../src/operate/api/contract.ts';
import { Daemon, freePort } from '../support/daemon.ts';
import { until } from './lab.ts';
import { Hurdle } from './uucp/hurdle.ts';
import { UucpLine } from './uucp/line.ts';
import { atRestante, atSendmail, compressed, forRmail, listed, type Mail, mails } from './uucp/mails.ts';

const COUNT = 10;

async function bothWays(line: UucpLine): Promise<void> {
  const single = mails('down-rmail', COUNT, 'leaf.example', [200, 5_000], true);
  for (const mail of single) {
    line.uux('near', forRmail(mail), 'leaf!rmail', ...mail.recipients.map((to) => `(${to})`));
  }
  const many = mails('down-batch', COUNT, 'leaf.example', [200, 20_000]);
  for (let i = 0; i < COUNT; i += 5) line.uux('near', compressed(many.slice(i, i + 5)), 'leaf!rcsmtp');
  const up = mails('up', 8, 'far.example', [200, 5_000]);
  for (const { sender, recipients, content } of up) {
    line.feedAsUucp(content, line.path('far/bin/to-mx2'), '-f', sender, '--', ...recipients);
  }
  const upSingle = mails('up-rmail', 6, 'far.example', [200, 5_000], true);
  for (const mail of upSingle) {
    line.uux('far', forRmail(mail), 'mx2!rmail', ...mail.recipients.map((to) => `(${to})`));
  }

  assert.match(line.test('far', 'call'), /the call to mx2 was good/);
  await line.settled();
  const far = line.taken('far').map(atSendmail);
  assert.deepEqual(listed(far), listed([...single, ...many]), 'all mail of the site has come, each once');
  const near = line.taken('near');
  assert.deepEqual([...new Set(near.map((job) => job.machine))], ['leaf'], 'UU_MACHINE says who brings it');
  assert.deepEqual(
    listed(near.flatMap(atRestante)),
    listed([...up, ...upSingle]),
    'all that it sends has come',
  );
}

for (const over of ['tcp', 'pipe'] as const) {
  for (const as of ['root', 'nobody'] as const) {
    test(`over ${over}, as ${as}: mail goes both ways in one call, by rmail and in compressed batches`, async () => {
      const line = await UucpLine.make({ over, as });
      try {
        await bothWays(line);
      } finally {
        await line.close();
      }
    });
  }
}

describe('with Restante at the near end', () => {
  let daemon: Daemon;
  let line: UucpLine;
  before(async () => {
    daemon = await Daemon.make('sites: { leaf: { domains: [leaf.example] } }');
    // uuxqt runs our program as uucp, which has to come to it.
    chmodSync(daemon.folder, 0o755);
    line = await UucpLine.make({ over: 'tcp', as: 'root', restante: daemon.file });
    const lines = parse(readFileSync(line.path('made/near/restante.yaml'), 'utf8'));
    daemon.configure(`outbound: "127.0.0.1:${await freePort()}"`);
    const whole = parse(readFileSync(daemon.file, 'utf8'));
    const config = { ...whole, ...lines, listen: { ...whole.listen, ...lines.listen } };
    writeFileSync(daemon.file, stringify(config));
    await daemon.start();
  });
  after(async () => {
    await line?.close();
    await daemon?.remove();
  });

  test('the near end finds nothing wrong with itself', () => {
    assert.doesNotMatch(line.test('near'), /^NO /m);
  });

  test('mail to the site comes by the lines that were made for restante.yaml, in compressed batches', async () => {
    const all = mails('restante', COUNT, 'leaf.example', [200, 20_000], true);
    const peer = await daemon.peer();
    await peer.say('EHLO sender.example');
    for (const { sender, recipients, content } of all) {
      assert.match(await peer.say(`MAIL FROM:<${sender}> BODY=8BITMIME SMTPUTF8`), /^250/);
      for (const to of recipients) assert.match(await peer.say(`RCPT TO:<${to}>`), /^250/);
      assert.match(await peer.say('DATA'), /^354/);
      peer.socket.write(onTheWire(content));
      assert.match(await peer.reply(), /^250/);
    }
    peer.close();
    await daemon.command('site', 'flush', 'leaf');
    await until('the queue is empty', 60, async () => (await queued('leaf')).length === 0);
    assert.ok(line.waiting('near').length > 0, 'the jobs wait for a call');
    assert.match(line.test('far', 'call'), /the call to mx2 was good/);
    await line.settled();
    const far = line.taken('far').map(atSendmail);
    for (const mail of far) assert.match(mail.content.toString('latin1'), /^Received: from sender\.example /);
    assert.deepEqual(listed(far.map(withoutReceived)), listed(all));
  });

  test("mail from the site's mail server is in the queue of whom it is for, each once", async () => {
    const all = mails('up', 6, 'far.example', [200, 20_000]).map((mail) =>
      mail.sender === '' ? mail : { ...mail, sender: mail.sender.replace(/@.*/, '@leaf.example') },
    );
    for (const { sender, recipients, content } of all) {
      line.feedAsUucp(content, line.path('far/bin/to-mx2'), '-f', sender, '--', ...recipients);
    }
    await once(line.call(), 'exit');
    await line.settled();
    const rows = await queued('>far.example');
    const found = await Promise.all(
      rows.map(async ({ id, sender, recipients }) => {
        const { out } = await daemon.command('queue', 'export', id);
        return { sender, recipients, content: Buffer.from(out, 'utf8') };
      }),
    );
    const brief = ({ sender, recipients }: Pick<Mail, 'sender' | 'recipients'>): string =>
      `<${sender}> ${[...recipients].sort().join(' ')}`;
    assert.deepEqual(found.map(brief).sort(), all.map(brief).sort());
  });

  const queued = (site: string) => daemon.json<EntryRow[]>('queue', 'list', '--site', site);
});

/** As SMTP sends it: CRLF, dots doubled, a dot at the end. */
const onTheWire = (content: Buffer): Buffer =>
  Buffer.from(`${content.toString('latin1').replaceAll('\n', '\r\n').replace(/^\./gm, '..')}.\r\n`, 'latin1');

/** Without the first field, which is ours. */
const withoutReceived = (mail: Mail): Mail => ({
  ...mail,
  content: Buffer.from(mail.content.toString('latin1').replace(/^Received: [\s\S]*?\n(?=\S)/, ''), 'latin1'),
});

const ROUNDS = 4;

/** 200 kB in base64; always the same for a number. */
function noise(n: number): Buffer {
  const blocks = Array.from({ length: 4700 }, (_, i) => createHash('sha256').update(`${n}.${i}`).digest());
  return Buffer.concat(blocks);
}

/** Jobs of about 200 kB that do not compress. */
function large(count: number): Mail[] {
  return mails('large', count, 'leaf.example', [200, 300]).map((mail, n) => ({
    ...mail,
    content: Buffer.concat(
      [
        mail.content,
        noise(n)
          .toString('base64')
          .match(/.{1,76}/g)
          ?.join('\n') ?? '',
        '\n',
      ].map((part) => Buffer.from(part)),
    ),
  }));
}

/** Calls until the line falls silent, kills one end, and again; then one whole call. */
async function killedCalls(
  line: UucpLine,
  silent: (octets: number) => Promise<void>,
  heal: () => void,
): Promise<void> {
  const all = large(8);
  for (const mail of all) line.uux('near', compressed([mail]), 'leaf!rcsmtp');
  for (let round = 0; round < ROUNDS; round++) {
    const fallen = silent(80_000 + Math.floor(Math.random() * 200_000));
    const call = line.call();
    const ended = once(call, 'exit');
    await Promise.race([fallen, ended.then(() => assert.fail('the call ended before it could be killed'))]);
    line.kill(round % 2 === 0 ? 'far' : 'near', call);
    heal();
    await ended;
    await line.hungUp();
  }
  await once(line.call(), 'exit');
  await line.settled();
  assert.deepEqual(
    listed(line.taken('far').map(atSendmail)),
    listed(all),
    'nothing is lost, nothing comes twice',
  );
}

describe('a call that is killed', () => {
  test('over tcp, as root: the next call goes on where it was, and no mail is lost or doubled', async (t) => {
    const port = await freePort();
    const hurdle = await Hurdle.before(port);
    const line = await UucpLine.make({ over: 'tcp', as: 'root', port, through: hurdle.port });
    try {
      await killedCalls(
        line,
        (octets) => hurdle.silentAfter(octets),
        () => hurdle.heal(),
      );
      const size = large(8).reduce((sum, mail) => sum + compressed([mail]).length, 0);
      t.diagnostic(`${ROUNDS} calls killed; ${hurdle.passed} octets came for about ${size}`);
      assert.ok(hurdle.passed < size * 1.3, `${hurdle.passed} octets: files went on where they were cut`);
    } finally {
      hurdle.close();
      await line.close();
    }
  });

  test('over a pipe, as nobody: no mail is lost or doubled', async () => {
    const line = await UucpLine.make({ over: 'pipe', as: 'nobody' });
    try {
      const silent = async (octets: number): Promise<void> => {
        rmSync(line.path('stopped'), { force: true });
        writeFileSync(line.path('cut'), String(octets));
        await until('the line is silent', 200, () => existsSync(line.path('stopped')));
      };
      await killedCalls(line, silent, () => rmSync(line.path('cut')));
    } finally {
      await line.close();
    }
  });
});

describe('what the far end may not do', () => {
  test('it can fetch no file, leave none, and run nothing but rmail, rsmtp and rcsmtp', async () => {
    const line = await UucpLine.make({ over: 'tcp', as: 'nobody' });
    try {
      const tell = ['-I', line.path('far/config'), '-r'];
      line.run('uucp', ...tell, `mx2!${line.path('restante.yaml')}`, line.path('far/public/fetched'));
      line.run('uucp', ...tell, '-C', line.path('restante.yaml'), 'mx2!~/left');
      line.run('uux', ...tell, '-n', `mx2!sh -c (touch ${line.path('near.got/ran')})`);
      await once(line.call(), 'exit');
      await line.settled();
      assert.deepEqual(line.taken('near'), []);
      assert.equal(
        line.run('find', line.folder, '-name', 'fetched', '-o', '-name', 'left', '-o', '-name', 'ran'),
        '',
      );
    } finally {
      await line.close();
    }
  });
});
