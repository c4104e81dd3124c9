/**
 * `while_up: through` and `defer` with the whole server: a primary whose line dies once, at each point of a mail. What was
 * answered 250 is there in the end, what was refused is not, and nobody gets a notice.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Daemon, type Peer, until } from '../support/daemon.ts';
import { FakePrimary, type FakeStation } from '../support/fake-primary.ts';

const MAIL = 'From: friend@elsewhere.example\r\nSubject: x\r\n\r\nbody';
/** A sender that is not at the primary's address: that one would be taken for it. */
const SENDER = '127.0.0.2';

const statusOf = (reply: string): string => reply.slice(0, 9);
const sites = (port: number, whileUp: string) =>
  `sites:\n  one: { domains: [one.example], recipients: any, primary: "127.0.0.1:${port}", while_up: ${whileUp}, tls: none }`;

describe('through, the whole server', () => {
  let daemon: Daemon;
  let fake: FakePrimary;
  let sender: Peer;

  before(async () => {
    fake = await FakePrimary.start();
    daemon = await Daemon.make(sites(fake.port, 'through'));
    await daemon.start();
  });
  after(async () => {
    await daemon.remove();
    await fake.stop();
  });
  beforeEach(async () => {
    fake.options = {};
    fake.mails.length = 0;
    sender = await daemon.peer(SENDER);
    await sender.say('EHLO elsewhere.example');
  });
  afterEach(() => sender.close());

  const queued = async () =>
    (await daemon.json<{ queued: number }[]>('site', 'list')).reduce((sum, site) => sum + site.queued, 0);

  test('the primary has it when 250 is said, nothing is queued, and its life can be told', async () => {
    const { rcpt, end } = await sender.mail(['u@one.example'], MAIL);
    assert.deepEqual(rcpt.map(statusOf), ['250 2.1.5']);
    const id = /^250 2\.0\.0 Ok: passed on as (\w+): queued\r\n$/.exec(end)?.[1];
    assert.ok(id, end);
    assert.equal(fake.mails.length, 1);
    assert.equal(await queued(), 0);
    const { out } = await daemon.command('trace', id);
    assert.match(out, /passed on/);
  });

  for (const act of ['550 5.1.1 no such user', '450 4.2.0 later']) {
    test(`${act}: heard at RCPT, and nothing is queued`, async () => {
      fake.options = { script: (s) => (s === 'rcpt' ? act : undefined) };
      await sender.say('MAIL FROM:<friend@elsewhere.example>');
      assert.equal(await sender.say('RCPT TO:<u@one.example>'), `${act}\r\n`);
      assert.equal(await queued(), 0);
    });
  }

  test('554 after the content: heard, and nothing is queued', async () => {
    fake.options = { script: (s) => (s === 'end' ? '554 5.7.1 spam' : undefined) };
    const { rcpt, end } = await sender.mail(['u@one.example'], MAIL);
    assert.deepEqual(rcpt.map(statusOf), ['250 2.1.5']);
    assert.equal(end, '554 5.7.1 spam\r\n');
    assert.equal(await queued(), 0);
    assert.equal(fake.mails.length, 0);
  });

  // Each leaves its site at rest for half a minute: so each has a server of its own.
  for (const [point, station] of [
    ['before MAIL', 'greeting'],
    ['after MAIL', 'mail'],
    ['after RCPT', 'rcpt'],
    ['in the content', 'data'],
    ['after the dot, before the answer', 'end'],
  ] as const satisfies readonly (readonly [string, FakeStation])[]) {
    test(`a line that dies ${point}: it is held, and is there in the end`, async () => {
      const dying = await FakePrimary.start();
      const own = await Daemon.make(sites(dying.port, 'through'));
      try {
        await own.start();
        let died = 0;
        // A mail whose line dies at MAIL is tried on a second one: that dies too.
        dying.options = {
          script: (s) => (s === station && died++ < (s === 'mail' ? 2 : 1) ? 'close' : undefined),
        };
        const peer = await own.peer(SENDER);
        await peer.say('EHLO elsewhere.example');
        const { rcpt, end } = await peer.mail(['u@one.example'], MAIL);
        assert.deepEqual(rcpt.map(statusOf), ['250 2.1.5']);
        assert.match(end, /^250 2\.0\.0 Ok: held as /);
        peer.close();
        await until('the mail', () => dying.mails.length > 0 || null);
        await until('an empty queue', async () => {
          const list = await own.json<{ queued: number }[]>('site', 'list');
          return list.every((site) => site.queued === 0) || null;
        });
        assert.deepEqual(
          dying.mails.map((m) => m.recipients),
          [['u@one.example']],
          'once, and no notice',
        );
        const marked = own.log.includes('the primary may have it already');
        assert.equal(marked, station === 'end');
      } finally {
        await own.remove();
        await dying.stop();
      }
    });
  }
});

describe('defer, the whole server', () => {
  test('a primary that lives is named to nobody by an address, and one that dies is no reason to wait', async () => {
    const fake = await FakePrimary.start();
    const daemon = await Daemon.make(sites(fake.port, 'defer'));
    try {
      await daemon.start();
      const peer = await daemon.peer(SENDER);
      await peer.say('EHLO elsewhere.example');
      await peer.say('MAIL FROM:<friend@elsewhere.example>');
      const said = await peer.say('RCPT TO:<u@one.example>');
      assert.equal(said, '451 4.3.0 Use the primary mail exchanger, it is up\r\n');
      assert.equal(fake.connections, 1, 'it was asked, without mail');
      assert.ok(!fake.commands.some((c) => c.startsWith('MAIL')));
      assert.equal(await peer.say('RCPT TO:<v@one.example>'), said);
      assert.equal(fake.connections, 1, 'and not again within a minute');
      peer.close();
    } finally {
      await daemon.remove();
      await fake.stop();
    }
  });
});
