/**
 * Blocklists at the gate, from the connection to what the sender hears, the log and the mail's marks, in simulated time.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../src/config/load.ts';
import { MemoryResolver } from '../../src/dns/memory.ts';
import type { Answer } from '../../src/dns/port.ts';
import { describe as words } from '../../src/mail/reply.ts';
import { Blocklists } from '../../src/policy/blocklist/blocklists.ts';
import type { Asking } from '../../src/policy/check.ts';
import { Findings } from '../../src/policy/findings.ts';
import { House, makeSite, peerAt, Visit } from './receive-harness.ts';

const BAD = '192.0.2.66';
const FINE = '192.0.2.7';
const CONTENT = 'Subject: x\r\n\r\nx\r\n';

function settings(yaml: string) {
  const loaded = parseConfig(
    `hostname: mx2.example.net\nblocklists: ${yaml}\nsites: {}\n`,
    '/etc/restante.yaml',
  );
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  return loaded.config.blocklists;
}

class Dns extends MemoryResolver {
  /** Zones that say nothing. */
  readonly silent = new Set<string>();

  override a(name: string): Promise<Answer<string>> {
    for (const zone of this.silent) if (name.endsWith(zone)) return new Promise(() => {});
    return super.a(name);
  }

  /** What a list of this kind has to have. */
  list(zone: string, ...names: readonly string[]): this {
    for (const name of ['2.0.0.127', `2.0.0.0.0.0.f.7.f.f.f.f${'.0'.repeat(20)}`, 'test', ...names]) {
      this.set('a', `${name}.${zone}`, '127.0.0.2');
    }
    return this;
  }
}

async function houseWith(yaml: string) {
  const dns = new Dns();
  for (const zone of ['zen.test', 'two.test', 'good.test']) dns.list(zone);
  dns.set('a', `66.2.0.192.zen.test`, '127.0.0.4').set('txt', `66.2.0.192.zen.test`, 'spam\r\nsource');
  const checks: Blocklists[] = [];
  const house = new House([makeSite('one', ['one.example'])], {}, undefined, checks);
  const { clock } = house;
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const lists = new Blocklists({ resolverOf: () => dns, names: dns, clock, log, random: () => 0.5 });
  checks.push(lists);
  lists.configure(settings(yaml));
  await clock.settle();
  dns.asked.length = 0;
  return { house, dns, lists, clock };
}

/** From this client; the reply to its end, or to what was refused before. */
async function send(
  house: House,
  address: string,
  { from = 'a@sender.example', to = 'u@one.example', helo = '' } = {},
) {
  const visit = house.visit(address);
  await visit.session.connect();
  if (helo) visit.manner = { helo, esmtp: true };
  await visit.session.hello(visit.manner);
  return visit.send(from, [to], CONTENT);
}

const marksOf = (house: House) =>
  house.spool.mails.flatMap(({ entries }) =>
    entries.flatMap(({ origin }) => (origin.kind === 'received' ? (origin.marks ?? []) : [])),
  );

describe('blocklists', () => {
  test('deny at RCPT whom they list, with their reason, and say in the log who, by whom and as what', async () => {
    const { house } = await houseWith('[zen.test, two.test]');
    assert.equal(await send(house, FINE), '250 2.0.0');
    const visit = house.visit(BAD);
    assert.equal(await visit.mail('FROM:<a@sender.example>'), '250 2.1.0');
    const reply = await visit.session.rcpt({ address: 'u@one.example', bare: false, sourceRoute: false });
    assert.equal(words(reply), `550 5.7.1 Denied: ${BAD} is listed by zen.test: spam source`);
    assert.equal(
      house.logged('recipient refused')[0]?.why,
      `zen.test lists ${BAD} as 127.0.0.4; score 1 of 1`,
    );
    assert.equal(house.spool.mails.length, 1);
  });

  test('a postmaster stays within reach, and his mail is marked', async () => {
    const { house } = await houseWith('[zen.test]');
    assert.equal(await send(house, BAD, { to: 'postmaster@one.example' }), '250 2.0.0');
    assert.equal(await send(house, BAD, { to: 'postmaster' }), '250 2.0.0');
    assert.deepEqual(new Set(marksOf(house)), new Set([`zen.test lists ${BAD} as 127.0.0.4; score 1 of 1`]));
  });

  test('each recipient of a mail hears the same, and the lists are asked once for a connection', async () => {
    const { house, dns } = await houseWith('[zen.test]');
    const visit = house.visit(BAD);
    for (let mail = 0; mail < 3; mail++) {
      await visit.mail('FROM:<a@sender.example>');
      for (let i = 0; i < 3; i++) assert.equal(await visit.rcpt('TO:<u@one.example>'), '550 5.7.1');
      visit.session.reset();
    }
    const asked = dns.asked.filter((each) => each.startsWith('a 66.'));
    assert.equal(asked.length, 1);
    assert.equal(dns.asked.filter((each) => each.startsWith('txt ')).length, 3, 'the reason once a mail');
  });

  test('`defer` is 450', async () => {
    const { house } = await houseWith('{ lists: [zen.test], action: defer }');
    assert.equal(await send(house, BAD), '450 4.7.1');
  });

  test('below the threshold the mail is taken and marked; the sum of two denies', async () => {
    const { house, dns } = await houseWith(
      '{ lists: [zen.test, { zone: two.test, weight: 2 }], threshold: 3 }',
    );
    assert.equal(await send(house, BAD), '250 2.0.0');
    assert.deepEqual(marksOf(house), [`zen.test lists ${BAD} as 127.0.0.4; score 1 of 3`]);
    assert.deepEqual(house.logged('mail accepted')[0]?.marks, marksOf(house));
    dns.set('a', `66.2.0.192.two.test`, '127.0.0.2');
    assert.equal(await send(house, BAD), '550 5.7.1');
  });

  test('codes that were not selected are no hit', async () => {
    const { house, dns } = await houseWith('[{ zone: zen.test, codes: [127.0.0.2-3, 127.0.0.9] }]');
    assert.equal(await send(house, BAD), '250 2.0.0');
    dns.set('a', `66.2.0.192.zen.test`, '127.0.0.4', '127.0.0.9');
    assert.equal(await send(house, BAD), '550 5.7.1');
  });

  test('an allow list exempts', async () => {
    const { house, dns } = await houseWith('{ lists: [zen.test], allow: [good.test] }');
    assert.equal(await send(house, BAD), '550 5.7.1');
    dns.set('a', `66.2.0.192.good.test`, '127.0.9.1');
    assert.equal(await send(house, BAD), '250 2.0.0');
    assert.match(marksOf(house).join(), /but good\.test lists/);
  });

  test('IPv6 clients are asked about where the list has IPv6, by nibbles', async () => {
    const { house, dns } = await houseWith('[two.test, { zone: zen.test, families: [ipv4, ipv6] }]');
    dns.set('a', `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.zen.test`, '127.0.0.2');
    assert.equal(await send(house, '2001:db8::1'), '550 5.7.1');
    assert.equal(await send(house, '2001:db8::2'), '250 2.0.0');
    assert.ok(!dns.asked.some((each) => each.includes('.8.b.d.0.1.0.0.2.two.test')));
  });

  test('names: of the client if they point to each other, in EHLO, of the sender', async () => {
    const { house, dns } = await houseWith(
      '[{ zone: zen.test, kind: client-name }, { zone: two.test, kind: [helo, sender] }]',
    );
    dns.list('zen.test', 'dial.bad.example').list('two.test', 'bad.example', 'worse.example');
    dns.set('ptr', FINE, 'dial.bad.example');
    assert.equal(await send(house, FINE), '250 2.0.0', 'the name does not point back');
    dns.setAddresses('dial.bad.example', FINE);
    assert.equal(await send(house, FINE), '550 5.7.1');
    assert.match(
      String(house.logged('recipient refused')[0]?.why),
      /zen\.test lists the client name dial\.bad\.example/,
    );
    assert.equal(await send(house, '192.0.2.8', { helo: 'Bad.Example.' }), '550 5.7.1');
    assert.equal(await send(house, '192.0.2.8', { from: 'x@WORSE.example' }), '550 5.7.1');
    assert.equal(await send(house, '192.0.2.8', { from: '' }), '250 2.0.0');
    for (const helo of ['[192.0.2.8]', '192.0.2.8', 'localhost', 'test', 'a..b']) {
      assert.equal(await send(house, '192.0.2.8', { helo }), '250 2.0.0');
    }
    assert.ok(!dns.asked.some((each) => /^a (\[|192|localhost|test|a\.\.b)/.test(each)));
  });

  test('are not asked about peers, and do not judge who logged in or sends for a site', async () => {
    const { lists } = await houseWith('[zen.test]');
    assert.equal(lists.begin({ peer: peerAt(BAD), trusted: true }), undefined);
    const watch = lists.begin({ peer: peerAt(BAD), trusted: false });
    const asking: Asking = {
      mail: { sender: 'a@b.example', body: '7bit', smtputf8: false },
      manner: { helo: 'x', esmtp: true, authenticated: { login: 'acme', sites: ['acme'] } },
      findings: new Findings(),
    };
    const recipient = { address: 'u@one.example', postmaster: false };
    assert.deepEqual(await watch?.rcpt?.(asking, recipient), { kind: 'accept' });
    const sends = {
      ...asking,
      manner: { helo: 'x', esmtp: true },
      sending: makeSite('one', ['one.example']),
    };
    assert.deepEqual(await watch?.rcpt?.(sends, recipient), { kind: 'accept' });
    assert.deepEqual(asking.findings.marks, []);
  });

  test('without lists nothing is begun', async () => {
    const { lists } = await houseWith('[]');
    assert.equal(lists.begin({ peer: peerAt(BAD), trusted: false }), undefined);
  });

  test('what has not answered by the deadline is no hit, and all waits overlap', async () => {
    const { house, dns, clock } = await houseWith('{ lists: [zen.test, two.test, good.test], deadline: 3s }');
    dns.silent.add('two.test').add('good.test');
    const visit = house.visit(FINE);
    await clock.advance(2000);
    await visit.mail('FROM:<a@sender.example>');
    let reply = '';
    void visit.rcpt('TO:<u@one.example>').then((said) => (reply = said));
    await clock.advance(999);
    assert.equal(reply, '');
    await clock.advance(1);
    assert.equal(reply, '250 2.1.5', 'three seconds after the connection');
    dns.silent.clear();
    dns.fail();
    assert.equal(await send(house, BAD), '250 2.0.0', 'DNS is down: fail open');
  });

  test('a name that is looked up slowly costs no second deadline', async () => {
    const { house, dns, clock, lists } = await houseWith(
      '{ lists: [{ zone: zen.test, kind: client-name }], deadline: 3s }',
    );
    dns.set('ptr', FINE, 'dial.bad.example').setAddresses('dial.bad.example', FINE).silent.add('zen.test');
    const ptr = dns.ptr.bind(dns);
    let slow = 1000;
    dns.ptr = (address) => new Promise((resolve) => clock.after(slow, () => resolve(ptr(address))));
    const visit = house.visit(FINE);
    await visit.mail('FROM:<a@sender.example>');
    let reply = '';
    void visit.rcpt('TO:<u@one.example>').then((said) => (reply = said));
    await clock.advance(2999);
    assert.equal(reply, '');
    await clock.advance(1);
    assert.equal(reply, '250 2.1.5');

    slow = 2000;
    for (let i = 0; i < 9; i++) void house.visit(FINE);
    await clock.advance(2000);
    assert.deepEqual(
      lists.views().map(({ asked, timeouts }) => [asked, timeouts]),
      [[1, 1]],
      'who is slow makes no list look silent',
    );
  });

  test('a reload keeps what is known of a list, tests new ones, and forgets the others', async () => {
    const { lists, dns, clock } = await houseWith('[zen.test, two.test]');
    await clock.advance(1000);
    const before = lists.views().map(({ zone, state, since }) => [zone, state, since]);
    lists.configure(settings('{ lists: [{ zone: good.test, weight: 5 }, zen.test], threshold: 5 }'));
    assert.deepEqual(
      lists.views().map(({ zone, state, since }) => [zone, state, since]),
      [['good.test', 'new', clock.now()], before[0]],
    );
    await clock.settle();
    assert.deepEqual(
      lists.views().map(({ state }) => state),
      ['good', 'good'],
    );
    dns.asked.length = 0;
    lists.configure(settings('[]'));
    assert.equal(clock.armed, 0);
  });

  test('a connection that began before a reload ends as it began', async () => {
    const { house, lists } = await houseWith('[zen.test]');
    const visit = new Visit(house.receiver(peerAt(BAD)));
    lists.configure(settings('[]'));
    assert.equal(await visit.send('a@sender.example', ['u@one.example'], CONTENT), '550 5.7.1');
  });
});
