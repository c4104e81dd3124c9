import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Journal } from '../../../test/support/keepers-world.ts';
import { site } from '../../../test/support/lines.ts';
import { MemoryFiles } from '../../../test/support/memory-files.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { DAY } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import type { Envelope } from '../../mail/envelope.ts';
import { describe as textOf } from '../../mail/reply.ts';
import type { Login, Maildrop } from '../../protocol/pop3/maildrop.ts';
import type { Mailbox, Site } from '../../site/site.ts';
import { openLogSpool } from '../../spool/log/index.ts';
import type { EntryId, Lease, Spool } from '../../spool/port.ts';
import { Mailboxes } from './mailboxes.ts';

const ONE: Mailbox = { kind: 'mailbox', copies: 'one', field: 'X-Envelope-To' };
const EACH: Mailbox = { ...ONE, copies: 'each' };
const LOGIN: Login = { name: 'acme', sites: ['acme'], address: '192.0.2.7' };

async function world(collect: Mailbox = ONE, ...more: Site[]) {
  const clock = new SimClock();
  const files = new MemoryFiles();
  const log = new Journal();
  const start = () =>
    openLogSpool({ dir: '/spool', files, clock, log: silent, random: randomBytes, limits: { reserve: 0 } });
  const held: { spool: Spool; collect: Mailbox; lease?: Lease } = { spool: await start(), collect };
  const siteOf = (name: string): Site | undefined =>
    name === 'acme'
      ? { ...site(0), name, collect: held.collect, hold: 30 * DAY }
      : more.find((s) => s.name === name);
  const mailboxes = () =>
    new Mailboxes({
      spool: held.spool,
      siteOf,
      lend: async (queue, by) => {
        const lease = await held.spool.lease(queue, by);
        if (lease.kind === 'busy') return { kind: 'not lent', text: lease.holder };
        held.lease = lease;
        return { kind: 'lent', lease, end: () => lease.release() };
      },
      clock,
      log,
    });
  return {
    clock,
    log,
    files,
    held,
    get spool() {
      return held.spool;
    },
    async put(content: string, to: readonly string[], sender = 'ann@sender.example'): Promise<EntryId> {
      const envelope: Envelope = {
        sender,
        recipients: to.map((address) => ({ address })),
        body: '8bitmime',
        smtputf8: false,
      };
      const draft = await held.spool.draft({ queues: ['acme'] });
      assert.ok(draft.kind === 'draft');
      const origin = { kind: 'received', peer: '192.0.2.1', helo: 'x', protocol: 'ESMTP' } as const;
      const committed = await draft.commit(Buffer.from(content), [{ queue: 'acme', envelope, origin }]);
      assert.ok(committed.kind === 'committed');
      return committed.entries[0] ?? '';
    },
    open: (login: Partial<Login> = {}) => mailboxes().open({ ...LOGIN, ...login }),
    async drop(): Promise<Maildrop> {
      const drop = await mailboxes().open(LOGIN);
      assert.ok(drop.kind === 'maildrop', drop.kind);
      return drop;
    },
    async restart(): Promise<void> {
      await held.spool.close();
      held.spool = await start();
    },
  };
}

async function fetched(drop: Maildrop, n: number): Promise<string> {
  const message = await drop.open(n);
  assert.ok(message);
  const parts: Uint8Array[] = [];
  for await (const part of message.chunks()) parts.push(part);
  await message.close();
  const octets = Buffer.concat(parts);
  assert.equal(octets.length, drop.size(n), `size of ${n}`);
  return octets.toString();
}

const uids = (drop: Maildrop): string[] => Array.from({ length: drop.count }, (_, i) => drop.uid(i + 1));

describe('a queue as a mailbox', () => {
  test('holds each mail once, its envelope on top, a forged one renamed', async () => {
    const w = await world();
    const a = await w.put('Received: x\r\nX-Envelope-To: all@acme\r\nReturn-Path: <f@f>\r\n\r\n.\r\n', [
      'joe@acme.example',
      'jörg@acme.example',
    ]);
    const b = await w.put('Received: y\r\n\r\nnotice\r\n', ['joe@acme.example'], '');
    const drop = await w.drop();
    assert.deepEqual([drop.count, drop.days, uids(drop)], [2, 30, [a, b]]);
    assert.equal(
      await fetched(drop, 1),
      'Return-Path: <ann@sender.example>\r\nX-Envelope-To: joe@acme.example, jörg@acme.example\r\n' +
        'Received: x\r\nX-Orig-Env-To: all@acme\r\nX-Orig-Path: <f@f>\r\n\r\n.\r\n',
    );
    assert.equal(
      await fetched(drop, 2),
      'Return-Path: <>\r\nX-Envelope-To: joe@acme.example\r\nReceived: y\r\n\r\nnotice\r\n',
    );
  });

  test('or a copy for each recipient, under the name that the site wants', async () => {
    const w = await world({ kind: 'mailbox', copies: 'each', field: 'Delivered-To' });
    const a = await w.put('R: x\r\nDelivered-To: z\r\n\r\n', ['a@x', 'b@x']);
    const b = await w.put('R: y\r\n\r\n', ['c@x']);
    const drop = await w.drop();
    assert.deepEqual(uids(drop), [`${a}/0`, `${a}/1`, `${b}/0`]);
    const texts = [await fetched(drop, 1), await fetched(drop, 2), await fetched(drop, 3)];
    const path = 'Return-Path: <ann@sender.example>';
    assert.deepEqual(texts, [
      `${path}\r\nDelivered-To: a@x\r\nR: x\r\nX-Orig-Dl-To: z\r\n\r\n`,
      `${path}\r\nDelivered-To: b@x\r\nR: x\r\nX-Orig-Dl-To: z\r\n\r\n`,
      `${path}\r\nDelivered-To: c@x\r\nR: y\r\n\r\n`,
    ]);
  });

  test('is opened without a read, whatever its length, also with a copy for each recipient', async () => {
    const w = await world();
    for (let i = 0; i < 300; i++) await w.put('R: x\r\n\r\n', [`u${i}@acme.example`, 'v@acme.example']);
    await w.restart();
    let reads = 0;
    w.files.fault = (op) => {
      if (op.kind === 'read') reads++;
      return undefined;
    };
    const drop = await w.drop();
    assert.deepEqual([drop.count, reads], [300, 0]);
    assert.ok((await fetched(drop, 300)).includes('u299@acme.example'));
    assert.ok(reads > 0);
    await drop.release();
    reads = 0;
    w.held.collect = EACH;
    const each = await w.drop();
    assert.deepEqual([each.count, reads], [600, 0]);
    assert.match(await fetched(each, 599), /^X-Envelope-To: u299@acme.example\r$/m);
    assert.match(await fetched(each, 600), /^X-Envelope-To: v@acme.example\r$/m);
  });

  test('holds a copy for each of many recipients, and for one whose address is very long', async () => {
    const w = await world(EACH);
    const many = Array.from({ length: 300 }, (_, i) => `u${i}@acme.example`);
    const long = `${'l'.repeat(64)}@${'d'.repeat(200)}.example`;
    await w.put('R: x\r\n\r\n', many);
    await w.put('R: y\r\n\r\n', ['a@acme.example', long]);
    await w.put('R: z\r\n\r\n', ['a@acme.example', 'b@acme.example']);
    await w.restart();
    const drop = await w.drop();
    assert.equal(drop.count, 304);
    for (const [n, address] of [
      ...many,
      'a@acme.example',
      long,
      'a@acme.example',
      'b@acme.example',
    ].entries())
      assert.ok((await fetched(drop, n + 1)).includes(`X-Envelope-To: ${address}\r\n`));
  });

  test('shows nothing that is held, and nothing that came after the session began', async () => {
    const w = await world();
    const a = await w.put('a\r\n', ['a@x']);
    const b = await w.put('b\r\n', ['b@x']);
    await w.spool.operate([a], { kind: 'hold', hold: { kind: 'operator', reason: 'r' } });
    const drop = await w.drop();
    const c = await w.put('c\r\n', ['c@x']);
    assert.deepEqual(uids(drop), [b]);
    await drop.release();
    assert.deepEqual(uids(await w.drop()), [b, c]);
  });

  test('has one holder: not two sessions, not a session and a keeper', async () => {
    const w = await world();
    const drop = await w.drop();
    assert.deepEqual(await w.open(), { kind: 'busy' });
    assert.equal((await w.spool.lease('acme', 'keeper')).kind, 'busy');
    await drop.release();
    const keeper = await w.spool.lease('acme', 'keeper');
    assert.ok(keeper.kind === 'lease');
    assert.deepEqual(await w.open(), { kind: 'busy' });
    await keeper.release();
    await w.drop();
  });

  test('is that of the site with the login’s name, or of its only site with a mailbox', async () => {
    const beta = { ...site(0), name: 'beta', collect: ONE };
    const pushed = { ...site(0), name: 'pushed' };
    const w = await world(ONE, beta, pushed);
    const kindOf = async (name: string, ...sites: string[]) => {
      const opened = await w.open({ name, sites });
      if (opened.kind === 'maildrop') await opened.release();
      return opened.kind;
    };
    assert.equal(await kindOf('someone', 'pushed', 'beta'), 'maildrop');
    assert.equal(await kindOf('acme', 'acme', 'beta'), 'maildrop');
    assert.equal(await kindOf('someone', 'acme', 'beta'), 'none');
    assert.equal(await kindOf('someone', 'pushed', 'gone'), 'none');
    assert.equal(await kindOf('acme'), 'none');
  });
});

describe('what is deleted', () => {
  test('is delivered, durably, and told as any handover is', async () => {
    const w = await world();
    const a = await w.put('a\r\n', ['a@x', 'b@x']);
    const b = await w.put('b\r\n', ['c@x']);
    await w.put('c\r\n', ['d@x']);
    const drop = await w.drop();
    await fetched(drop, 1);
    assert.equal(await drop.remove([2, 1]), true);
    await drop.release();
    await w.restart();
    assert.equal(w.spool.summary('acme').count, 1);
    const reply = '250 2.0.0 fetched by POP3';
    const common = { queue: 'acme', host: '192.0.2.7', login: 'acme' };
    assert.deepEqual(w.log.of('mail handed over'), [
      {
        ...common,
        mail: b,
        entry: b,
        reply: '250 2.0.0 deleted by POP3, not fetched in that session',
        recipients: ['c@x'],
      },
      { ...common, mail: a, entry: a, reply, recipients: ['a@x', 'b@x'] },
    ]);
    const [closed] = w.log.of('mailbox closed');
    assert.deepEqual([closed?.fetched, closed?.removed, closed?.left], [1, 2, 1]);
  });

  test('with a copy for each recipient settles that recipient alone', async () => {
    const w = await world(EACH);
    const a = await w.put('a\r\n', ['a@x', 'b@x', 'c@x']);
    const drop = await w.drop();
    await fetched(drop, 2);
    await drop.remove([2]);
    await drop.release();
    const entry = await w.spool.read(a);
    assert.ok('recipients' in entry);
    assert.deepEqual(
      entry.recipients.map((r) => [r.state, r.last && textOf(r.last.reply)]),
      [
        ['pending', undefined],
        ['delivered', '250 2.0.0 fetched by POP3'],
        ['pending', undefined],
      ],
    );
    await w.restart();
    const again = await w.drop();
    // The UID of a copy stays what it was.
    assert.deepEqual(uids(again), [`${a}/0`, `${a}/2`]);
    await fetched(again, 2);
    await again.release();
    // Switched to one copy: it speaks of those who wait.
    w.held.collect = ONE;
    const one = await w.drop();
    assert.match(await fetched(one, 1), /^X-Envelope-To: a@x, c@x\r$/m);
    assert.equal(await one.remove([1]), true);
    assert.equal(w.spool.summary('acme').count, 0);
  });

  test('may be gone already; what is not deleted stays as it was', async () => {
    const w = await world();
    const a = await w.put('a\r\n', ['a@x']);
    const b = await w.put('b\r\n', ['b@x']);
    const drop = await w.drop();
    await w.spool.operate([a], { kind: 'remove', by: 'operator' });
    assert.equal(await drop.open(1), null);
    assert.equal(await drop.remove([1]), true);
    await fetched(drop, 2);
    await drop.release();
    const entry = await w.spool.read(b);
    assert.ok('recipients' in entry);
    assert.deepEqual([entry.attempts, entry.recipients], [0, [{ state: 'pending' }]]);
  });

  test('counts after the lease was taken back, by which nothing more is given out', async () => {
    const w = await world();
    await w.put('a\r\n', ['a@x']);
    await w.put('b\r\n', ['b@x']);
    const drop = await w.drop();
    await fetched(drop, 1);
    await w.held.lease?.release();
    assert.equal(await drop.open(2), null);
    assert.equal(await drop.remove([1]), true);
    assert.equal(w.spool.summary('acme').count, 1);
  });

  test('is many at once', async () => {
    const w = await world();
    for (let i = 0; i < 700; i++) await w.put('R: x\r\n\r\n', [`u${i}@acme.example`]);
    const drop = await w.drop();
    assert.equal(await drop.remove(Array.from({ length: 699 }, (_, i) => i + 1)), true);
    assert.equal(w.spool.summary('acme').count, 1);
  });
});
