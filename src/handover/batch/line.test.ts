import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type Line as LogLine, listLog } from '../../../test/scenario/receive-harness.ts';
import { HOUR, MINUTE, SystemClock } from '../../base/clock.ts';
import type { Recipient } from '../../mail/envelope.ts';
import { describe as said } from '../../mail/reply.ts';
import type { Batch } from '../../site/site.ts';
import type { Given, Line, Parcel } from '../port.ts';
import { batchHandover } from './batch.ts';

const TAKE = resolve(import.meta.dirname, '../../../test/support/take-mail.sh');
let folder = '';
let log: LogLine[] = [];
let lines: Line[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batch-'));
  log = [];
  lines = [];
});
afterEach(async () => {
  for (const line of lines) line.destroy();
  rmSync(folder, { recursive: true });
});

async function open(more: Partial<Batch> = {}): Promise<Line> {
  const batch: Batch = {
    form: 'rmail',
    command: [TAKE, '({recipients})'],
    words: 'shell',
    compress: 'none',
    size: 1_000_000,
    count: 100,
    every: HOUR,
    timeout: MINUTE,
    ...more,
  };
  const clock = new SystemClock();
  const env = { PATH: process.env.PATH, TAKEN: folder };
  const spool = join(folder, 'batch');
  const handover = batchHandover({
    ...{ site: { name: 'leaf' }, hostname: 'mx2.example.net', folder: spool },
    ...{ batch, env, clock, log: listLog(log) },
  });
  const line = await handover.connect(new AbortController().signal);
  assert.ok(line.kind === 'line');
  lines.push(line);
  return line;
}

const CONTENT = 'Received: x\r\n\r\n.dot\r\nFrom joe\r\n\xe9\xff\r\n';

function parcel(
  id: string,
  to: readonly (string | Recipient)[],
  more: Partial<Parcel> = {},
  content = CONTENT,
): Parcel {
  const bytes = Buffer.from(content, 'latin1');
  const recipients = to.map((r) => (typeof r === 'string' ? { address: r } : r));
  return {
    id,
    origin: { kind: 'notice', about: 'm0' },
    envelope: { sender: 'joe@sender.example', recipients, body: '7bit', smtputf8: false },
    size: bytes.length,
    open: async () => ({
      size: bytes.length,
      async *chunks() {
        for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
      },
      async close() {},
    }),
    ...more,
  };
}

const taken = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith('words.') && !name.endsWith('part'))
    .sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
    .map((name) => ({
      words: readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1),
      input: readFileSync(join(folder, name.replace('words', 'input'))),
    }));
const order = (what: string) => writeFileSync(join(folder, 'do'), what);
const told = (given: Given) => given.outcomes.map((o) => (o === null ? null : `${o.kind} ${said(o.reply)}`));

describe('batch', () => {
  test('rmail: a call for each mail, its From line, LF, and the octets as they are', async () => {
    const line = await open();
    const [one, two] = await Promise.all([
      line.give(parcel('1', ['a@acme.example', 'b@acme.example'])),
      line.give(
        parcel('2', ['c@acme.example'], {
          envelope: { ...parcel('2', ['c@acme.example']).envelope, sender: '' },
        }),
      ),
    ]);
    assert.deepEqual(told(one), [
      'delivered 250 2.0.0 Taken by take-mail.sh: job 0',
      'delivered 250 2.0.0 Taken by take-mail.sh: job 0',
    ]);
    assert.equal(two.kind, 'answered');
    const [first, second] = taken();
    assert.deepEqual(first?.words, ['(a@acme.example)', '(b@acme.example)']);
    const text = first?.input.toString('latin1') ?? '';
    assert.match(text, /^From joe@sender.example \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\n/);
    assert.equal(text.slice(text.indexOf('\n') + 1), CONTENT.replaceAll('\r\n', '\n'));
    assert.match(second?.input.toString('latin1') ?? '', /^From <> /);
    assert.deepEqual(readdirSync(join(folder, 'batch')), []);
  });

  test('an unsafe recipient is put off alone, with the reason', async () => {
    const line = await open();
    const given = await line.give(parcel('1', ["o'brien@acme.example", 'b@acme.example']));
    const [unsafe, safe] = told(given);
    assert.match(
      unsafe ?? '',
      /^deferred 451 4.1.3 An address that is not safe .* "form: bsmtp" can carry it/,
    );
    assert.match(safe ?? '', /^delivered/);
    assert.deepEqual(taken()[0]?.words, ['(b@acme.example)']);
  });

  test('a sender that no From line can carry is put off', async () => {
    const line = await open();
    const envelope = { ...parcel('1', ['b@acme.example']).envelope, sender: '"a b"@x.example' };
    assert.match(
      told(await line.give(parcel('1', ['b@acme.example'], { envelope })))[0] ?? '',
      /^deferred 451 4.1.7/,
    );
    assert.deepEqual(taken(), []);
  });

  test('many recipients go by several calls', async () => {
    const line = await open();
    const all = Array.from({ length: 100 }, (_, i) => `recipient-${i}@acme.example`);
    const given = await line.give(parcel('1', all));
    assert.equal(told(given).filter((t) => t?.startsWith('delivered')).length, 100);
    assert.ok(taken().length > 1);
    assert.deepEqual(
      taken().flatMap((t) => t.words),
      all.map((a) => `(${a})`),
    );
  });

  test('an exit code other than 0 puts all of it off, with the first line of what was said', async () => {
    order('67');
    const line = await open();
    const given = await line.give(parcel('1', ['a@acme.example', 'b@acme.example']));
    const text = 'deferred 451 4.3.0 take-mail.sh ended with 67: not now, says the far end';
    assert.deepEqual(told(given), [text, text]);
    const { fields } = log.find((l) => l.event === 'batch failed') ?? {};
    assert.equal(fields?.why, 'ended with 67');
  });

  for (const [compress, undo] of [
    ['none', (b: Buffer) => b],
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    test(`bsmtp, ${compress}: many mails are one batch, answered together, and told in one line`, async () => {
      const line = await open({ form: 'bsmtp', command: [TAKE], compress });
      const to: Recipient = {
        address: 'a@acme.example',
        notify: ['FAILURE'],
        orcpt: 'rfc822;a@acme.example',
      };
      const mails = Array.from({ length: 20 }, (_, i) => parcel(`${i}`, [to, "o'brien@acme.example"]));
      const given = await Promise.all(mails.map((mail) => line.give(mail)));
      assert.ok(given.every((g) => told(g).every((t) => t?.startsWith('delivered 250 2.0.0'))));
      assert.equal(taken().length, 1);
      const text = undo(taken()[0]?.input ?? Buffer.alloc(0)).toString('latin1');
      const mail =
        `MAIL FROM:<joe@sender.example> SIZE=${CONTENT.length}\r\n` +
        'RCPT TO:<a@acme.example> NOTIFY=FAILURE ORCPT=rfc822;a@acme.example\r\n' +
        "RCPT TO:<o'brien@acme.example>\r\nDATA\r\n" +
        `${CONTENT.replace('\r\n.dot', '\r\n..dot')}.\r\n`;
      assert.equal(text, `EHLO mx2.example.net\r\n${mail.repeat(20)}QUIT\r\n`);
      const told1 = log.filter((l) => l.event === 'batch handed over');
      assert.equal(told1.length, 1);
      const { ratio, sent, ...fields } = told1[0]?.fields ?? {};
      const plain = {
        site: 'leaf',
        command: 'take-mail.sh',
        mails: 20,
        recipients: 40,
        octets: 20 * CONTENT.length,
      };
      assert.deepEqual(fields, compress === 'none' ? plain : { ...plain, compress });
      assert.equal(sent, taken()[0]?.input.length);
      if (compress !== 'none') assert.ok(Number(ratio) > 2);
      // For the summary of the call: with the first of them.
      const counted = given.map((g) => (g.kind === 'answered' ? g.sent : null));
      assert.deepEqual(counted, [compress === 'none' ? undefined : sent, ...Array(19).fill(undefined)]);
    });
  }

  test('a batch ends at its count, and at its size', async () => {
    const by = async (more: Partial<Batch>) => {
      const line = await open({ form: 'bsmtp', command: [TAKE], ...more });
      const before = taken().length;
      await Promise.all(Array.from({ length: 9 }, (_, i) => line.give(parcel(`${i}`, ['a@acme.example']))));
      return taken()
        .slice(before)
        .map((t) => t.input.toString('latin1').split('MAIL FROM').length - 1);
    };
    assert.deepEqual(await by({ count: 4 }), [4, 4, 1]);
    assert.deepEqual(await by({ size: 3 * CONTENT.length }), [3, 3, 3]);
  });

  test('the time over, it is killed with its children; nothing is delivered', async () => {
    order('hang');
    const line = await open({ timeout: 1500 });
    const given = await line.give(parcel('1', ['a@acme.example']));
    assert.deepEqual(told(given), ['deferred 451 4.3.0 take-mail.sh was killed, since its time was over']);
    const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
    // A busy machine takes its time to end what was killed.
    const lives = () => {
      try {
        return !/\) [ZX]/.test(readFileSync(`/proc/${child}/stat`, 'utf8'));
      } catch {
        return false;
      }
    };
    for (let i = 0; i < 200 && lives(); i++) await new Promise((r) => setTimeout(r, 10));
    assert.ok(!lives());
  });

  test('destroyed, it kills the command, and what was out is open again', async () => {
    order('hang');
    const line = await open();
    const given = line.give(parcel('1', ['a@acme.example']));
    while (!existsSync(join(folder, 'child'))) await new Promise((r) => setTimeout(r, 10));
    line.destroy();
    const { kind, outcomes } = await given;
    assert.deepEqual([kind, outcomes], ['broken', [null]]);
  });

  test('hung up, it begins nothing more, and the command that runs tells what became of its mail', async () => {
    order('wait');
    const line = await open();
    const [first, second] = [
      line.give(parcel('1', ['a@acme.example'])),
      line.give(parcel('2', ['b@acme.example'])),
    ];
    while (!existsSync(join(folder, 'words.0'))) await new Promise((r) => setTimeout(r, 10));
    assert.equal(line.hangUp(), true);
    assert.equal((await second).kind, 'broken');
    rmSync(join(folder, 'do'));
    assert.match(told(await first)[0] ?? '', /^delivered 250 2.0.0 Taken by take-mail.sh/);
    assert.equal(line.hangUp(), false);
    await line.close();
    assert.ok(!existsSync(join(folder, 'words.1')));
  });

  test("a program that is not there is the site's trouble", async () => {
    const line = await open({ command: ['/nowhere/uux', '{recipients}'] });
    const given = await line.give(parcel('1', ['a@acme.example']));
    assert.ok(given.kind === 'broken');
    assert.match(given.trouble.text, /^uux: spawn \/nowhere\/uux ENOENT/);
    assert.equal((await line.give(parcel('2', ['a@acme.example']))).kind, 'broken');
  });

  test('{file} is the path of the whole batch, and is gone afterwards', async () => {
    const line = await open({ form: 'bsmtp', command: ['cp', '{file}', join(folder, 'copy')] });
    assert.equal((await line.give(parcel('1', ['a@acme.example']))).kind, 'answered');
    assert.match(
      readFileSync(join(folder, 'copy'), 'utf8'),
      /^EHLO mx2.example.net\r\nMAIL [\s\S]*QUIT\r\n$/,
    );
    assert.deepEqual(readdirSync(join(folder, 'batch')), []);
  });

  test('a mail that cannot be read does not keep the others', async () => {
    for (const form of ['bsmtp', 'rmail'] as const) {
      const command = form === 'rmail' ? [TAKE, '{recipients}'] : [TAKE];
      const line = await open({ form, command });
      const [bad, good] = await Promise.all([
        line.give(parcel('1', ['a@acme.example'], { open: async () => null })),
        line.give(parcel('2', ['a@acme.example'])),
      ]);
      assert.deepEqual(told(bad), ['deferred 451 4.3.0 The mail can not be read']);
      assert.match(told(good)[0] ?? '', /^delivered/);
    }
  });

  test('damage in one mail breaks its batch once; then it is put off alone', async () => {
    for (const [form, content] of [
      ['bsmtp', 'a\nb\r\n'],
      ['rmail', 'a\rb\r\n'],
    ] as const) {
      const clock = new SystemClock();
      const env = { PATH: process.env.PATH, TAKEN: folder };
      const batch: Batch = {
        ...{
          form,
          command: form === 'rmail' ? [TAKE, '{recipients}'] : [TAKE],
          words: 'shell',
          compress: 'none',
        },
        ...{ size: 1e6, count: 10, every: HOUR, timeout: MINUTE },
      };
      const options = {
        site: { name: 'leaf' },
        hostname: 'h.example',
        folder: join(folder, 'batch'),
        batch,
        env,
        clock,
      };
      const handover = batchHandover({ ...options, log: listLog(log) });
      const give = async () => {
        const line = await handover.connect(new AbortController().signal);
        assert.ok(line.kind === 'line');
        const bad = line.give(parcel('1', ['a@acme.example'], {}, content));
        const good = line.give(parcel('2', ['a@acme.example']));
        return Promise.all([bad, good]);
      };
      const before = taken().length;
      const [bad] = await give();
      assert.ok(bad.kind === 'broken');
      assert.match(bad.trouble.text, /holds a bare CR, LF or NUL/);
      assert.equal(taken().length, before);
      const [again, good] = await give();
      assert.match(told(again)[0] ?? '', /^deferred/);
      assert.match(told(good)[0] ?? '', /^delivered/);
    }
  });

  test('close waits for what was given, and does not wait for more', async () => {
    const line = await open({ form: 'bsmtp', command: [TAKE] });
    const given = line.give(parcel('1', ['a@acme.example']));
    await line.close();
    assert.equal((await given).kind, 'answered');
    await (await open()).close();
  });
});
