/**
 * `pass_client` with the whole server: what a primary hears of the clients whose mail was held while it was away, of our
 * notices, and after a reload.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Daemon, freePort, until } from '../support/daemon.ts';
import { ALL_KEYWORDS, FakePrimary } from '../support/fake-primary.ts';

const KEYWORDS = [
  ...ALL_KEYWORDS,
  'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT',
  'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE',
];
/** Clients have addresses of this machine here, of which no primary is told: so a front of ours names two. */
const [FRONT, LOCAL] = ['127.0.0.2', '127.0.0.3'] as const;
const [ONE, TWO] = ['192.0.2.1', '192.0.2.2'] as const;
const SENDER = 'friend@elsewhere.example';

describe('a primary that was away', () => {
  let daemon: Daemon;
  let fake: FakePrimary;
  let port: number;

  const sites = (passClient: string) =>
    [
      `peers: ["${FRONT}"]`,
      'notices: { allow: [elsewhere.example] }',
      'sites:',
      ...['one', 'elsewhere'].map(
        (name) =>
          `  ${name}: { domains: [${name}.example], recipients: any, primary: "127.0.0.1:${port}", tls: none, pass_client: ${passClient} }`,
      ),
    ].join('\n');

  before(async () => {
    port = await freePort();
    daemon = await Daemon.make(sites('xclient'));
    await daemon.start();
  });
  after(async () => {
    await daemon.remove();
    await fake?.stop();
  });

  const send = async (from: string, helo: string, subject: string, to = 'u@one.example') => {
    const peer = await daemon.peer(from === LOCAL ? LOCAL : FRONT);
    await peer.say('EHLO front.example');
    if (from !== LOCAL) assert.match(await peer.say(`XCLIENT ADDR=${from}`), /^220 /);
    await peer.say(`EHLO ${helo}`);
    const { end } = await peer.mail([to], `From: ${SENDER}\r\nSubject: ${subject}\r\n\r\nbody`);
    peer.close();
    assert.match(end, /^250 2\.0\.0 Ok: held as /);
  };
  const arrived = (subject: string) =>
    until(subject, () => fake.mails.find((m) => m.content.includes(`Subject: ${subject}\r\n`)) ?? null);

  test('xclient: hears for each mail who its client was, across a restart of ours', async () => {
    for (const [from, helo, subject] of [
      [ONE, 'a.example', 'first'],
      [TWO, 'b.example', 'second'],
      [TWO, 'b.example', 'third'],
      [LOCAL, 'c.example', 'local'],
    ] as const) {
      await send(from, helo, subject);
    }
    await daemon.end('SIGKILL');
    await daemon.start();
    fake = await FakePrimary.start({ keywords: KEYWORDS }, port);
    await daemon.command('site', 'flush', 'one', '--wait');
    assert.equal((await arrived('first')).client, `${ONE} a.example`);
    for (const subject of ['second', 'third'])
      assert.equal((await arrived(subject)).client, `${TWO} b.example`);
    assert.equal((await arrived('local')).client, '');
    assert.deepEqual(fake.violations, []);
  });

  test('xclient: a notice of ours goes in nobody’s name, a mail beside it in its client’s', async () => {
    fake.options = {
      keywords: KEYWORDS,
      script: (s, arg) => (s === 'rcpt' && arg.includes('no@one') ? '550 5.1.1 no such user' : undefined),
    };
    // Since it is back refusals are held back, until it has taken enough.
    for (let n = 0; n < 5; n++) await send(ONE, 'a.example', `good ${n}`);
    await arrived('good 4');
    await send(ONE, 'a.example', 'beside', 'u@elsewhere.example');
    await send(ONE, 'a.example', 'refused', 'no@one.example');
    const notice = await until('the notice', () => fake.mails.find(({ sender }) => sender === '') ?? null);
    assert.equal(notice.client, '');
    assert.deepEqual(notice.recipients, [SENDER]);
    assert.equal((await arrived('beside')).client, `${ONE} a.example`);
  });

  test('xforward and none, after a reload', async () => {
    daemon.configure(sites('xforward'));
    await daemon.reload();
    await until('the reload', () => daemon.log.includes('"event":"reloaded"') || null);
    await send(TWO, 'c.example', 'forwarded');
    const { client, forwarded } = await arrived('forwarded');
    assert.equal(client, '');
    assert.match(
      forwarded.join('; '),
      /^NAME=\[UNAVAILABLE\] ADDR=192\.0\.2\.2 PORT=\[UNAVAILABLE\] PROTO=ESMTP HELO=c\.example IDENT=\w+ SOURCE=REMOTE$/,
    );
  });
});
