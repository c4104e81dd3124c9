/**
 * What limits mail on its way in: size, room, what a primary can take of UTF-8, and patience with
 * a peer that guesses.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { House, makeSite, STRANGER } from './receive-harness.ts';
import { Port } from './receive-wire.ts';

const MAIL = 'From: a@sender.example\r\nSubject: x\r\n\r\nbody\r\n';
const makeHouse = () => new House(['one', 'two', 'three'].map((name) => makeSite(name, [`${name}.example`])));

describe('size', () => {
  const house = makeHouse();
  house.capabilities.set('one', { size: 1000 });
  house.capabilities.set('two', { size: 0 });
  const LIMIT = 150 * 1024 * 1024;

  test('declared over the limit of the configuration is refused at MAIL', async () => {
    assert.equal(await house.visit().mail(`FROM:<> SIZE=${LIMIT + 1}`), '552 5.3.4');
    assert.equal(await house.visit().mail(`FROM:<> SIZE=${LIMIT}`), '250 2.1.0');
  });

  test("declared over a primary's known limit is refused at RCPT, for its site alone", async () => {
    const visit = house.visit();
    await visit.mail('FROM:<> SIZE=1001');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '552 5.3.4');
    assert.equal(await visit.rcpt('TO:<u@two.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<u@three.example>'), '250 2.1.5');
    await visit.mail('FROM:<> SIZE=1000');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '250 2.1.5');
  });

  test('an unknown limit, and SIZE 0, refuse nothing below that of the configuration', async () => {
    const visit = house.visit();
    await visit.mail(`FROM:<> SIZE=${LIMIT}`);
    assert.equal(await visit.rcpt('TO:<u@two.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<u@three.example>'), '250 2.1.5');
  });

  test('the actual size counts, our field included, whatever was declared', async () => {
    const before = house.spool.mails.length;
    for (let size = 700; size < 1100; size += 7) {
      const visit = house.visit();
      await visit.mail('FROM:<> SIZE=10');
      await visit.rcpt('TO:<u@one.example>');
      await visit.rcpt('TO:<u@three.example>');
      const said = await visit.data(Buffer.alloc(size, 'x'));
      const held = house.spool.mails.at(-1);
      if (said === '250 2.0.0') assert.ok(held && held.head.length + held.body.length <= 1000);
      else assert.equal(said, '552 5.3.4');
    }
    assert.ok(house.spool.mails.length > before);
    assert.equal(house.spool.open, 0);
  });

  test('what comes over the limit is not written', async () => {
    const visit = house.visit();
    await visit.mail('FROM:<>');
    await visit.rcpt('TO:<u@one.example>');
    const sink = await visit.session.content();
    assert.ok(!('code' in sink));
    await sink.write(Buffer.alloc(900));
    await sink.write(Buffer.alloc(900));
    assert.equal(house.spool.open, 0, 'its room is free again before the peer stops');
    await sink.write(Buffer.alloc(900));
    assert.equal((await sink.end()).code, 552);
    sink.abort();
  });
});

describe('room', () => {
  test('want of room is 452 at MAIL, whether declared or not', async () => {
    const house = makeHouse();
    house.spool.left = 5000;
    assert.equal(await house.visit().mail('FROM:<> SIZE=5001'), '452 4.3.1');
    assert.equal(await house.visit().mail('FROM:<> SIZE=5000'), '250 2.1.0');
    house.spool.state = 'full';
    assert.equal(await house.visit().mail('FROM:<>'), '452 4.3.1');
    house.spool.state = 'readonly';
    assert.equal(await house.visit().mail('FROM:<>'), '451 4.3.0');
  });

  test('a site over its share makes only its own recipients wait', async () => {
    const house = makeHouse();
    house.spool.shares.set('one', 0);
    house.spool.shares.set('two', 100);
    const visit = house.visit();
    await visit.mail('FROM:<> SIZE=101');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '452 4.3.1');
    assert.equal(await visit.rcpt('TO:<u@two.example>'), '452 4.3.1');
    assert.equal(await visit.rcpt('TO:<u@three.example>'), '250 2.1.5');
    assert.equal(await visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(
      house.spool.mails[0]?.entries.map((e) => e.queue),
      ['three'],
    );
    await visit.mail('FROM:<>');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '452 4.3.1');
    assert.equal(await visit.rcpt('TO:<u@two.example>'), '250 2.1.5');
  });
});

describe('UTF-8', () => {
  const UTF8_HEADER = 'Subject: grüße\r\n\r\nbody\r\n';
  const house = makeHouse();
  house.capabilities.set('one', { smtpUtf8: false });
  house.capabilities.set('two', { smtpUtf8: true });

  test('addresses are refused for a site that is known not to take them, at RCPT', async () => {
    const visit = house.visit();
    await visit.mail('FROM:<ä@sender.example> SMTPUTF8');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '553 5.6.7');
    assert.equal(await visit.rcpt('TO:<u@two.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<u@three.example>'), '250 2.1.5', 'nothing is known of it');
    await visit.mail('FROM:<a@sender.example> SMTPUTF8');
    assert.equal(await visit.rcpt('TO:<ü@one.example>'), '553 5.6.7');
    assert.equal(await visit.rcpt('TO:<ü@two.example>'), '250 2.1.5');
    assert.equal(await visit.rcpt('TO:<u@one.example>'), '250 2.1.5');
  });

  const last = () => house.spool.mails.at(-1)?.entries.map((e) => [e.queue, e.envelope.smtputf8]);

  async function send(mail: string, recipients: string[], content: string): Promise<string> {
    const visit = house.visit();
    await visit.mail(mail);
    for (const to of recipients) assert.equal(await visit.rcpt(`TO:<${to}>`), '250 2.1.5');
    return visit.data(content);
  }

  test('mail that is ASCII goes on without the parameter', async () => {
    assert.equal(await send('FROM:<a@sender.example> SMTPUTF8', ['u@one.example'], MAIL), '250 2.0.0');
    assert.deepEqual(last(), [['one', false]]);
    // 8-bit content is no matter of SMTPUTF8.
    assert.equal(
      await send('FROM:<a@sender.example> SMTPUTF8', ['u@one.example'], `${MAIL}grüße\r\n`),
      '250 2.0.0',
    );
    assert.deepEqual(last(), [['one', false]]);
  });

  test('each queue needs it by its own recipients', async () => {
    const said = await send('FROM:<> SMTPUTF8', ['u@one.example', 'ü@two.example', 'u@three.example'], MAIL);
    assert.equal(said, '250 2.0.0');
    assert.deepEqual(last(), [
      ['one', false],
      ['two', true],
      ['three', false],
    ]);
  });

  test('a UTF-8 header needs it, if it was declared', async () => {
    await send('FROM:<> SMTPUTF8', ['u@two.example'], UTF8_HEADER);
    assert.deepEqual(last(), [['two', true]]);
    // Undeclared: raw octets in a header, as they always were; passed on as they came.
    assert.equal(await send('FROM:<>', ['u@one.example'], UTF8_HEADER), '250 2.0.0');
    assert.deepEqual(last(), [['one', false]]);
  });

  test('a UTF-8 header that the primary can never take is refused while the sender can be told', async () => {
    assert.equal(await send('FROM:<> SMTPUTF8', ['u@one.example'], UTF8_HEADER), '550 5.6.9');
    assert.equal(house.spool.open, 0);
  });

  test('is told in the protocol of the origin', async () => {
    await send('FROM:<> SMTPUTF8', ['u@two.example'], MAIL);
    assert.match(house.spool.mails.at(-1)?.head ?? '', /with UTF8SMTP /);
    assert.deepEqual(house.spool.mails.at(-1)?.entries[0]?.origin, {
      kind: 'received',
      peer: STRANGER,
      helo: 'client.example',
      protocol: 'UTF8SMTP',
    });
  });
});

describe('a peer that guesses recipients', () => {
  test('is told 421 after a hundred refusals, and the connection ends', async () => {
    const house = makeHouse();
    const port = new Port(house);
    await port.open();
    const caller = await port.call();
    await caller.say('MAIL FROM:<>');
    for (let i = 0; i < 100; i++) {
      assert.equal(await caller.say(`RCPT TO:<u${i}@victim.example>`), '550 5.7.1');
    }
    assert.equal(await caller.say('RCPT TO:<u@victim.example>'), '421 4.7.0');
    assert.equal(await caller.reply(), 'closed');
    assert.equal(house.logged('recipient refused').length, 101);
    caller.close();
    port.close();
  });

  test('is no peer whose mails come through', async () => {
    const house = makeHouse();
    const visit = house.visit();
    for (let mail = 0; mail < 5; mail++) {
      await visit.mail('FROM:<>');
      for (let i = 0; i < 99; i++) assert.equal(await visit.rcpt('TO:<u@victim.example>'), '550 5.7.1');
      await visit.rcpt('TO:<u@one.example>');
      assert.equal(await visit.data(MAIL), '250 2.0.0');
    }
  });
});
