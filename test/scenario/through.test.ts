/**
 * `while_up: through`: recipients and content are put to a scripted primary while the sender waits. What the sender
 * hears, what the primary gets, what is held, at each step and with a dead line at each point.
 */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { MINUTE, SECOND } from '../../src/base/clock.ts';
import { openKeyed } from '../../src/base/keyed.ts';
import { silent } from '../../src/base/log.ts';
import { MemoryResolver } from '../../src/dns/memory.ts';
import { Primaries } from '../../src/primary/primaries.ts';
import type { Site } from '../../src/site/site.ts';
import {
  ALL_KEYWORDS,
  type FakeOptions,
  type FakePrimary,
  type FakeStation,
} from '../support/fake-primary.ts';
import { cleanUp, cleanups, ourselves, primary, push, site } from '../support/lines.ts';
import { House, makeSite, STRANGER, type Visit } from './receive-harness.ts';

const MAIL = 'From: a@sender.example\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n';
const OK = '250 2.1.5';

afterEach(cleanUp);

interface World {
  readonly house: House;
  readonly fake: FakePrimary;
  readonly visit: Visit;
}

async function world(options: FakeOptions = {}, more: Partial<Site> = {}): Promise<World> {
  const fake = await primary(options);
  const own = site(fake.port, { name: 'one', domains: ['one.example'], whileUp: 'through', ...more });
  const house = new House([own, makeSite('two', ['two.example'])]);
  const { primaries } = push(fake);
  house.connect = (to, signal, client) => primaries.connect(to, signal, client);
  return { house, fake, visit: house.visit() };
}

/** Says only this at this station, the first time on a connection. */
const at = (station: FakeStation, act: string, nth = 1): FakeOptions => ({
  script: (s, _arg, n) => (s === station && n === nth ? act : undefined),
});

async function rcpt({ visit }: World, ...to: string[]): Promise<string[]> {
  await visit.mail('FROM:<a@sender.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=e1');
  const said: string[] = [];
  for (const address of to) said.push(await visit.rcpt(`TO:<${address}>`));
  return said;
}

/** What is left here of all that was said. */
function left({ house }: World): { held: string[][]; drafts: number } {
  const held = house.spool.mails.map((m) =>
    m.entries.flatMap((e) => e.envelope.recipients.map((r) => r.address)),
  );
  return { held, drafts: house.spool.open };
}
const NOTHING = { held: [], drafts: 0 };

describe('the roster learns', () => {
  test('who is taken; a refusal only of one that was good, and not while the primary is wary', async () => {
    const w = await world({
      script: (s, arg) => (s === 'rcpt' && /no/.test(arg) ? '550 5.1.1 no' : undefined),
    });
    w.house.knownGood.add('no-more@one.example');
    assert.deepEqual(await rcpt(w, 'u@one.example', 'no-more@one.example', 'no@one.example'), [
      OK,
      '550 5.1.1',
      '550 5.1.1',
    ]);
    const learned = w.house.learned.map(({ site, address, refusal }) => [site, address, refusal?.code]);
    assert.deepEqual(learned, [
      ['one', 'u@one.example', undefined],
      ['one', 'no-more@one.example', 550],
    ]);
    w.house.standings.set('one', { up: true, wary: true });
    assert.deepEqual(await rcpt({ ...w, visit: w.house.visit() }, 'no-more@one.example'), ['451 4.3.0']);
    assert.equal(w.house.learned.length, 2);
  });
});

describe('a mail that the primary takes', () => {
  test('is there before 250 is said, with its envelope, our Received field and each octet; nothing stays here', async () => {
    const w = await world();
    const { visit, house, fake } = w;
    await visit.mail('FROM:<a@sender.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=e1');
    assert.equal(await visit.rcpt('TO:<U@one.example> NOTIFY=FAILURE ORCPT=rfc822;U@one.example'), OK);
    assert.equal(visit.words, 'ok');
    assert.equal(await visit.rcpt('TO:<v@one.example>'), OK);
    assert.equal(await visit.data(MAIL.slice(0, 30), MAIL.slice(30)), '250 2.0.0');
    assert.equal(visit.words, 'Ok: passed on as m1: queued');
    const [mail] = fake.mails;
    assert.equal(mail?.sender, 'a@sender.example');
    assert.equal(mail?.mailArgs, 'SIZE=100 BODY=8BITMIME RET=HDRS ENVID=e1');
    assert.deepEqual(mail?.recipients, ['U@one.example', 'v@one.example']);
    assert.deepEqual(mail?.rcptArgs, ['NOTIFY=FAILURE ORCPT=rfc822;U@one.example', '']);
    const content = mail?.content.toString() ?? '';
    assert.match(content, /^Received: from client\.example [\s\S]*\bid m1\b/);
    assert.ok(content.endsWith(`\r\n${MAIL}`));
    assert.deepEqual(left(w), NOTHING);
    assert.deepEqual(house.logged('mail accepted'), []);
    const [line] = house.logged('mail passed on');
    assert.equal(line?.mail, 'm1');
    assert.equal(line?.reply, '250 2.0.0 queued');
    assert.deepEqual(fake.violations, []);
  });

  test('the next one of the session goes over the same connection', async () => {
    const w = await world();
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
      assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    }
    assert.equal(w.fake.connections, 1);
    assert.equal(w.fake.mails.length, 3);
    w.visit.session.closed();
    while (w.fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(w.fake.commands.at(-1), 'QUIT');
  });

  test('a large one, over a real draft file and in pieces, is there octet for octet', async () => {
    const w = await world();
    const line = `.${'x'.repeat(76)}\r\n`;
    const large = `Subject: x\r\n\r\n${line.repeat(20_000)}`;
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    const pieces = Array.from({ length: 40 }, (_, i) =>
      large.slice((i * large.length) / 40, ((i + 1) * large.length) / 40),
    );
    assert.equal(await w.visit.data(...pieces), '250 2.0.0');
    assert.ok(w.fake.mails[0]?.content.toString().endsWith(large));
  });
});

describe("the primary's own words", () => {
  const table: readonly [string, string, string, string][] = [
    ['550 5.1.1 <u@one.example>: unknown', '550 5.1.1', '<u@one.example>: unknown', 'an unknown user'],
    ['550 unknown here', '550 5.0.0', 'unknown here', 'without an enhanced code'],
    ['550 4.1.1 odd', '550 5.0.0', 'odd', 'with a code of another class'],
    ['450 4.2.0 Greylisted', '450 4.2.0', 'Greylisted', 'greylisting'],
    ['552 5.5.3 too many', '452 4.5.3', 'too many', 'too many recipients, said the old way'],
    ['550 5.1.1 l\u00e4ngst\tgone', '550 5.1.1', 'l?ngst gone', 'what is not ASCII'],
    ['550 5.1.1 one\n550 5.1.1 two', '550 5.1.1', 'one\ntwo', 'two lines'],
    [`550 5.1.1 ${'x'.repeat(2000)}`, '550 5.1.1', 'x'.repeat(400), 'a long line'],
  ];
  for (const [said, code, words, what] of table) {
    test(`at RCPT are passed on: ${what}`, async () => {
      const w = await world(at('rcpt', said));
      assert.deepEqual(await rcpt(w, 'u@one.example'), [code]);
      assert.equal(w.visit.words, words);
      assert.equal(await w.visit.data(MAIL), '503 5.5.1');
      assert.deepEqual(left(w), NOTHING);
      assert.match(String(w.house.logged('recipient refused')[0]?.why), /^the primary: RCPT: /);
    });
  }

  test('of one recipient are of that one only', async () => {
    const w = await world(at('rcpt', '550 5.1.1 no', 2));
    assert.deepEqual(await rcpt(w, 'u@one.example', 'no@one.example', 'v@one.example'), [
      OK,
      '550 5.1.1',
      OK,
    ]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(w.fake.mails[0]?.recipients, ['u@one.example', 'v@one.example']);
  });

  for (const [said, code] of [
    ['554 5.7.1 spam', '554 5.7.1'],
    ['451 4.7.1 try later', '451 4.7.1'],
  ] as const) {
    test(`after the content are passed on, and nothing is queued: ${code}`, async () => {
      const w = await world(at('end', said));
      assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
      assert.equal(await w.visit.data(MAIL), code);
      assert.deepEqual(left(w), NOTHING);
      assert.deepEqual(w.fake.mails, []);
      assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
      assert.equal(await w.visit.data(MAIL), '250 2.0.0', 'the next one has its own answer');
    });
  }

  test('to DATA and in the midst of content are passed on', async () => {
    const w = await world(at('data', '554 5.7.1 no content from you'));
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(MAIL), '554 5.7.1');
    w.fake.earlyRefusal = '552 5.3.4 too big';
    w.fake.options = {};
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(`${MAIL}${'y'.repeat(70)}\r\n`.repeat(200_000)), '552 5.3.4');
    assert.deepEqual(left(w), NOTHING);
  });

  test('to MAIL, when they are about the sender, are said to each recipient', async () => {
    const w = await world(at('mail', '550 5.1.8 sender domain does not exist'));
    assert.deepEqual(await rcpt(w, 'u@one.example', 'v@one.example'), ['550 5.1.8', '550 5.1.8']);
    assert.equal(w.fake.commands.filter((c) => c.startsWith('RCPT')).length, 0);
    assert.deepEqual(left(w), NOTHING);
  });

  test('name no inner host where it is hidden, and keep what the sender knows', async () => {
    const said = [
      '550 5.1.1 mail.inner.example[127.0.0.1]: <u@one.example>: db7.inner.example says no,',
      '550 5.1.1 see 2001:db8::7 at 12:34:56 or http://inner.example/x; client 198.51.100.10',
    ].join('\n');
    const w = await world({ ...at('rcpt', said), name: 'mail.inner.example' }, { hide: true });
    assert.deepEqual(await rcpt(w, 'u@one.example'), ['550 5.1.1']);
    assert.equal(
      w.visit.words,
      '(hidden)[(hidden)]: <u@one.example>: (hidden) says no,\n' +
        'see (hidden) at 12:34:56 or http://(hidden)/x; client 198.51.100.10',
    );
    assert.match(
      String(w.house.logged('recipient refused')[0]?.why),
      /mail\.inner\.example/,
      'the log knows',
    );
  });

  test('are heard as they are where it is not', async () => {
    const w = await world({ ...at('rcpt', '550 5.1.1 mail.inner.example: no'), name: 'mail.inner.example' });
    await rcpt(w, 'u@one.example');
    assert.equal(w.visit.words, 'mail.inner.example: no');
  });
});

describe('a primary in trouble: its mail is held as while it is down', () => {
  const held = [['u@one.example', 'v@one.example']];
  const both = async (w: World) => {
    assert.deepEqual(await rcpt(w, 'u@one.example', 'v@one.example'), [OK, OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.match(w.visit.words, /held as m1/);
    assert.deepEqual(left(w), { held, drafts: 0 });
    assert.ok(w.house.spool.mails[0]?.body.toString() === MAIL);
  };
  const marks = ({ house }: World) => {
    const origin = house.spool.mails[0]?.entries[0]?.origin;
    return origin?.kind === 'received' ? (origin.marks ?? []) : [];
  };

  for (const [what, options] of [
    ['does not greet', at('greeting', 'close')],
    ['is busy', at('greeting', '421 4.3.2 too busy')],
    ['dies at EHLO', at('ehlo', 'close')],
    ['dies at MAIL', { script: (s: FakeStation) => (s === 'mail' ? 'close' : undefined) }],
    ['dies at the first RCPT', at('rcpt', 'close')],
    ['dies at the second RCPT', at('rcpt', 'close', 2)],
    ['dies at DATA', at('data', 'close')],
    ['says 421 to RCPT', at('rcpt', '421 4.3.2 going down')],
    ['says 421 to the dot', at('end', '421 4.3.2 going down')],
    ['denies relaying', at('rcpt', '554 5.7.1 Relay access denied')],
    ['has our address on a list', at('rcpt', '554 5.7.1 Client host [192.0.2.1] blocked using zen')],
    ['has our address on a list, said after the content', at('end', '554 5.7.1 Your host is blocked')],
    ['does not know our commands', at('rcpt', '500 5.5.1 what?')],
    ['refuses MAIL and not for the sender', at('mail', '554 5.0.0 no')],
    ['wants no mail now', at('mail', '451 4.3.0 disk full')],
  ] as const) {
    test(what, async () => {
      const w = await world(options);
      await both(w);
      assert.deepEqual(marks(w), []);
      assert.deepEqual(w.fake.mails, []);
    });
  }

  test('dies in the content', async () => {
    const w = await world();
    await rcpt(w, 'u@one.example');
    w.fake.earlyRefusal = '250 2.0.0 a yes to half a mail';
    const large = `${MAIL}${'y'.repeat(70)}\r\n`.repeat(200_000);
    assert.equal(await w.visit.data(large), '250 2.0.0');
    assert.deepEqual(left(w).held, [['u@one.example']]);
    assert.equal(w.house.spool.mails[0]?.body.length, large.length);
    assert.deepEqual(marks(w), []);
  });

  test('dies behind the dot: it is held, and marked, since the primary may have it', async () => {
    const w = await world(at('end', 'close'));
    await both(w);
    assert.deepEqual(marks(w), ['the primary may have it already']);
    assert.deepEqual(w.house.logged('mail accepted')[0]?.marks, ['the primary may have it already']);
  });

  test('is not there, and is not asked again for half a minute', async () => {
    const w = await world();
    await w.fake.stop();
    await both(w);
    assert.equal(w.house.logged('primary not asked').length, 1);
    await rcpt(w, 'x@one.example');
    assert.equal(w.house.logged('primary not asked').length, 1, 'nobody waits for it a second time');
    await w.house.clock.advance(30 * SECOND);
    await rcpt(w, 'y@one.example');
    assert.equal(w.house.logged('primary not asked').length, 2);
  });

  for (const standing of [{ up: false, wary: true }] as const) {
    test('is not asked while its keeper has it as down', async () => {
      const w = await world();
      w.house.standings.set('one', standing);
      await both(w);
      assert.equal(w.fake.connections, 0);
    });
  }

  test('a fellow secondary that answers instead is not the primary', async () => {
    const w = await world();
    const { connect } = w.house;
    w.house.connect = async (to, signal, client) => {
      const reached = await connect(to, signal, client);
      return reached.kind === 'reached'
        ? { ...reached, exchanger: { ...reached.exchanger, best: false } }
        : reached;
    };
    await both(w);
  });
});

describe('a primary that is slow', () => {
  /** All its waits are by the clock of the house. */
  const slow = async (options: FakeOptions, more: Partial<Site> = {}) => {
    const w = await world(options, more);
    const keyed = openKeyed(':memory:');
    cleanups.push(() => keyed.close());
    const primaries = new Primaries({
      clock: w.house.clock,
      log: silent,
      keyed,
      ourselves,
      random: () => 0,
      resolver: new MemoryResolver(),
    });
    w.house.connect = (to, signal, client) => primaries.connect(to, signal, client);
    return w;
  };
  const until = async (what: () => boolean) => {
    while (!what()) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  test('no answer two minutes after the dot: it is held, and marked', async () => {
    const w = await slow({ script: (s) => (s === 'end' ? 'hang' : undefined) });
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    let said = '';
    const sent = w.visit.data(MAIL).then((r) => (said = r));
    await until(() => w.fake.reads.at(-1)?.endsWith('\r\n.\r\n') ?? false);
    await w.house.clock.advance(2 * MINUTE - 1);
    assert.equal(said, '');
    await w.house.clock.advance(1);
    await sent;
    assert.equal(said, '250 2.0.0');
    assert.deepEqual(left(w), { held: [['u@one.example']], drafts: 0 });
    assert.deepEqual(w.house.logged('mail accepted')[0]?.marks, ['the primary may have it already']);
  });

  test('no greeting in 15 seconds: it is held', async () => {
    const w = await slow({ script: (s) => (s === 'greeting' ? 'hang' : undefined) });
    const said = rcpt(w, 'u@one.example');
    await until(() => w.fake.connections > 0);
    await w.house.clock.advance(15 * SECOND);
    assert.deepEqual(await said, [OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w).held, [['u@one.example']]);
  });

  test('more senders than the site has connections: who gets none is held, and the site is not asked more', async () => {
    const w = await slow({}, { connections: 1 });
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    const other = { ...w, visit: w.house.visit() };
    const said = rcpt(other, 'v@one.example');
    await w.house.clock.advance(15 * SECOND);
    assert.deepEqual(await said, [OK]);
    assert.equal(await other.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.connections, 1);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w).held, [['v@one.example']]);
    assert.deepEqual(
      w.fake.mails.map((m) => m.recipients),
      [['u@one.example']],
    );
  });
});

describe('a line that was closed while nobody spoke', () => {
  test('between two mails is replaced', async () => {
    const w = await world({
      script: (s, _arg, nth) => (s === 'mail' && nth === 2 ? '421 4.4.2 timeout' : undefined),
    });
    for (let n = 0; n < 2; n++) {
      assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
      assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    }
    assert.equal(w.fake.connections, 2);
    assert.equal(w.fake.mails.length, 2);
    assert.deepEqual(left(w), NOTHING);
  });

  test('within a mail is replaced, and what was said on it is said again', async () => {
    const w = await world();
    assert.deepEqual(await rcpt(w, 'u@one.example', 'v@one.example'), [OK, OK]);
    await w.house.clock.advance(31 * SECOND);
    while (w.fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(await w.visit.rcpt('TO:<w@one.example>'), OK);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.connections, 2);
    assert.deepEqual(w.fake.mails[0]?.recipients, ['u@one.example', 'v@one.example', 'w@one.example']);
    assert.deepEqual(left(w), NOTHING);
  });

  test('and meets other answers: what was accepted is held', async () => {
    const w = await world();
    assert.deepEqual(await rcpt(w, 'u@one.example', 'v@one.example'), [OK, OK]);
    await w.house.clock.advance(31 * SECOND);
    while (w.fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    w.fake.options = at('rcpt', '550 5.1.1 no', 2);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w).held, [['u@one.example', 'v@one.example']]);
  });
});

describe('while the site is wary', () => {
  const wary = async (options: FakeOptions) => {
    const w = await world(options);
    w.house.standings.set('one', { up: true, wary: true });
    w.house.knownGood.add('good@one.example');
    return w;
  };

  test('a 5yz for a recipient known good is 451, for others it is believed', async () => {
    const w = await wary({ script: (s) => (s === 'rcpt' ? '550 5.1.1 unknown' : undefined) });
    assert.deepEqual(await rcpt(w, 'good@one.example', 'u@one.example'), ['451 4.3.0', '550 5.1.1']);
  });

  test('a 5yz to content whose recipients it took is 451', async () => {
    const w = await wary(at('end', '554 5.7.1 spam'));
    await rcpt(w, 'u@one.example');
    assert.equal(await w.visit.data(MAIL), '451 4.3.0');
    assert.deepEqual(left(w), NOTHING);
  });

  test('and when it is not, the primary is believed', async () => {
    const w = await wary({ script: (s) => (s === 'rcpt' ? '550 5.1.1 unknown' : undefined) });
    w.house.standings.set('one', { up: true, wary: false });
    assert.deepEqual(await rcpt(w, 'good@one.example'), ['550 5.1.1']);
  });
});

describe('which mail is put to the primary', () => {
  test('one site in a transaction: recipients of another come in one of their own', async () => {
    const w = await world();
    assert.deepEqual(await rcpt(w, 'u@one.example', 'u@two.example', 'v@one.example'), [OK, '451 4.3.0', OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(await rcpt(w, 'u@two.example', 'u@one.example'), [OK, '451 4.3.0']);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.mails.length, 1);
    assert.deepEqual(left(w).held, [['u@two.example']]);
  });

  test('a site all of whose recipients were refused is not in the way of another', async () => {
    const w = await world(at('rcpt', '550 5.1.1 no'));
    assert.deepEqual(await rcpt(w, 'no@one.example', 'u@two.example'), ['550 5.1.1', OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w).held, [['u@two.example']]);
  });

  test('what is held all the same may be of several', async () => {
    const w = await world();
    w.house.standings.set('one', { up: false, wary: false });
    assert.deepEqual(await rcpt(w, 'u@one.example', 'u@two.example'), [OK, OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w).held, [['u@one.example', 'u@two.example']]);
  });

  test('not from the primary itself, which has to meet loop detection', async () => {
    const w = await world();
    w.house.primaries.set(STRANGER, ['one']);
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.connections, 0);
    assert.deepEqual(left(w).held, [['u@one.example']]);
  });

  test('mail that the primary gives back to us ends by loop detection', async () => {
    const w = await world();
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    const again = async (address: string) => {
      const back = w.house.visit(address);
      await back.mail('FROM:<a@sender.example>');
      assert.equal(await back.rcpt('TO:<u@one.example>'), OK);
      return back.data(w.fake.mails.at(-1)?.content ?? '');
    };
    assert.equal(await again('192.0.2.11'), '250 2.0.0', 'from an address that nobody knows: once more');
    assert.equal(await again('192.0.2.11'), '554 5.4.6');
    w.house.primaries.set('192.0.2.10', ['one']);
    assert.equal(await again('192.0.2.10'), '451 4.4.6', 'from the primary: at once');
    assert.equal(w.fake.mails.length, 2);
    assert.deepEqual(left(w), NOTHING);
  });

  test('a loop that the primary sees is no refusal for good', async () => {
    const w = await world(at('end', '554 5.4.6 Too many hops'));
    await rcpt(w, 'u@one.example');
    assert.equal(await w.visit.data(MAIL), '451 4.4.6');
    assert.deepEqual(left(w), NOTHING);
  });

  test('not what an inspection puts into quarantine: it is held', async () => {
    const w = await world();
    const inspector = {
      name: 'x',
      begin: ({ findings }: { findings: { quarantine?: string } }) => ({
        end: () => {
          findings.quarantine = 'looks odd';
          return { kind: 'accept' as const };
        },
        abort: () => {},
      }),
    };
    const house = new House([...w.house.directory.sites], {}, undefined, [], [inspector]);
    house.connect = w.house.connect;
    const own = { ...w, house, visit: house.visit() };
    assert.deepEqual(await rcpt(own, 'u@one.example'), [OK]);
    assert.equal(await own.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(w.fake.mails, []);
    assert.equal(house.spool.mails[0]?.entries[0]?.hold?.kind, 'operator');
  });

  test('what an inspection changes is changed there too', async () => {
    const w = await world();
    const edits = [{ kind: 'insert', name: 'X-New', value: ' 1', before: 1 }] as const;
    const inspector = {
      name: 'x',
      begin: () => ({ end: () => ({ kind: 'accept' as const, edits }), abort: () => {} }),
    };
    const house = new House([...w.house.directory.sites], {}, undefined, [], [inspector]);
    house.connect = w.house.connect;
    const own = { ...w, house, visit: house.visit() };
    assert.deepEqual(await rcpt(own, 'u@one.example'), [OK]);
    assert.equal(await own.visit.data(MAIL), '250 2.0.0');
    assert.match(
      w.fake.mails[0]?.content.toString() ?? '',
      /\r\nFrom: a@sender\.example\r\nX-New: 1\r\nSubject: x\r\n\r\n\.dot\r\n/,
    );
  });

  test('a primary without extensions gets what it understands', async () => {
    const w = await world({ keywords: [] });
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.mails[0]?.mailArgs, '');
    assert.deepEqual(w.fake.violations, []);
  });

  test('a mail that needs SMTPUTF8 is not put to a primary without it: it is held', async () => {
    const w = await world({ keywords: ['PIPELINING', '8BITMIME'] });
    await w.visit.mail('FROM:<jörg@sender.example> SMTPUTF8 BODY=8BITMIME');
    assert.equal(await w.visit.rcpt('TO:<u@one.example>'), OK);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.deepEqual(left(w), { held: [['u@one.example']], drafts: 0 });
    assert.deepEqual(
      w.fake.commands.filter((line) => line.startsWith('MAIL')),
      [],
    );
    // Another mail of the session is put to it.
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    assert.equal(await w.visit.data(MAIL), '250 2.0.0');
    assert.equal(w.fake.mails.length, 1);
  });

  test('a session that ends within a mail leaves nothing, here and there', async () => {
    const w = await world();
    assert.deepEqual(await rcpt(w, 'u@one.example'), [OK]);
    const sink = await w.visit.session.content();
    assert.ok('write' in sink);
    await sink.write(Buffer.from(MAIL));
    w.visit.session.closed();
    while (w.fake.open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(w.fake.mails, []);
    assert.deepEqual(left(w), NOTHING);
    assert.equal(w.house.clock.armed, 0);
  });
});

describe('whose mail it is, told to the primary', () => {
  const XCLIENT = { keywords: [...ALL_KEYWORDS, 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN'] };
  const XFORWARD = { keywords: [...ALL_KEYWORDS, 'XFORWARD NAME ADDR PROTO HELO SOURCE'] };
  const send = (w: World, visit = w.visit) => visit.send('a@sender.example', ['u@one.example'], MAIL);
  const clients = ({ fake }: World) => fake.mails.map((m) => m.client);

  test('xclient: the client is named once for his connection, and again when he says another name', async () => {
    const w = await world(XCLIENT, { passClient: 'xclient', connections: 1 });
    for (let n = 0; n < 2; n++) assert.equal(await send(w), '250 2.0.0');
    w.visit.manner = { helo: 'other.example', esmtp: false };
    assert.equal(await send(w), '250 2.0.0');
    const [one, other] = [`${STRANGER} client.example`, `${STRANGER} other.example`];
    assert.deepEqual(clients(w), [one, one, other]);
    assert.equal(w.fake.connections, 2);
    assert.match(w.fake.commands.filter((c) => c.startsWith('XCLIENT'))[1] ?? '', / PROTO=SMTP /);
    assert.deepEqual(w.fake.violations, []);
  });

  test('xclient: a refusal costs the sender nothing', async () => {
    for (const act of ['550 5.7.1 Client host rejected', '421 4.3.0 bye', 'close']) {
      const w = await world(
        { ...XCLIENT, script: (s) => (s === 'xclient' ? act : undefined) },
        { passClient: 'xclient', connections: 1 },
      );
      for (let n = 0; n < 2; n++) assert.equal(await send(w), '250 2.0.0');
      assert.deepEqual(clients(w), ['', '']);
      assert.deepEqual(left(w), NOTHING);
    }
  });

  test('xclient: what the primary says of the client is said to him', async () => {
    const act = '554 5.7.1 Service unavailable; Client host [198.51.100.10] blocked using zen.example';
    for (const [passClient, heard] of [
      ['xclient', '554 5.7.1'],
      ['none', OK],
    ] as const) {
      for (const station of ['mail', 'rcpt'] as const) {
        const w = await world({ ...XCLIENT, ...at(station, act) }, { passClient });
        assert.deepEqual(await rcpt(w, 'u@one.example'), [heard]);
      }
      const w = await world({ ...XCLIENT, ...at('end', act) }, { passClient });
      assert.equal(await send(w), passClient === 'none' ? '250 2.0.0' : '554 5.7.1');
    }
  });

  test('xforward: before each mail; a refusal costs nothing, and it is not said again', async () => {
    const w = await world(XFORWARD, { passClient: 'xforward' });
    for (let n = 0; n < 2; n++) assert.equal(await send(w), '250 2.0.0');
    const words = `NAME=[UNAVAILABLE] ADDR=${STRANGER} PROTO=ESMTP HELO=client.example SOURCE=REMOTE`;
    assert.deepEqual(
      w.fake.mails.map((m) => m.forwarded),
      [[words], [words]],
    );
    assert.equal(w.fake.connections, 1);
    const no = await world(
      { ...XFORWARD, script: (s) => (s === 'xforward' ? '550 5.7.0 insufficient authorization' : undefined) },
      { passClient: 'xforward' },
    );
    for (let n = 0; n < 2; n++) assert.equal(await send(no), '250 2.0.0');
    assert.equal(no.fake.commands.filter((c) => c.startsWith('XFORWARD')).length, 1);
    assert.equal(no.house.logged('client not passed on').length, 1);
    const none = await world({ keywords: [...XCLIENT.keywords, ...XFORWARD.keywords] });
    assert.equal(await send(none), '250 2.0.0');
    assert.ok(!none.fake.commands.some((c) => c.startsWith('X')));
  });
});
