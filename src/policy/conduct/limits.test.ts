import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Client, ConductHouse, SITE } from '../../../test/support/conduct-house.ts';
import { HOUR, MINUTE, SECOND } from '../../base/clock.ts';
import { defer, reject } from '../verdict.ts';
import { FAVOURED } from './limits.ts';

const OTHER = { ...SITE, name: 'other' };
const house = (limits: string) => new ConductHouse(`greeting_delay: none\nlimits: ${limits}`);
const times = async (count: number, ask: () => Promise<string>): Promise<string[]> => {
  const said: string[] = [];
  for (let i = 0; i < count; i++) said.push(await ask());
  return [...new Set(said)];
};

describe('limits', () => {
  test('of connections: 421 by client and by network, and others come in', async () => {
    const h = house('{ client: { connections: 3/m }, network: { connections: 5/m } }');
    const connect = (address: string) => h.come(address).connect();
    assert.deepEqual(await times(3, () => connect('198.51.100.1')), ['ok']);
    assert.equal(await connect('198.51.100.1'), '421 4.7.0');
    assert.deepEqual(await times(2, () => connect('198.51.100.2')), ['ok']);
    assert.equal(await connect('198.51.100.3'), '421 4.7.0');
    assert.equal(await connect('198.51.101.1'), 'ok');
    await h.clock.advance(20 * SECOND);
    assert.equal(await connect('198.51.100.1'), 'ok');
  });

  test('of mails: 450 at the recipient, which says in the log why', async () => {
    const h = house('{ client: { mails: 60/h } }');
    const client = h.come('198.51.100.1');
    assert.deepEqual(await times(60, () => client.send()), ['ok']);
    assert.equal(await client.send(), '450 4.7.1');
    assert.equal(client.why, 'limit: 60 mails in 1 h of client 198.51.100.1');
    assert.equal(await h.come('198.51.100.1').send(), '450 4.7.1', 'also in another connection');
    assert.equal(await h.come('198.51.100.2').send(), 'ok');
    await h.clock.advance(MINUTE);
    assert.equal(await client.send(), 'ok');
    assert.equal(await client.send(), '450 4.7.1');
  });

  test('of mails: an IPv6 /64 is one client, and a /48 one network', async () => {
    const h = house('{ client: { mails: 2/h }, network: { mails: 3/h } }');
    assert.equal(await h.come('2001:db8::1').send(), 'ok');
    assert.equal(await h.come('2001:db8::2').send(), 'ok');
    assert.equal(await h.come('2001:db8::3').send(), '450 4.7.1');
    assert.equal(await h.come('2001:db8:0:1::1').send(), 'ok');
    const last = h.come('2001:db8:0:2::1');
    assert.equal(await last.send(), '450 4.7.1');
    assert.match(last.why, /of the network of 2001:db8:0:2::1$/);
    assert.equal(await h.come('2001:db8:1::1').send(), 'ok');
  });

  test('of recipients, of a sender, of a site', async () => {
    const h = house('{ client: { recipients: 4/h }, sender: { mails: 3/h }, site: { mails: 5/h } }');
    const first = h.come('198.51.100.1');
    await first.mail();
    assert.deepEqual(await times(4, () => first.rcpt()), ['ok']);
    assert.equal(await first.rcpt(), '450 4.7.1');
    assert.match(first.why, /4 recipients/);
    assert.equal(await h.come('198.51.100.2').send('A@sender.example'), 'ok');
    assert.equal(await h.come('198.51.100.3').send(), 'ok');
    const fourth = h.come('198.51.100.4');
    assert.equal(await fourth.send(), '450 4.7.1');
    assert.match(fourth.why, /3 mails in 1 h of sender a@sender\.example/);
    assert.deepEqual(await times(2, () => fourth.send('')), ['ok'], 'the null sender is nobody');
    const sixth = h.come('198.51.100.6');
    assert.equal(await sixth.send('b@sender.example'), '450 4.7.1');
    assert.match(sixth.why, /of site acme$/);
    await sixth.mail('b@sender.example');
    assert.equal(await sixth.rcpt('joe@other.example', OTHER), 'ok');
  });

  test('of a sender: the null sender is everybody’s, and is not counted', async () => {
    const h = house('{ sender: { mails: 1/h } }');
    assert.deepEqual(await times(5, () => h.come('198.51.100.1').send('')), ['ok']);
    assert.deepEqual(await times(2, () => h.come('198.51.100.1').send()), ['ok', '450 4.7.1']);
  });

  test('of octets of a network: what one host brought the others can not', async () => {
    const h = house('{ network: { bytes: 1MB/m } }');
    assert.equal(await h.come('198.51.100.1').send(undefined, { size: 1_500_000 }), 'ok');
    const other = h.come('198.51.100.2');
    assert.equal(await other.send(), '450 4.7.1');
    assert.match(other.why, /bytes in 1 min of the network of 198\.51\.100\.2/);
    assert.equal(await h.come('198.51.101.1').send(), 'ok');
  });

  test('of octets: the mail with which it is too much is taken, the next is not', async () => {
    const h = house('{ client: { bytes: 1MB/m } }');
    const client = h.come('198.51.100.1');
    assert.equal(await client.send(undefined, { size: 900_000 }), 'ok');
    assert.equal(await client.send(undefined, { size: 900_000 }), 'ok');
    assert.equal(await client.send(), '450 4.7.1');
    assert.match(client.why, /bytes/);
    await h.clock.advance(MINUTE);
    assert.equal(await client.send(), 'ok');
  });

  test('of errors: who guesses recipients hears 450 to valid ones, too; deferrals are no errors', async () => {
    const h = house('{ client: { errors: 5/h } }');
    const client = h.come('198.51.100.1');
    const unknown = reject(550, '5.1.1', 'No', 'a test');
    for (let i = 0; i < 100; i++) client.refused(defer(451, '4.3.0', 'Later', 'a test'));
    for (let i = 0; i < 4; i++) client.refused(unknown);
    assert.equal(await client.send(), 'ok');
    client.refused(unknown);
    assert.equal(await client.send(), '450 4.7.1');
    assert.match(client.why, /5 errors/);
  });

  test('are not for peers, this machine, those that are allowed, those that logged in, or mail to a postmaster', async () => {
    const h = house('{ client: { mails: 1/h, connections: 1/h }, allow: [203.0.113.0/24] }');
    const clients: [string, { trusted?: boolean }, { login?: boolean }][] = [
      ['198.51.100.1', { trusted: true }, {}],
      ['127.0.0.1', {}, {}],
      ['203.0.113.77', {}, {}],
      ['198.51.100.2', {}, { login: true }],
    ];
    for (const [address, who, mail] of clients) {
      const client = h.come(address, who);
      assert.deepEqual(await times(10, () => client.send(undefined, mail)), ['ok'], address);
    }
    const stranger = h.come('198.51.100.3');
    assert.deepEqual(await times(2, () => stranger.send()), ['ok', '450 4.7.1']);
    assert.equal(await stranger.rcpt('postmaster@acme.example', SITE, true), 'ok');
  });
});

describe('while the site is down, mail that passes SPF', () => {
  const tight = () =>
    house(
      '{ client: { mails: 2/h }, network: { mails: 2/h }, sender: { mails: 2/h }, site: { mails: 2/h } }',
    );
  const backlog = (client: Client, count: number) =>
    times(count, () => client.send(undefined, { spf: 'pass' }));

  test('is not limited below a hundred a minute, and three hours of it may come at once', async () => {
    const h = tight();
    const client = h.come('198.51.100.1');
    assert.deepEqual(await backlog(client, FAVOURED.count), ['ok']);
    assert.deepEqual(await backlog(client, 1), ['450 4.7.1']);
    assert.match(client.why, /18000 favoured mails in 3 h/);
    for (let minute = 0; minute < 10; minute++) {
      await h.clock.advance(MINUTE);
      assert.deepEqual(await backlog(client, 100), ['ok']);
    }
  });

  test('takes nothing from other mail of the same client', async () => {
    const h = tight();
    const client = h.come('198.51.100.1');
    await backlog(client, 1000);
    assert.deepEqual(await times(3, () => client.send()), ['ok', '450 4.7.1']);
    assert.deepEqual(await backlog(client, 10), ['ok']);
  });

  test('is limited as all others once the site is up', async () => {
    const h = tight();
    h.standings.set('acme', { up: true, wary: false });
    assert.deepEqual(await backlog(h.come('198.51.100.1'), 3), ['ok', '450 4.7.1']);
    h.standings.set('acme', { up: false, wary: false });
    assert.deepEqual(await backlog(h.come('198.51.100.1'), 3), ['ok']);
  });

  test('so does mail of a client on an allow list', async () => {
    const h = tight();
    const client = h.come('198.51.100.1');
    assert.deepEqual(await times(100, () => client.send(undefined, { allowedBy: 'list.example' })), ['ok']);
    h.standings.set('acme', { up: true, wary: false });
    assert.ok(
      (await times(3, () => client.send(undefined, { allowedBy: 'list.example' }))).includes('450 4.7.1'),
    );
  });

  test('needs a pass', async () => {
    const h = tight();
    for (const result of ['softfail', 'none', 'neutral', 'temperror']) {
      const client = h.come('198.51.100.1');
      const said = await times(3, () => client.send(`${result}@sender.example`, { spf: result }));
      assert.ok(said.includes('450 4.7.1'), result);
      await h.clock.advance(HOUR);
    }
  });
});

test('by default an outage of three hours and a large sender meet no limit', async () => {
  const h = new ConductHouse('greeting_delay: none');
  for (let minute = 0; minute < 180; minute++) {
    const host = h.come(`198.51.100.${minute % 4}`);
    assert.equal(await host.connect(), 'ok');
    assert.deepEqual(await times(100, () => host.send(`news${minute}@sender.example`, { spf: 'pass' })), [
      'ok',
    ]);
    await h.clock.advance(MINUTE);
  }
});
