import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { MINUTE, SECOND } from '../../base/clock.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import type { Answer, Resolver } from '../../dns/port.ts';
import { Findings } from '../findings.ts';
import { ACCEPT } from '../verdict.ts';
import { addressOf } from './lookup.ts';
import { Spf, type SpfQuestion } from './spf.ts';
import { SpfCheck } from './spf-check.ts';

const GOOD = '192.0.2.7';
const BAD = '203.0.113.7';

function world(resolver: Resolver = dns()) {
  const clock = new SimClock();
  const spf = new Spf({ resolver, clock, hostname: () => 'mx2.restante.example' });
  const check = async (question: Partial<SpfQuestion>) =>
    spf.check({ address: GOOD, sender: 'a@pass.example', helo: 'mx.helo.example', ...question });
  return { clock, spf, check };
}

const dns = (): MemoryResolver =>
  new MemoryResolver()
    .set('txt', 'pass.example', 'some text', `v=spf1 ip4:${GOOD} -all`)
    .set('txt', 'soft.example', 'v=spf1 ~all')
    .set('txt', 'mx.helo.example', 'v=spf1 a -all')
    .set('a', 'mx.helo.example', GOOD)
    .set('txt', 'by-mx.example', 'v=spf1 mx -all')
    .setMx('by-mx.example', [10, 'mx.helo.example'])
    .set('txt', 'macro.example', 'v=spf1 exists:%{l}.users.macro.example -all')
    .set('a', 'known.users.macro.example', '127.0.0.1')
    .set('txt', 'ptr.example', 'v=spf1 ptr -all')
    .set('ptr', GOOD, 'host.ptr.example')
    .set('a', 'host.ptr.example', GOOD)
    .set('txt', 'twice.example', 'v=spf1 -all', 'v=spf1 +all');

describe('SPF', () => {
  const table: [what: string, question: Partial<SpfQuestion>, result: string, domain: string][] = [
    ['who may send', {}, 'pass', 'pass.example'],
    ['who may not', { address: BAD }, 'fail', 'pass.example'],
    ['softly', { sender: 'a@Soft.Example' }, 'softfail', 'soft.example'],
    ['no record', { sender: 'a@nothing.example' }, 'none', 'nothing.example'],
    ['two records', { sender: 'a@twice.example' }, 'permerror', 'twice.example'],
    ['mx', { sender: 'a@by-mx.example' }, 'pass', 'by-mx.example'],
    ['ptr', { sender: 'a@ptr.example' }, 'pass', 'ptr.example'],
    ['the null sender: EHLO', { sender: '' }, 'pass', 'mx.helo.example'],
    ['the null sender, another client', { sender: '', address: BAD }, 'fail', 'mx.helo.example'],
    ['the null sender, an address literal', { sender: '', helo: '[192.0.2.7]' }, 'none', '[192.0.2.7]'],
    ['a name of one label', { sender: 'a@localhost' }, 'none', 'localhost'],
  ];
  for (const [what, question, result, domain] of table) {
    test(`${what}: ${result}`, async () => {
      assert.deepEqual(await world().check(question), { result, domain });
    });
  }

  test('DNS that does not answer: temperror, and asked again soon', async () => {
    const resolver = dns().fail(true, 'pass.example');
    const { clock, check } = world(resolver);
    assert.equal((await check({})).result, 'temperror');
    resolver.fail(false, 'pass.example');
    assert.equal((await check({})).result, 'temperror');
    await clock.advance(6 * SECOND);
    assert.equal((await check({})).result, 'pass');
  });

  test('a known pair of client and domain is answered at once, and asks nothing, for its TTL', async () => {
    const resolver = dns();
    const { clock, spf, check } = world(resolver);
    await check({});
    const asked = resolver.asked.length;
    const again = spf.check({ address: GOOD, sender: 'other@pass.example', helo: 'x.example' });
    assert.deepEqual(again, { result: 'pass', domain: 'pass.example' });
    assert.equal(resolver.asked.length, asked);
    await clock.advance(5 * MINUTE + SECOND);
    await check({});
    assert.ok(resolver.asked.length > asked);
  });

  test('where the records have macros, each sender has its own result', async () => {
    const { check } = world();
    for (let i = 0; i < 2; i++) {
      assert.equal((await check({ sender: 'known@macro.example' })).result, 'pass');
      assert.equal((await check({ sender: 'other@macro.example' })).result, 'fail');
    }
  });

  test('ends by its deadline, and many at once are skipped', async () => {
    const silent = { ...dns(), txt: () => new Promise<Answer<string>>(() => {}) } as unknown as Resolver;
    const { clock, spf } = world(silent);
    const ask = (i: number) => spf.check({ address: GOOD, sender: `a@d${i}.example`, helo: 'h.example' });
    const waiting = Array.from({ length: 500 }, (_, i) => ask(i));
    assert.deepEqual(ask(500), { result: 'skipped', domain: 'd500.example' });
    await clock.advance(20 * SECOND);
    for (const result of await Promise.all(waiting)) assert.equal(result.result, 'temperror');
    assert.ok(ask(501) instanceof Promise);
  });

  test('reverse names', () => {
    assert.equal(addressOf('7.2.0.192.in-addr.arpa'), '192.0.2.7');
    assert.equal(
      addressOf(`1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`),
      '2001:0db8:0000:0000:0000:0000:0000:0001',
    );
    assert.equal(addressOf('a.example'), null);
  });
});

describe('SPF at the gate', () => {
  const peer = { address: GOOD, port: 4000, localAddress: '192.0.2.25', localPort: 25 };
  const asking = (findings: Findings) => ({
    mail: { sender: 'a@pass.example', body: '7bit', smtputf8: false } as const,
    manner: { helo: 'h.example', esmtp: true },
    findings,
  });

  test('is begun at MAIL, and known at the end of data', async () => {
    const watch = new SpfCheck(world().spf, () => true).begin({ peer, trusted: false });
    const mail = asking(new Findings());
    assert.equal(watch?.mail?.(mail), ACCEPT);
    assert.equal(mail.findings.authentication, undefined);
    const scan = { end: null, received: 0, passes: [], charset: 'ascii' } as const;
    const end = watch?.arrived?.({ ...mail, recipients: [], scan, size: 1 });
    assert.ok(end instanceof Promise);
    assert.equal(await end, ACCEPT);
    assert.deepEqual(mail.findings.authentication, { spf: { result: 'pass', domain: 'pass.example' } });
    const second = asking(new Findings());
    watch?.mail?.(second);
    assert.equal(second.findings.authentication?.spf?.result, 'pass');
  });

  test('is not asked for peers, nor when it is off', () => {
    const { spf } = world();
    assert.equal(new SpfCheck(spf, () => true).begin({ peer, trusted: true }), undefined);
    assert.equal(new SpfCheck(spf, () => false).begin({ peer, trusted: false }), undefined);
  });
});
