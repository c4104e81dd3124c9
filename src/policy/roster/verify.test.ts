import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { House, makeSite, STRANGER, type Visit } from '../../../test/scenario/receive-harness.ts';
import { AskedPrimary } from '../../../test/support/asked-primary.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../base/clock.ts';
import { reply } from '../../mail/reply.ts';
import type { Roster, Site, Verify } from '../../site/site.ts';

const VERIFY: Verify = { good: 31 * DAY, bad: 3 * HOUR, unknown: 'return' };
const ROSTER: Roster = { kind: 'roster', lists: [], verify: VERIFY, delimiter: '+' };
const USERS = ['joe@a.example', 'ann@a.example', 'postmaster@a.example'];
const UP = { up: true, wary: false };
const DOWN = { up: false, wary: true };

const siteWith = (verify: Partial<Verify> = {}, more: Partial<Site> = {}): Site =>
  makeSite('a', ['a.example', '.a.example'], {
    recipients: { ...ROSTER, verify: { ...VERIFY, ...verify } },
    ...more,
  });

describe('a roster that asks the primary', () => {
  let house: House;
  let primary: AskedPrimary;

  const build = (site: Site) => {
    house = new House([site]);
    primary = new AskedPrimary(house.clock, USERS);
    house.connect = primary.connect;
  };
  beforeEach(() => build(siteWith()));

  const visit = async (sender = 'bob@b.example'): Promise<Visit> => {
    const visit = house.visit(STRANGER);
    await visit.mail(`FROM:<${sender}>`);
    return visit;
  };
  /** The reply to one RCPT, while time goes on by a tenth of a second. */
  const rcpt = async (address: string, sender?: string): Promise<string> => {
    const said = (await visit(sender)).rcpt(`TO:<${address}>`);
    let done: string | null = null;
    void said.then((text) => (done = text));
    while (done === null) await house.clock.advance(100);
    return done;
  };
  const view = () => {
    const [site] = house.directory.sites;
    const verify = site && house.rosters.view(site).verify;
    assert.ok(verify);
    return verify;
  };
  const down = () => house.standings.set('a', DOWN);
  const up = (wary = false) => house.standings.set('a', { up: true, wary });

  test('takes who is there, refuses who is not, and asks for each once', async () => {
    for (let i = 0; i < 3; i++) {
      assert.equal(await rcpt('Joe@A.example'), '250 2.1.5');
      assert.equal(await rcpt('nobody@a.example'), '550 5.1.1');
    }
    assert.deepEqual(primary.names, ['Joe@A.example', 'nobody@a.example', 'joe@a.example']);
    assert.ok(!primary.commands.some((line) => line.startsWith('DATA')));
    assert.ok(primary.commands.includes('MAIL FROM:<>'));
  });

  test('asks over one connection, once a second, and keeps no sender for long', async () => {
    const all = Array.from({ length: 12 }, (_, i) => `u${i}@a.example`);
    for (const user of all) primary.users.add(user);
    const began = house.clock.monotonic();
    let answered = 0;
    const said = all.map(async (address) => {
      const text = await (await visit()).rcpt(`TO:<${address}>`);
      answered++;
      return text;
    });
    while (answered < all.length) await house.clock.advance(100);
    assert.ok(house.clock.monotonic() - began <= 6 * SECOND, 'within seconds');
    const texts = await Promise.all(said);
    assert.ok(texts.slice(0, 3).every((text) => text === '250 2.1.5'));
    assert.equal(texts.at(-1), '451 4.7.1', 'what is late is unknown');
    await house.clock.advance(20 * SECOND);
    assert.equal(primary.peak, 1);
    const times = primary.asked.map((a) => a.at);
    for (const [i, at] of times.entries()) if (i > 0) assert.ok(at - (times[i - 1] ?? 0) >= 0.9 * SECOND);
    assert.equal(view().learned.good, 12, 'the answers that came late are kept');
    assert.equal(await rcpt('u11@a.example'), '250 2.1.5');
  });

  test('a mail with many unknown recipients keeps its sender waiting for ten seconds in all', async () => {
    primary.silent = true;
    const one = await visit();
    const began = house.clock.monotonic();
    let texts: string[] = [];
    const all = (async () => {
      const said: string[] = [];
      for (let i = 0; i < 20; i++) said.push(await one.rcpt(`TO:<u${i}@a.example>`));
      texts = said;
    })();
    while (texts.length === 0) await house.clock.advance(100);
    await all;
    assert.ok(house.clock.monotonic() - began <= 10.5 * SECOND);
    assert.ok(texts.every((text) => text === '451 4.7.1'));
  });

  describe('while the primary is down', () => {
    test('known is taken, refused is refused, unknown comes back after five minutes and is marked', async () => {
      await rcpt('joe@a.example');
      await rcpt('nobody@a.example');
      down();
      const asked = primary.asked.length;
      assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
      assert.equal(await rcpt('joe+list@a.example'), '250 2.1.5');
      assert.equal(await rcpt('nobody@a.example'), '550 5.1.1');
      assert.equal(await rcpt('new@a.example'), '451 4.7.1');
      assert.equal(await rcpt('postmaster@a.example'), '250 2.1.5');
      await house.clock.advance(5 * MINUTE);
      assert.equal(await rcpt('new@a.example', 'other@b.example'), '451 4.7.1', 'another sender');
      const back = await visit();
      assert.equal(await back.rcpt('TO:<NEW@a.example>'), '250 2.1.5');
      assert.equal(await back.data('Subject: x\r\n\r\nx\r\n'), '250 2.0.0');
      const origin = house.spool.mails[0]?.entries[0]?.origin;
      assert.deepEqual(origin?.kind === 'received' ? origin.marks : [], ['unknown recipient']);
      assert.equal(primary.asked.length, asked, 'nobody was asked');
    });

    test('unknown is taken, or put off always, by choice', async () => {
      build(siteWith({ unknown: 'accept' }));
      down();
      assert.equal(await rcpt('new@a.example'), '250 2.1.5');
      build(siteWith({ unknown: 'defer' }));
      down();
      assert.equal(await rcpt('new@a.example'), '451 4.7.1');
      await house.clock.advance(10 * MINUTE);
      assert.equal(await rcpt('new@a.example'), '451 4.7.1');
    });

    test('a site that may send needs not come back', async () => {
      const send = { domains: ['b.example'], to: 'any' as const, networks: [`${STRANGER}/32`] };
      house = new House([siteWith(), makeSite('b', ['b.example'], { send })]);
      down();
      assert.equal(await rcpt('new@a.example'), '250 2.1.5');
    });

    test('what has run out is known still', async () => {
      await rcpt('joe@a.example');
      down();
      await house.clock.advance(50 * DAY);
      assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
    });

    test('a route in the local part is denied, and never asked for', async () => {
      up();
      primary.answer = () => '250 2.1.5 anything';
      assert.equal(await rcpt('joe%b.example@a.example'), '550 5.7.1');
      assert.equal(primary.asked.length, 0);
    });
  });

  test('nobody is there: the first sender waits a moment, the next ones not at all, and a minute later it is tried anew', async () => {
    primary.trouble = 'connection refused';
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    for (let i = 0; i < 10; i++) assert.equal(await rcpt(`u${i}@a.example`), '451 4.7.1');
    assert.equal(primary.connections, 1);
    assert.match(view().asking.why ?? '', /connection refused/);
    await house.clock.advance(MINUTE);
    primary.trouble = null;
    assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
  });

  test('a primary that does not take the null sender, or only a fellow secondary, is not asked again soon', async () => {
    primary.mail = '550 5.7.1 no bounces here';
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    await rcpt('ann@a.example');
    assert.equal(primary.connections, 1);
    assert.match(view().asking.why ?? '', /MAIL FROM:<>.*no bounces/);
    build(siteWith());
    primary.best = false;
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    assert.equal(primary.asked.length, 0);
  });

  test('a primary that takes everything is treated as any, also while it is down', async () => {
    primary.answer = () => '250 2.1.5 anything';
    assert.equal(await rcpt('new@a.example'), '250 2.1.5');
    assert.equal(await rcpt('other@a.example'), '250 2.1.5');
    assert.equal(primary.asked.length, 1, 'one mailbox that cannot be there');
    assert.match(primary.asked[0]?.address ?? '', /^restante-[a-z]{16}@a\.example$/);
    down();
    assert.equal(await rcpt('more@a.example'), '250 2.1.5');
    assert.equal(await rcpt('new@sub.a.example'), '451 4.7.1', 'it is so of one domain');
    assert.deepEqual(view().openDomains, ['a.example']);
    assert.equal(view().learned.good, 0, 'its word says nothing');
    up();
    primary.answer = () => undefined;
    await house.clock.advance(DAY);
    await rcpt('nobody@a.example');
    await house.clock.advance(5 * SECOND);
    assert.equal(await rcpt('nobody@a.example'), '550 5.1.1', 'it is found out a day later');
  });

  test('what is neither yes nor no is unknown, and not asked for again at once', async () => {
    primary.answer = (address) => (address === 'joe@a.example' ? '450 4.2.0 greylisted' : undefined);
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    assert.equal(primary.names.length, 1);
    primary.answer = () => undefined;
    await house.clock.advance(5 * MINUTE);
    assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
  });

  describe('a primary with an empty user database poisons nothing', () => {
    test('when somebody was known: its refusals are not believed', async () => {
      await rcpt('joe@a.example');
      primary.users.clear();
      // Long enough for what was seen of its health to be over.
      await house.clock.advance(HOUR);
      assert.equal(await rcpt('ann@a.example'), '451 4.7.1');
      assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
      assert.match(view().asking.why ?? '', /not believed, since it refuses joe@a\.example/);
      assert.equal(view().learned.bad, 0);
      for (const user of USERS) primary.users.add(user);
      await house.clock.advance(11 * MINUTE);
      assert.equal(await rcpt('ann@a.example'), '250 2.1.5');
      assert.equal(await rcpt('nobody@a.example'), '550 5.1.1');
    });

    test('when nobody was known: postmaster shows it', async () => {
      primary.users.clear();
      assert.equal(await rcpt('ann@a.example'), '451 4.7.1');
      assert.equal(view().learned.bad, 0);
    });

    test('while the site is wary nobody becomes bad', async () => {
      await rcpt('joe@a.example');
      up(true);
      assert.equal(await rcpt('nobody@a.example'), '451 4.7.1');
      assert.equal(view().learned.bad, 0);
    });
  });

  test('learns from what is handed over, and writes nothing for what it knows', async () => {
    const no = reply(550, '5.1.1', 'no such user');
    house.rosters.learn('a', [{ address: 'new@a.example' }, { address: 'gone@a.example', refusal: no }]);
    house.rosters.learn('a', [{ address: 'spam@a.example', refusal: reply(550, '5.7.1', 'spam') }]);
    house.rosters.learn('nosite', [{ address: 'new@a.example' }]);
    down();
    assert.equal(await rcpt('new@a.example'), '250 2.1.5');
    assert.equal(await rcpt('gone@a.example'), '550 5.1.1');
    assert.equal(await rcpt('spam@a.example'), '451 4.7.1');
  });

  describe('puts recipients to the primary while the sender waits (while_up: through)', () => {
    beforeEach(() => build(siteWith({}, { whileUp: 'through' })));

    test('one question for each, whether it is there or not', async () => {
      assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
      assert.equal(await rcpt('nobody@a.example'), '550 5.1.1');
      await house.clock.advance(MINUTE);
      assert.deepEqual(
        primary.asked.map(({ address }) => address),
        ['joe@a.example', 'nobody@a.example'],
      );
    });

    test('who is refused by a list or by what was learned is not put to it', async () => {
      house.rosters.learn('a', [{ address: 'gone@a.example', refusal: reply(550, '5.1.1', 'no') }]);
      assert.equal(await rcpt('gone@a.example'), '550 5.1.1');
      assert.equal(await rcpt('joe%b.example@a.example'), '550 5.7.1');
      assert.deepEqual(primary.asked, []);
    });

    test('a primary that does not answer: the rule for unknown ones', async () => {
      primary.trouble = 'no route to host';
      assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
      assert.equal(primary.connections, 1);
      await house.clock.advance(5 * MINUTE);
      assert.equal(await rcpt('joe@a.example'), '250 2.1.5', 'it came back');
    });

    test('while it is down nobody is asked, and the rule is the same', async () => {
      down();
      assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
      assert.equal(primary.connections, 0);
    });
  });

  test('asks again for good ones before their time is over, though no mail comes', async () => {
    await rcpt('joe@a.example');
    house.rosters.start();
    up();
    await house.clock.advance(23 * DAY);
    assert.deepEqual(primary.names, ['joe@a.example']);
    await house.clock.advance(DAY - SECOND);
    for (let i = 0; i < 50; i++) await house.clock.advance(100);
    assert.deepEqual(primary.names, ['joe@a.example', 'joe@a.example']);
    house.rosters.close();
  });

  test('what is imported is known, what is forgotten is not', async () => {
    const [site] = house.directory.sites;
    assert.ok(site);
    const done = house.rosters.import(site, [
      'Ann@a.example OK',
      'sales',
      'x@sub.a.example',
      'x@b.example',
      '@a.example',
    ]);
    assert.deepEqual(done, { taken: 3, bad: ['x@b.example', '@a.example'] });
    down();
    for (const who of ['ann@a.example', 'sales@a.example', 'x@sub.a.example']) {
      assert.equal(await rcpt(who), '250 2.1.5');
    }
    assert.equal(house.rosters.forget(site, ['sales@a.example', 'none@a.example']), 1);
    assert.equal(await rcpt('sales@a.example'), '451 4.7.1');
    assert.equal(house.rosters.forget(site), 2);
    assert.equal(await rcpt('ann@a.example'), '451 4.7.1');
  });

  test('a site that calls is not called; what it took is known', async () => {
    build(siteWith({}, { collect: { kind: 'etrn' } }));
    assert.equal(await rcpt('joe@a.example'), '451 4.7.1');
    assert.equal(primary.connections, 0);
    house.rosters.learn('a', [{ address: 'joe@a.example' }]);
    assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
  });

  test('up and known to be so: it is asked', async () => {
    house.standings.set('a', UP);
    assert.equal(await rcpt('joe@a.example'), '250 2.1.5');
  });

  test('a postmaster who is refused is no witness against himself', async () => {
    house.rosters.learn('a', [{ address: 'postmaster@a.example' }]);
    primary.users.delete('postmaster@a.example');
    house.rosters.start();
    up();
    await house.clock.advance(25 * DAY);
    for (let i = 0; i < 50; i++) await house.clock.advance(100);
    assert.deepEqual(primary.names, ['postmaster@a.example']);
    assert.deepEqual(house.logged('primary refuses good recipients'), []);
    house.rosters.close();
  });

  test('many that are not there, at once: a server hears five refusals on a connection', async () => {
    house.standings.set('a', UP);
    const all = Array.from({ length: 12 }, (_, i) => `no${i}@a.example`);
    const said = all.map(async (address) => (await visit()).rcpt(`TO:<${address}>`));
    for (let i = 0; i < 300; i++) await house.clock.advance(100);
    await Promise.all(said);
    assert.equal(primary.names.filter((name) => name.startsWith('no')).length, 12);
    assert.equal(primary.connections, 3);
  });

  test('a server that hangs up after too many refusals is not driven there', async () => {
    house.standings.set('a', UP);
    for (let i = 0; i < 20; i++) assert.equal(await rcpt(`no${i}@a.example`), '550 5.1.1');
    assert.ok(primary.connections >= 4);
  });
});
