/** `pass_client` on the way out: what a primary hears of the client of each mail. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { ALL_KEYWORDS, type FakeOptions, type FakePrimary } from '../../../test/support/fake-primary.ts';
import { cleanUp, line, parcel, primary, push, short } from '../../../test/support/lines.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import type { Origin } from '../../mail/envelope.ts';
import { RFC_DEADLINES } from '../../protocol/smtp/client/open.ts';
import type { Site } from '../../site/site.ts';
import type { Given, Handover, Parcel } from '../port.ts';

afterEach(cleanUp);

const XCLIENT = [...ALL_KEYWORDS, 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT'];
const XFORWARD = [...ALL_KEYWORDS, 'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE'];
const NOTICE: Origin = { kind: 'notice', about: 'm0' };
const from = (n: number, more: Partial<Origin & { kind: 'received' }> = {}): Origin => ({
  kind: 'received',
  peer: `192.0.2.${n}`,
  helo: `h${n}.example`,
  protocol: 'ESMTP',
  ...more,
});
const mail = (origin: Origin, ...to: string[]): Parcel => ({ ...parcel(...to), origin });

interface World {
  readonly fake: FakePrimary;
  readonly handover: Handover;
}
async function world(
  options: FakeOptions,
  more: Partial<Site>,
  resolver = new MemoryResolver(),
): Promise<World> {
  const fake = await primary(options);
  return { fake, handover: push(fake, more, RFC_DEADLINES, resolver).handover };
}
const clients = (fake: FakePrimary) => fake.mails.map((m) => m.client);
const said = (fake: FakePrimary, verb: string) => fake.commands.filter((c) => c.startsWith(verb));

describe('by default', () => {
  test('nothing is told, whatever the primary offers; nor what it does not offer', async () => {
    const all = [...XCLIENT, ...XFORWARD];
    const table: readonly (readonly [string[], Site['passClient']])[] = [
      [all, 'none'],
      [XFORWARD, 'xclient'],
      [XCLIENT, 'xforward'],
    ];
    for (const [keywords, passClient] of table) {
      const { fake, handover } = await world({ keywords }, { passClient });
      const l = await line(handover);
      const given: Given[] = await Promise.all([from(1), NOTICE, from(2)].map((o) => l.give(mail(o))));
      assert.deepEqual(given.map(short), ['delivered', 'delivered', 'delivered']);
      assert.deepEqual([said(fake, 'X'), fake.connections], [[], 1]);
    }
  });
});

describe('xclient', () => {
  const named = (options: FakeOptions = {}, more: Partial<Site> = {}, resolver?: MemoryResolver) =>
    world({ keywords: XCLIENT, ...options }, { passClient: 'xclient', ...more }, resolver);

  test('the client is named, and EHLO said with his name; his next mails need no more', async () => {
    const { fake, handover } = await named();
    const l = await line(handover);
    const given = await Promise.all([1, 2, 3].map(() => l.give(mail(from(1)))));
    assert.deepEqual(given.map(short), ['delivered', 'delivered', 'delivered']);
    assert.deepEqual(clients(fake), ['192.0.2.1 h1.example', '192.0.2.1 h1.example', '192.0.2.1 h1.example']);
    assert.deepEqual(fake.commands.slice(0, 4), [
      'EHLO mx2.test',
      'XCLIENT HELO=h1.example PROTO=ESMTP LOGIN=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] ADDR=192.0.2.1',
      'EHLO h1.example',
      'MAIL FROM:<s@b.test> SIZE=20',
    ]);
    assert.equal(said(fake, 'XCLIENT').length, 1);
    assert.equal(fake.connections, 1);
    assert.deepEqual(fake.violations, []);
  });

  test('his name is looked up, if it was not known when he came', async () => {
    const dns = new MemoryResolver()
      .set('ptr', '192.0.2.1', 'a.example')
      .setAddresses('a.example', '192.0.2.1');
    dns.fail(true, '192.0.2.3');
    const { fake, handover } = await named({}, {}, dns);
    const l = await line(handover);
    for (const origin of [from(1), from(2, { name: 'kept.example' }), from(3)]) await l.give(mail(origin));
    const names = said(fake, 'XCLIENT').map((c) => /NAME=(\S+)/.exec(c)?.[1]);
    assert.deepEqual(names, ['a.example', 'kept.example', '[TEMPUNAVAIL]']);
  });

  for (const renames of [false, true]) {
    test(`each mail comes in the name of its own client, and our own in none (${renames ? 'one connection' : 'as Postfix'})`, async () => {
      const { fake, handover } = await named({ renames }, { connections: 1 });
      const l = await line(handover);
      const origins = [
        from(1),
        from(2),
        from(2),
        NOTICE,
        from(2),
        from(2, { helo: 'other.example' }),
        NOTICE,
        NOTICE,
      ];
      const given = await Promise.all(origins.map((origin) => l.give(mail(origin))));
      assert.ok(given.every((g) => short(g) === 'delivered'));
      assert.deepEqual(clients(fake), [
        '192.0.2.1 h1.example',
        '192.0.2.2 h2.example',
        '192.0.2.2 h2.example',
        '',
        '192.0.2.2 h2.example',
        '192.0.2.2 other.example',
        '',
        '',
      ]);
      assert.deepEqual(fake.violations, []);
      assert.equal(fake.connections, renames ? 3 : 5);
    });
  }

  test('behind a mail that was refused the transaction is ended first', async () => {
    const { fake, handover } = await named({
      renames: true,
      script: (s, arg) => (s === 'rcpt' && arg.includes('no@') ? '550 5.1.1 no' : undefined),
    });
    const l = await line(handover);
    const given = await Promise.all([l.give(mail(from(1), 'no@x.test')), l.give(mail(from(2)))]);
    assert.deepEqual(given.map(short), ['failed', 'delivered']);
    assert.deepEqual(clients(fake), ['192.0.2.2 h2.example']);
    assert.equal(fake.connections, 1);
  });

  test('who is refused goes without his name, on another connection; the next one is named', async () => {
    const { fake, handover } = await named({
      script: (s, arg) =>
        s === 'xclient' && arg.includes('192.0.2.1') ? '550 5.7.1 Client host rejected' : undefined,
    });
    const l = await line(handover);
    const given = await Promise.all([from(1), from(1), from(2), from(1)].map((o) => l.give(mail(o))));
    assert.ok(given.every((g) => short(g) === 'delivered'));
    assert.deepEqual(clients(fake), ['', '', '192.0.2.2 h2.example', '']);
    assert.equal(said(fake, 'XCLIENT').length, 2);
  });

  for (const [what, script] of [
    ['XCLIENT', (s: string) => (s === 'xclient' ? 'close' : undefined)],
    [
      'the EHLO behind it',
      (s: string, arg: string) => (s === 'ehlo' && arg.includes('h1') ? 'close' : undefined),
    ],
    ['EHLO and HELO', (_: string, arg: string) => (/^(EHLO|HELO) h1/.test(arg) ? '504 5.5.2 no' : undefined)],
    ['a 421', (s: string) => (s === 'xclient' ? '421 4.3.0 bye' : undefined)],
  ] as const) {
    test(`a session that ends by ${what} costs the mail nothing`, async () => {
      const { fake, handover } = await named({ script });
      const l = await line(handover);
      assert.equal(short(await l.give(mail(from(1)))), 'delivered');
      assert.deepEqual(clients(fake), ['']);
      const tries = said(fake, 'XCLIENT').length;
      assert.ok(tries <= 2);
      assert.equal(short(await l.give(mail(from(1)))), 'delivered');
      assert.equal(said(fake, 'XCLIENT').length, tries);
    });
  }

  test('what the primary says of the named client is about his mail', async () => {
    const blocked = '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example';
    const script = (s: string) => (s === 'rcpt' ? blocked : undefined);
    const { handover } = await named({ script });
    assert.equal(short(await (await line(handover)).give(mail(from(1)))), 'failed');
    const unclear = await named({ script: (s) => (s === 'mail' ? '554 no' : undefined) });
    assert.equal(short(await (await line(unclear.handover)).give(mail(from(1)))), 'deferred');
    const bare = await world({ script }, {});
    assert.equal(short(await (await line(bare.handover)).give(mail(from(1)))), 'refused: null');
  });

  test('a primary that is gone when another connection is needed is the site’s trouble, for all that follow', async () => {
    const { fake, handover } = await named();
    const l = await line(handover);
    assert.equal(short(await l.give(mail(from(1)))), 'delivered');
    await fake.stop();
    const given = await Promise.all([from(2), from(1), NOTICE].map((o) => l.give(mail(o))));
    assert.ok(given.every((g) => g.kind === 'broken' && !g.alive));
    await l.close();
  });

  test('after a trouble nothing more is begun, whosever the next mail is', async () => {
    const { fake, handover } = await named({
      script: (s) => (s === 'mail' ? '421 4.3.2 going down' : undefined),
    });
    const l = await line(handover);
    const given = await Promise.all([from(1), from(2), NOTICE].map((o) => l.give(mail(o))));
    assert.ok(given.every((g) => g.kind === 'broken'));
    assert.deepEqual([said(fake, 'MAIL').length, fake.connections], [1, 1]);
  });

  test('a fellow secondary that answers when another connection is needed is not taken for the primary', async () => {
    const fake = await primary({ keywords: XCLIENT });
    const { handover, primaries } = push(fake, { passClient: 'xclient' });
    const l = await line(handover);
    assert.equal(short(await l.give(mail(from(1)))), 'delivered');
    const connect = primaries.connect.bind(primaries);
    primaries.connect = async (...args) => {
      const reached = await connect(...args);
      if (reached.kind === 'trouble') return reached;
      return { ...reached, exchanger: { ...reached.exchanger, best: false } };
    };
    assert.equal(short(await l.give(mail(from(2)))), 'connect: null');
    assert.equal(fake.mails.length, 1);
  });

  for (const how of ['destroy', 'hangUp'] as const) {
    test(`cut off while it names the client, it ends at once (${how})`, async () => {
      const { fake, handover } = await named({ script: (s) => (s === 'xclient' ? 'hang' : undefined) });
      const l = await line(handover);
      const given = l.give(mail(from(1)));
      while (said(fake, 'XCLIENT').length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      l[how]();
      assert.equal((await given).kind, 'broken');
      while (fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    });
  }

  test('hung up while a mail is in doubt, it waits for that one, and names nobody else', async () => {
    const { fake, handover } = await named({ script: (s) => void (s === 'end' && (fake.mute ??= [])) });
    const l = await line(handover);
    const given = [from(1), from(2)].map((origin) => l.give(mail(origin)));
    while (!fake.mute) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(l.hangUp(), true);
    const answers = fake.mute;
    fake.mute = null;
    for (const say of answers) say();
    assert.deepEqual(
      (await Promise.all(given)).map((g) => g.kind),
      ['answered', 'broken'],
    );
    assert.deepEqual([clients(fake), said(fake, 'XCLIENT').length], [['192.0.2.1 h1.example'], 1]);
  });
});

describe('xforward', () => {
  const forwarded = (options: FakeOptions = {}) =>
    world({ keywords: XFORWARD, ...options }, { passClient: 'xforward' });
  const addresses = (fake: FakePrimary) =>
    fake.mails.map((m) => m.forwarded.map((f) => /ADDR=(\S+)/.exec(f)?.[1]));

  test('each mail is told of, all on one connection and pipelined; of our own mail that it has no client', async () => {
    const { fake, handover } = await forwarded();
    const l = await line(handover);
    const given = await Promise.all(
      [from(1), NOTICE, from(2, { sends: 'acme' }), from(3)].map((o) => l.give(mail(o))),
    );
    assert.ok(given.every((g) => short(g) === 'delivered'));
    assert.deepEqual(addresses(fake), [['192.0.2.1'], ['[UNAVAILABLE]'], ['[UNAVAILABLE]'], ['192.0.2.3']]);
    assert.match(
      fake.reads[1] ?? '',
      /^XFORWARD [^\n]* IDENT=e1 SOURCE=REMOTE\r\nMAIL [^\n]*\r\nRCPT [^\n]*\r\nDATA\r\n$/,
    );
    assert.match(fake.reads[2] ?? '', /\r\n\.\r\nXFORWARD NAME=\[UNAVAILABLE\] [^\n]*\r\nMAIL /);
    assert.equal(fake.connections, 1);
    assert.deepEqual(fake.violations, []);
  });

  test('it is told again for each transaction of a mail', async () => {
    let refusals = 1;
    const { fake, handover } = await forwarded({
      script: (s, arg) =>
        s === 'rcpt' && arg.includes('b@') && refusals-- > 0 ? '452 4.5.3 Too many recipients' : undefined,
    });
    const l = await line(handover);
    assert.equal(short(await l.give(mail(from(1), 'a@x.test', 'b@x.test'))), 'delivered delivered');
    assert.deepEqual(addresses(fake), [['192.0.2.1'], ['192.0.2.1']]);
  });

  test('a refusal is not the mail’s, and is not asked for again', async () => {
    const { fake, handover } = await forwarded({
      script: (s) => (s === 'xforward' ? '550 5.7.0 insufficient authorization' : undefined),
    });
    const l = await line(handover);
    assert.equal(short(await l.give(mail(from(1)))), 'delivered');
    assert.equal(short(await l.give(mail(from(2)))), 'delivered');
    assert.equal(said(fake, 'XFORWARD').length, 1);
    assert.equal(short(await (await line(handover)).give(mail(from(3)))), 'delivered');
    assert.equal(said(fake, 'XFORWARD').length, 1);
  });
});
