/**
 * Mail on its way in: who gets which entry, when 250 is said, and what is left of mail that is not
 * taken.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SECOND } from '../../src/base/clock.ts';
import { SiteDirectory } from '../../src/site/site.ts';
import { EHLO, House, listed, makeSite, STRANGER } from './receive-harness.ts';

const MAIL = 'From: a@sender.example\r\nMessage-ID: <1@sender.example>\r\nSubject: x\r\n\r\nbody\r\n';
const SITES = ['one', 'two', 'three'].map((name) => makeSite(name, [`${name}.example`]));
const makeHouse = () => new House(SITES);

describe('entries', () => {
  test('each queue gets its own recipients and nobody else, in one commit', async () => {
    const house = makeHouse();
    const recipients = Array.from(
      { length: 120 },
      (_, i) => `u${i}@${['one', 'two', 'three'][i % 3]}.example`,
    );
    recipients.push('postmaster');
    assert.equal(await house.visit().send('a@sender.example', recipients, MAIL), '250 2.0.0');
    assert.equal(house.spool.mails.length, 1);
    const [held] = house.spool.mails;
    assert.deepEqual(
      held?.entries.map((e) => e.queue),
      ['one', 'two', 'three', 'operator'],
    );
    for (const { queue, envelope } of held?.entries ?? []) {
      const of =
        queue === 'operator'
          ? ['postmaster@mx2.restante.example']
          : recipients.filter((r) => r.endsWith(`@${queue}.example`));
      assert.deepEqual(
        envelope.recipients.map((r) => r.address),
        of,
      );
    }
    assert.deepEqual(house.spool.asked, [{ queues: ['one', 'two', 'three', 'operator'] }]);
  });

  test('envelope, parameters and origin are kept as they came', async () => {
    const house = makeHouse();
    const visit = house.visit();
    visit.manner = { ...EHLO, tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' } };
    const sender = 'prvs=0123ABCdef=Joe.Doe+x@Sender.Example';
    await visit.mail(`FROM:<${sender}> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=QQ314159`);
    await visit.rcpt('TO:<U@One.Example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;v+40w');
    await visit.rcpt('TO:<v@one.example>');
    assert.equal(await visit.data(MAIL), '250 2.0.0');
    const [held] = house.spool.mails;
    assert.deepEqual(held?.entries, [
      {
        queue: 'one',
        envelope: {
          sender,
          recipients: [
            { address: 'U@One.Example', notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;v+40w' },
            { address: 'v@one.example' },
          ],
          body: '8bitmime',
          smtputf8: false,
          ret: 'HDRS',
          envid: 'QQ314159',
        },
        origin: { kind: 'received', peer: STRANGER, helo: 'client.example', protocol: 'ESMTPS' },
      },
    ]);
    assert.deepEqual(house.spool.asked, [{ size: 1000, queues: ['one'] }]);
  });

  test('who authenticated is kept with the mail, told in Received and in the log', async () => {
    const house = makeHouse();
    const visit = house.visit();
    visit.manner = { ...EHLO, authenticated: { login: 'one-login', sites: ['one'] } };
    assert.equal(await visit.send('a@sender.example', ['u@one.example'], MAIL), '250 2.0.0');
    const [held] = house.spool.mails;
    const origin = held?.entries[0]?.origin;
    assert.deepEqual(origin, {
      kind: 'received',
      peer: STRANGER,
      helo: 'client.example',
      protocol: 'ESMTPA',
      authenticated: 'one-login',
    });
    assert.match(held?.head ?? '', /with ESMTPA/);
    assert.equal(house.logged('mail accepted')[0]?.login, 'one-login');
  });

  test('content is passed on byte for byte, below one Received field of ours', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }), async (chunks) => {
        const house = makeHouse();
        const visit = house.visit();
        await visit.mail('FROM:<>');
        await visit.rcpt('TO:<u@one.example>');
        assert.equal(await visit.data(...chunks.map((c) => Buffer.from(c))), '250 2.0.0');
        const [held] = house.spool.mails;
        assert.deepEqual(held?.body, Buffer.concat(chunks));
        assert.match(held?.head ?? '', /^Received: from client\.example \(unknown \[198\.51\.100\.10\]\)/);
        assert.match(held?.head ?? '', /id m1\s+for\s+<u@one\.example>;/);
        assert.equal(held?.head.match(/\r\n(?![ \t])/g)?.length, 1);
      }),
      { numRuns: 50 },
    );
  });

  test('no for clause with several recipients, in whichever queues', async () => {
    const house = makeHouse();
    await house.visit().send('', ['u@one.example', 'v@two.example'], MAIL);
    assert.doesNotMatch(house.spool.mails[0]?.head ?? '', /\bfor\b|u@one|v@two/);
  });

  test('the same Message-ID twice is two mails', async () => {
    const house = makeHouse();
    for (let i = 0; i < 2; i++) await house.visit().send('a@sender.example', ['u@one.example'], MAIL);
    assert.equal(house.spool.mails.length, 2);
  });

  test('a refused recipient leaves the others alone', async () => {
    const house = makeHouse();
    const visit = house.visit();
    await visit.mail('FROM:<a@sender.example>');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<u@victim.example>'), '550 5.7.1');
    assert.equal(await visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(house.spool.mails[0]?.entries[0]?.envelope.recipients, [{ address: 'u@one.example' }]);
    assert.deepEqual(house.logged('recipient refused'), [
      {
        peer: STRANGER,
        helo: 'client.example',
        sender: 'a@sender.example',
        recipient: 'u@victim.example',
        reply: '550 5.7.1 Relaying to that address is denied',
        why: 'the domain belongs to no site',
      },
    ]);
  });
});

describe('250', () => {
  test('is said only when the commit resolved', async () => {
    const house = makeHouse();
    const { promise, resolve } = Promise.withResolvers<void>();
    house.spool.sync = promise;
    let said = '';
    const sent = house
      .visit()
      .send('', ['u@one.example'], MAIL)
      .then((reply) => (said = reply));
    await house.clock.settle();
    assert.equal(said, '');
    assert.deepEqual(house.logged('mail accepted'), []);
    resolve();
    await sent;
    assert.equal(said, '250 2.0.0');
    assert.equal(house.logged('mail accepted').length, 1);
  });

  test('is not said when the spool refuses, or fails, at the last moment', async () => {
    for (const [why, reply] of [
      ['full', '452 4.3.1'],
      ['share', '452 4.3.1'],
      ['memory', '452 4.3.1'],
      ['readonly', '451 4.3.0'],
      ['io', '451 4.3.0'],
    ] as const) {
      const house = makeHouse();
      house.spool.refuseCommit = { kind: 'refused', why, text: 'told so' };
      assert.equal(await house.visit().send('', ['u@one.example'], MAIL), reply);
      house.spool.refuseDraft = { kind: 'refused', why, text: 'told so' };
      assert.equal(await house.visit().send('', ['u@one.example'], MAIL), reply);
      assert.equal(house.logged('mail refused').length, 2);
    }
    const house = makeHouse();
    house.spool.sync = Promise.reject(new Error('a fault'));
    assert.equal(await house.visit().send('', ['u@one.example'], MAIL), '451 4.3.0');
    assert.equal(house.logged('commit failed').length, 1);
  });
});

describe('mail that is given up', () => {
  for (const how of ['abort', 'reset', 'closed'] as const) {
    test(`leaves nothing: ${how}`, async () => {
      const house = makeHouse();
      const visit = house.visit();
      await visit.mail('FROM:<>');
      await visit.rcpt('TO:<u@one.example>');
      const sink = await visit.session.content();
      assert.ok(!('code' in sink));
      await sink.write(Buffer.from(MAIL));
      assert.equal(house.spool.open, 1);
      if (how === 'abort') sink.abort();
      else visit.session[how]();
      assert.equal(house.spool.open, 0);
      sink.abort();
      assert.equal(house.spool.mails.length, 0);
      // Nor do its recipients: the next mail starts anew.
      assert.equal(await visit.data('x'), '503 5.5.1');
    });
  }

  test('leaves nothing when the connection goes while the spool makes room', async () => {
    const house = makeHouse();
    const visit = house.visit();
    await visit.mail('FROM:<>');
    await visit.rcpt('TO:<u@one.example>');
    const content = visit.session.content();
    visit.session.closed();
    assert.ok('code' in (await content));
    assert.equal(house.spool.open, 0);
  });

  test('is not given up once it is being committed', async () => {
    const house = makeHouse();
    const { promise, resolve } = Promise.withResolvers<void>();
    house.spool.sync = promise;
    const visit = house.visit();
    await visit.mail('FROM:<>');
    await visit.rcpt('TO:<u@one.example>');
    const sink = await visit.session.content();
    assert.ok(!('code' in sink));
    const end = sink.end();
    visit.session.closed();
    resolve();
    assert.equal((await end).code, 250);
    assert.equal(house.spool.mails.length, 1);
  });
});

describe('a list of recipients', () => {
  test('is reread between mails, and never refuses for good while it is broken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'receive-'));
    const path = join(folder, 'list');
    const house = new House([makeSite('one', ['one.example'], { recipients: listed(path) })]);
    const visit = house.visit();
    await visit.mail('FROM:<>');
    assert.equal(await visit.rcpt('TO:<joe@one.example>'), '451 4.3.0');
    assert.equal(await visit.rcpt('TO:<postmaster@one.example>'), '250 2.1.5', 'valid without a list');
    await writeFile(path, 'joe\n');
    await house.clock.advance(SECOND);
    assert.equal(await visit.rcpt('TO:<joe@one.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<ann@one.example>'), '550 5.1.1');
    await writeFile(path, 'joe\nann\n');
    await house.clock.advance(SECOND);
    assert.equal(await visit.rcpt('TO:<ann@one.example>'), '250 2.1.5');
    await rm(folder, { recursive: true });
    await house.clock.advance(SECOND);
    assert.equal(await visit.rcpt('TO:<ann@one.example>'), '250 2.1.5');
  });
});

describe('a reload during a transaction', () => {
  async function across(reload: (house: House) => void): Promise<string> {
    const house = makeHouse();
    const visit = house.visit();
    await visit.mail('FROM:<>');
    await visit.rcpt('TO:<u@one.example>');
    await visit.rcpt('TO:<postmaster>');
    reload(house);
    const said = await visit.data(MAIL);
    assert.equal(house.spool.open, 0);
    return said;
  }

  test('changes nothing for recipients who stay where they are', async () => {
    assert.equal(await across((house) => (house.directory = new SiteDirectory(SITES))), '250 2.0.0');
  });

  test('puts off a mail whose recipient has moved or gone', async () => {
    assert.equal(await across((house) => (house.directory = new SiteDirectory([]))), '451 4.3.5');
    const moved = new SiteDirectory([makeSite('new', ['one.example'])]);
    assert.equal(await across((house) => (house.directory = moved)), '451 4.3.5');
  });
});

describe('the log', () => {
  test('tells who connected, and the sites hear of their primaries', async () => {
    const house = makeHouse();
    house.primaries.set('192.0.2.80', ['one', 'two']);
    assert.equal(await house.visit('192.0.2.80').session.connect(), null);
    assert.equal(await house.visit().session.connect(), null);
    assert.deepEqual(house.events, ['life one 192.0.2.80', 'life two 192.0.2.80']);
    assert.deepEqual(
      house.logged('connection').map((f) => f.peer),
      ['192.0.2.80', STRANGER],
    );
  });

  test('tells a mail once, by its id', async () => {
    const house = makeHouse();
    await house.visit().send('a@sender.example', ['u@one.example', 'v@two.example'], MAIL);
    const size = (house.spool.mails[0]?.head.length ?? 0) + MAIL.length;
    assert.deepEqual(house.logged('mail accepted'), [
      {
        mail: 'm1',
        entries: ['m1', 'm1.2'],
        queues: ['one', 'two'],
        peer: STRANGER,
        helo: 'client.example',
        sender: 'a@sender.example',
        recipients: ['u@one.example', 'v@two.example'],
        size,
        protocol: 'ESMTP',
      },
    ]);
  });

  test('tells with a mail who did not get it, and why', async () => {
    const house = makeHouse();
    const visit = house.visit();
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<x@elsewhere.example>');
    await visit.rcpt('TO:<u@one.example>');
    await visit.data(MAIL);
    assert.deepEqual(house.logged('mail accepted')[0]?.refused, [
      'x@elsewhere.example: 550 5.7.1 Relaying to that address is denied (the domain belongs to no site)',
    ]);
  });
});
