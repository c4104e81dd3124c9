import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConductHouse, SITE } from '../../../test/support/conduct-house.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../base/clock.ts';
import { openKeyed } from '../../base/keyed.ts';
import { GreylistBook, type Remembered } from './greylist-book.ts';

const NOW = 'greeting_delay: none';
const ON = `${NOW}\ngreylist: { delay: 5m }`;
const at = '198.51.100.1';

describe('the greylist', () => {
  test('defers a first try, takes the next one after the delay, and then all of the same', async () => {
    const h = new ConductHouse(ON);
    const client = h.come(at);
    assert.equal(await client.send(), '450 4.7.1');
    assert.equal(client.why, 'greylisted: a first try');
    await h.clock.advance(5 * MINUTE - SECOND);
    assert.equal(await client.send(), '450 4.7.1');
    assert.equal(client.why, 'greylisted: too soon');
    await h.clock.advance(SECOND);
    assert.equal(await client.send(), 'ok');
    assert.deepEqual(client.marks, ['greylisted for 300 s']);
    assert.equal(await client.send(), 'ok');
    assert.deepEqual(client.marks, []);
    assert.equal(await client.send('other@sender.example'), '450 4.7.1');
    await h.clock.advance(34 * DAY);
    assert.equal(await client.send(), 'ok');
    await h.clock.advance(34 * DAY);
    assert.equal(await client.send(), 'ok');
    await h.clock.advance(36 * DAY);
    assert.equal(await client.send(), '450 4.7.1');
  });

  test('takes a second try from another address of the network, and in other case', async () => {
    const h = new ConductHouse(ON);
    await h.come('198.51.100.1').send('Ann@Sender.example');
    await h.come('2001:db8::1').send();
    await h.clock.advance(5 * MINUTE);
    assert.equal(await h.come('198.51.100.200').send('ann@sender.example'), 'ok');
    assert.equal(await h.come('198.51.101.1').send('ann@sender.example'), '450 4.7.1');
    assert.equal(await h.come('2001:db8::2').send(), 'ok');
    assert.equal(await h.come('2001:db8:0:1::1').send(), '450 4.7.1');
  });

  test('begins again when the second try comes too late', async () => {
    const h = new ConductHouse(ON);
    await h.come(at).send();
    await h.clock.advance(2 * DAY);
    assert.equal(await h.come(at).send(), '450 4.7.1');
    await h.clock.advance(5 * MINUTE);
    assert.equal(await h.come(at).send(), 'ok');
  });

  test('does not ask a network whose mail came back five times', async () => {
    const h = new ConductHouse(ON);
    for (let i = 0; i < 5; i++) assert.equal(await h.come(at).send(`a${i}@sender.example`), '450 4.7.1');
    await h.clock.advance(5 * MINUTE);
    for (let i = 0; i < 4; i++) assert.equal(await h.come(at).send(`a${i}@sender.example`), 'ok');
    assert.equal(await h.come(at).send('new@sender.example'), '450 4.7.1');
    assert.equal(await h.come(at).send('a4@sender.example'), 'ok');
    assert.equal(await h.come(at).send('brandnew@sender.example'), 'ok');
    for (let month = 0; month < 3; month++) {
      await h.clock.advance(34 * DAY);
      assert.equal(await h.come(at).send('brandnew@sender.example'), 'ok', 'it is used');
    }
    await h.clock.advance(36 * DAY);
    assert.equal(await h.come(at).send('brandnew@sender.example'), '450 4.7.1');
  });

  test('trusts no network whose last mail lies ahead, after the wall clock jumped', async () => {
    const h = new ConductHouse(ON);
    for (let i = 0; i < 5; i++) await h.come(at).send(`a${i}@sender.example`);
    await h.clock.advance(5 * MINUTE);
    for (let i = 0; i < 5; i++) assert.equal(await h.come(at).send(`a${i}@sender.example`), 'ok');
    h.clock.jump(-HOUR);
    assert.equal(await h.come(at).send('new@sender.example'), '450 4.7.1');
  });

  test('does not ask who tried a first exchanger of ours within the hour', async () => {
    const h = new ConductHouse(`${NOW}\ngreylist: { first_mx: [192.0.2.10] }`);
    const first = { localAddress: '192.0.2.10' };
    assert.equal(await h.come('203.0.113.1').send(), '450 4.7.1');
    assert.equal(await h.come(at, first).send(), '450 4.7.1', 'there it is asked as anywhere');
    assert.equal(await h.come('198.51.100.9').send(), 'ok');
    assert.equal(await h.come('198.51.100.9').send('b@sender.example'), 'ok');
    await h.clock.advance(HOUR);
    assert.equal(await h.come('198.51.100.9').send('c@sender.example'), '450 4.7.1');
  });

  test('is for the sites that want it', async () => {
    const ask = async (lines: string, greylist?: boolean) => {
      const client = new ConductHouse(lines).come(at);
      await client.mail();
      return client.rcpt('joe@acme.example', greylist === undefined ? SITE : { ...SITE, greylist });
    };
    assert.equal(await ask(NOW), 'ok');
    assert.equal(await ask(NOW, true), '450 4.7.1');
    assert.equal(await ask(ON, false), 'ok');
  });

  test('is not for peers, this machine, primaries, those that are allowed or logged in, or mail to a postmaster', async () => {
    const h = new ConductHouse(`${ON}\nlimits: { allow: [203.0.113.0/24] }`);
    h.primaries.add('192.0.2.1');
    assert.equal(await h.come(at, { trusted: true }).send(), 'ok');
    for (const address of ['127.0.0.1', '192.0.2.1', '203.0.113.5']) {
      assert.equal(await h.come(address).send(), 'ok', address);
    }
    const client = h.come(at);
    assert.equal(await client.send(undefined, { login: true }), 'ok');
    await client.mail();
    assert.equal(await client.rcpt('postmaster@acme.example', SITE, true), 'ok');
    assert.equal(await client.rcpt(), '450 4.7.1');
  });

  test('is kept across a restart, written a little later or at the end', async () => {
    const keyed = openKeyed(':memory:');
    const first = new ConductHouse(ON, keyed);
    await first.come(at).send();
    await first.clock.advance(SECOND);
    await first.come(at).send('late@sender.example');
    const crashed = new ConductHouse(ON, keyed);
    await crashed.clock.advance(6 * MINUTE);
    assert.equal(await crashed.come(at).send(), 'ok');
    assert.equal(
      await crashed.come(at).send('late@sender.example'),
      '450 4.7.1',
      'lost with the last second',
    );
    crashed.checks.close();
    const second = new ConductHouse(ON, keyed);
    await second.clock.advance(12 * MINUTE);
    assert.equal(await second.come(at).send('late@sender.example'), 'ok');
  });

  test('believes in no first try that lies ahead, after the wall clock jumped', async () => {
    const h = new ConductHouse(ON);
    await h.come(at).send();
    h.clock.jump(-DAY);
    assert.equal(await h.come(at).send(), '450 4.7.1');
    await h.clock.advance(5 * MINUTE);
    assert.equal(await h.come(at).send(), 'ok');
  });

  test('has an end: the longest unused goes, on disk too', async () => {
    const clock = new SimClock();
    const table = openKeyed(':memory:').table<Remembered>('greylist');
    const book = new GreylistBook(clock, table, 50);
    const { rules } = new ConductHouse(ON);
    for (let i = 0; i < 1000; i++) {
      book.tried('net', `mail ${i}`, rules.greylist);
      await clock.advance(SECOND);
      assert.ok(book.size <= 50);
    }
    book.close();
    assert.ok(table.entries().length <= 50);
    await clock.advance(5 * MINUTE);
    assert.equal(book.tried('net', 'mail 999', rules.greylist).kind, 'taken');
    assert.equal(book.tried('net', 'mail 1', rules.greylist).kind, 'wait');
  });
});
