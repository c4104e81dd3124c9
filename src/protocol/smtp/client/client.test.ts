import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { ALL_KEYWORDS, type FakeOptions, FakePrimary } from '../../../../test/support/fake-primary.ts';
import { SystemClock } from '../../../base/clock.ts';
import type { Envelope } from '../../../mail/envelope.ts';
import { SmtpClient } from './client.ts';
import { type Deadlines, open, RFC_DEADLINES } from './open.ts';
import type { ClientContent, ClientMail } from './transaction.ts';

const clock = new SystemClock();
const CHUNKING = [...ALL_KEYWORDS, 'CHUNKING'];
const PLAIN = ['8BITMIME', 'SIZE'];
const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const fn of cleanups.splice(0)) await fn();
});

async function dialog(options: FakeOptions = {}, deadlines: Partial<Deadlines> = {}) {
  const fake = await FakePrimary.start(options);
  cleanups.push(() => fake.stop());
  const socket = connect({ port: fake.port, host: fake.host, noDelay: true });
  await once(socket, 'connect');
  const all = { ...RFC_DEADLINES, ...deadlines };
  const opened = await open({
    socket,
    clock,
    hostname: 'mx2.test',
    host: 'primary.test',
    tls: { kind: 'none' },
    deadlines: all,
  });
  if (opened.kind !== 'opened') throw new Error(opened.text);
  const client = new SmtpClient({ opened, clock, deadlines: all });
  cleanups.push(() => client.destroy());
  return { fake, client };
}

function envelope(to: readonly string[] = ['u@acme.test'], more: Partial<Envelope> = {}): Envelope {
  return {
    sender: 's@b.test',
    recipients: to.map((address) => ({ address })),
    body: '7bit',
    smtputf8: false,
    ...more,
  };
}

function inMemory(text: string | Buffer): ClientContent {
  const bytes = Buffer.from(text);
  return {
    size: bytes.length,
    pieces: [bytes],
    async *chunks() {
      yield bytes;
    },
    async close() {},
  };
}

function mail(text: string | Buffer, to?: readonly string[], more?: Partial<Envelope>): ClientMail {
  return { envelope: envelope(to, more), open: async () => inMemory(text) };
}

function streamed(chunks: readonly Buffer[], size = chunks.reduce((n, c) => n + c.length, 0)) {
  const content = { closed: false, produced: 0 };
  const value: ClientMail = {
    envelope: envelope(),
    open: async () => ({
      size,
      async *chunks() {
        for (const c of chunks) {
          content.produced++;
          yield c;
        }
      },
      async close() {
        content.closed = true;
      },
    }),
  };
  return { value, content };
}

const text = (n: number) => `Subject: mail ${n}\r\n\r\nbody ${n}\r\n.dot\r\n..two\r\n`;

describe('pipelining', () => {
  test('MAIL, RCPT and DATA leave in one write, and the next ones behind the final dot', async () => {
    const { fake, client } = await dialog();
    const all = await Promise.all([
      client.give(mail(text(1))),
      client.give(mail(text(2))),
      client.give(mail(text(3))),
    ]);
    assert.deepEqual(
      all.map((t) => t.end?.code),
      [250, 250, 250],
    );
    assert.deepEqual(
      fake.mails.map((m) => m.content.toString()),
      [text(1), text(2), text(3)],
    );
    assert.deepEqual(fake.violations, []);
    const [, group, content] = fake.reads;
    assert.match(group ?? '', /^MAIL [^\n]*\r\nRCPT [^\n]*\r\nDATA\r\n$/);
    assert.match(content ?? '', /\r\n\.\r\nMAIL FROM:<s@b.test>[^\n]*\r\nRCPT [^\n]*\r\nDATA\r\n$/);
  });

  test('without PIPELINING one command waits for one reply', async () => {
    const { fake, client } = await dialog({ keywords: PLAIN });
    assert.equal(client.depth, 1);
    const [a, b] = await Promise.all([
      client.give(mail(text(1), ['a@x.test', 'b@x.test'])),
      client.give(mail(text(2))),
    ]);
    assert.equal(a?.end?.code, 250);
    assert.equal(b?.end?.code, 250);
    assert.deepEqual(fake.violations, []);
    assert.equal(fake.mails.length, 2);
  });

  for (const keywords of [['PIPELINING'], ['PIPELINING', 'CHUNKING']]) {
    test(`behind a mail that was refused no content is announced before a recipient is taken (${keywords})`, async () => {
      const { fake, client } = await dialog({
        keywords,
        script: (at, _arg, nth) => (at === 'rcpt' && nth < 4 ? '450 4.2.0 Greylisted' : undefined),
      });
      for (const n of [1, 2, 3]) assert.equal((await client.give(mail(text(n)))).rcpt[0]?.code, 450);
      const announced = /^(DATA|BDAT)/gm;
      assert.equal(fake.reads.join('').match(announced)?.length, 1, 'only the first, unaware');
      for (const n of [4, 5]) assert.equal((await client.give(mail(text(n)))).end?.code, 250);
      assert.deepEqual(
        fake.mails.map((m) => m.content.toString()),
        [text(4), text(5)],
      );
      assert.deepEqual(fake.violations, []);
    });
  }

  test('a mail that is refused as a whole leaves no transaction for the next one', async () => {
    const { fake, client } = await dialog({
      script: (at, _arg, nth) => (at === 'rcpt' && nth === 1 ? '550 5.1.1 no' : undefined),
    });
    const [a, b] = await Promise.all([client.give(mail(text(1))), client.give(mail(text(2)))]);
    assert.equal(a?.rcpt[0]?.code, 550);
    assert.equal(a?.end, null);
    assert.equal(b?.end?.code, 250);
    assert.ok(fake.commands.includes('RSET'));
    assert.deepEqual(
      fake.mails.map((m) => m.content.toString()),
      [text(2)],
    );
  });

  test('354 although no recipient was accepted: an empty content, and nothing of the mail', async () => {
    const { fake, client } = await dialog({
      script: (at, _arg, nth) =>
        at === 'rcpt' && nth === 1 ? '550 5.1.1 no' : at === 'data' ? '354 go' : undefined,
    });
    const a = await client.give(mail(text(1)));
    assert.equal(a.rcpt[0]?.code, 550);
    assert.equal(a.end?.code, 554);
    assert.ok(!fake.reads.join('').includes('body 1'));
    assert.equal((await client.give(mail(text(2)))).end?.code, 250);
  });
});

describe('what is said before MAIL', () => {
  const before = ['XFORWARD NAME=a', 'XFORWARD HELO=b'];

  test('stands in its group, behind the RSET for the last one, and its refusal is not the mail’s', async () => {
    const { fake, client } = await dialog({
      script: (at, arg) =>
        at === 'rcpt' && arg.includes('bad@')
          ? '550 5.1.1 no'
          : at === 'xforward' && arg.includes('HELO')
            ? '501 5.5.4 bad HELO'
            : undefined,
    });
    const [bad, good] = await Promise.all([
      client.give({ ...mail(text(1), ['bad@x.test']), before }),
      client.give({ ...mail(text(2)), before }),
    ]);
    assert.equal(bad?.rcpt[0]?.code, 550);
    assert.equal(good?.end?.code, 250);
    assert.equal(good?.before?.code, 501);
    assert.deepEqual(
      fake.mails.map((m) => m.forwarded),
      [['NAME=a']],
    );
    assert.deepEqual(fake.violations, []);
    assert.match(fake.reads[1] ?? '', /^XFORWARD NAME=a\r\nXFORWARD HELO=b\r\nMAIL /);
  });

  test('waits for its reply where nothing may be pipelined', async () => {
    const { fake, client } = await dialog({ keywords: PLAIN });
    const t = await client.give({ ...mail(text(1)), before });
    assert.equal(t.before, null);
    assert.deepEqual(fake.mails[0]?.forwarded, ['NAME=a', 'HELO=b']);
    assert.deepEqual(fake.violations, []);
  });

  test('a line that breaks there is told as of the mail', async () => {
    for (const keywords of [PLAIN, ALL_KEYWORDS]) {
      const { client } = await dialog({
        keywords,
        script: (at) => (at === 'xforward' ? '421 4.3.0 bye' : undefined),
      });
      const t = await client.give({ ...mail(text(1)), before });
      assert.equal(t.lost?.lost, 'bye');
      assert.equal(t.end, null);
    }
  });
});

describe('BDAT', () => {
  test('a whole mail is one write, several are under way at once, and content is not touched', async () => {
    const { fake, client } = await dialog({ keywords: CHUNKING });
    const all = await Promise.all([1, 2, 3].map((n) => client.give(mail(text(n)))));
    assert.deepEqual(
      all.map((t) => t.end?.code),
      [250, 250, 250],
    );
    assert.deepEqual(
      fake.mails.map((m) => m.content.toString()),
      [text(1), text(2), text(3)],
    );
    assert.match(fake.reads[1] ?? '', /^MAIL [^\n]*\r\nRCPT [^\n]*\r\nBDAT \d+ LAST\r\nSubject: mail 1/);
    assert.ok(!fake.commands.includes('DATA'));
  });

  test('with all recipients refused the chunk is swallowed and the next mail is not mixed with it', async () => {
    const { fake, client } = await dialog({
      keywords: CHUNKING,
      script: (at, arg) => (at === 'rcpt' && arg.includes('bad@') ? '550 5.1.1 no' : undefined),
    });
    const [a, b, c] = await Promise.all([
      client.give(mail(text(1), ['bad@x.test'], { sender: 'one@b.test' })),
      client.give(mail(text(2), ['bad@x.test', 'good@x.test'], { sender: 'two@b.test' })),
      client.give(mail(text(3), ['good@x.test'], { sender: 'three@b.test' })),
    ]);
    assert.equal(a?.end?.code, 503);
    assert.deepEqual(
      b?.rcpt.map((r) => r?.code),
      [550, 250],
    );
    assert.equal(c?.end?.code, 250);
    assert.deepEqual(
      fake.mails.map((m) => [m.sender, m.recipients, m.content.toString()]),
      [
        ['two@b.test', ['good@x.test'], text(2)],
        ['three@b.test', ['good@x.test'], text(3)],
      ],
    );
  });

  test('content that ends without CRLF stays so', async () => {
    const { fake, client } = await dialog({ keywords: CHUNKING });
    await client.give(mail('no end'));
    assert.equal(fake.mails[0]?.content.toString(), 'no end');
  });

  test('a long content waits for its recipients and leaves nothing behind when none is accepted', async () => {
    const { fake, client } = await dialog({
      keywords: CHUNKING,
      script: (at, _arg, nth) => (at === 'rcpt' && nth === 1 ? '550 5.1.1 no' : undefined),
    });
    const big = Buffer.from(`${'x'.repeat(98)}\r\n`.repeat(5000));
    assert.equal((await client.give(mail(big))).rcpt[0]?.code, 550);
    assert.ok(!fake.commands.some((c) => c.startsWith('BDAT')));
    assert.equal((await client.give(mail(big))).end?.code, 250);
    assert.ok(fake.mails[0]?.content.equals(big));
  });

  test('a content that is longer or shorter than it said never passes for a whole one', async () => {
    for (const size of [5, 5000]) {
      const { fake, client } = await dialog({ keywords: CHUNKING });
      const t = await client.give(streamed([Buffer.from('twelve octet\r\n')], size).value);
      assert.equal(t.unsent, 'unreadable');
      assert.equal(t.end, null);
      assert.equal(fake.mails.length, 0);
    }
  });

  test('what is beyond the announced size is not sent: it would be read as commands', async () => {
    const { fake, client } = await dialog({ keywords: CHUNKING });
    const t = await client.give({
      envelope: envelope(),
      open: async () => ({
        size: 6,
        async *chunks() {
          yield Buffer.from('fine\r\nNOOP\r\n');
          await new Promise((resolve) => setTimeout(resolve, 10));
        },
        async close() {},
      }),
    });
    assert.equal(t.end, null);
    assert.ok(!fake.commands.includes('NOOP'));
  });
});

describe('content', () => {
  for (const keywords of [ALL_KEYWORDS, CHUNKING, PLAIN]) {
    test(`30 MB are streamed in bounded memory (${keywords.at(-1)}, ${keywords.length} keywords)`, async () => {
      const { fake, client } = await dialog({ keywords });
      const chunk = Buffer.from(`.${'y'.repeat(997)}\r\n`.repeat(256));
      const { value, content } = streamed(new Array(120).fill(chunk));
      const t = await client.give(value);
      assert.equal(t.end?.code, 250);
      assert.ok(fake.mails[0]?.content.equals(Buffer.concat(new Array(120).fill(chunk))));
      assert.equal(content.closed, true);
    });
  }

  test('a peer that does not read makes the source wait, and its time is bounded', async () => {
    const { fake, client } = await dialog({ script: () => undefined }, { block: 300 });
    const chunk = Buffer.from(`${'y'.repeat(998)}\r\n`.repeat(256));
    const { value, content } = streamed(new Array(400).fill(chunk));
    fake.pauseAtData = true;
    const t = await client.give(value);
    assert.equal(t.lost?.lost, 'timeout');
    assert.ok(content.produced < 100, `${content.produced} chunks were asked for`);
  });

  for (const [what, bad] of [
    ['a bare LF', 'a\nb\r\n'],
    ['a bare CR', 'a\rb\r\n'],
    ['a CR at the end', 'a\r\nb\r'],
    ['NUL', 'a\0b\r\n'],
  ] as const) {
    test(`${what} never leaves`, async () => {
      const { fake, client } = await dialog();
      const t = await client.give(mail(bad));
      assert.equal(t.unsent, 'unclean');
      assert.equal((await client.give(mail(text(2)))).end?.code, 250);
      const pieces = streamed([Buffer.from('fine\r\n'), Buffer.from(bad)]);
      const u = await client.give(pieces.value);
      assert.equal(u.unsent, 'unclean');
      assert.equal(u.end, null);
      assert.equal(fake.mails.length, 1);
    });
  }

  test('an address with a line end in it is never sent', async () => {
    const { fake, client } = await dialog();
    const t = await client.give(mail(text(1), ['a@x.test>\r\nRCPT TO:<b@x.test']));
    assert.equal(t.unsent, 'unclean');
    assert.equal(fake.commands.length, 1);
  });

  test('content that cannot be read is not begun; one that breaks off cuts the connection', async () => {
    const { fake, client } = await dialog();
    const t = await client.give({ envelope: envelope(), open: async () => null });
    assert.equal(t.unsent, 'unreadable');
    assert.equal(t.lost, null);
    const u = await client.give({
      envelope: envelope(),
      open: async () => ({
        size: 100,
        async *chunks() {
          yield Buffer.from('half\r\n');
          throw new Error('EIO');
        },
        async close() {},
      }),
    });
    assert.equal(u.unsent, 'unreadable');
    assert.ok(u.lost);
    assert.equal(fake.mails.length, 0);
  });

  test('a refusal in the midst of content is heard, and the rest is not sent', async () => {
    const { fake, client } = await dialog();
    fake.earlyRefusal = '552 5.3.4 too big';
    const chunk = Buffer.from(`${'y'.repeat(998)}\r\n`.repeat(256));
    const { value, content } = streamed(new Array(400).fill(chunk));
    const t = await client.give(value);
    assert.equal(t.end?.code, 552);
    assert.ok(content.produced < 400);
    assert.ok(client.lost);
  });
});

test('a yes in the midst of content is no yes', async () => {
  const { fake, client } = await dialog();
  fake.earlyRefusal = '250 2.0.0 queued';
  const chunk = Buffer.from(`${'y'.repeat(998)}\r\n`.repeat(256));
  const t = await client.give(streamed(new Array(400).fill(chunk)).value);
  assert.equal(t.end, null);
  assert.ok(t.lost);
});

describe('parameters', () => {
  const more: Partial<Envelope> = { body: '8bitmime', ret: 'HDRS', envid: 'abc', smtputf8: true };
  const rich = envelope(['u@x.test'], more);
  const recipients = [
    { address: 'u@x.test', notify: ['FAILURE', 'DELAY'] as const, orcpt: 'rfc822;u@x.test' },
  ];

  test('all of them go where all is offered', async () => {
    const { fake, client } = await dialog();
    await client.give({ envelope: { ...rich, recipients }, open: async () => inMemory(text(1)) });
    const size = Buffer.byteLength(text(1));
    assert.equal(fake.mails[0]?.mailArgs, `SIZE=${size} BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=abc`);
    assert.equal(fake.mails[0]?.rcptArgs[0], 'NOTIFY=FAILURE,DELAY ORCPT=rfc822;u@x.test');
  });

  test('none goes where nothing is offered, and the content goes as it is', async () => {
    const { fake, client } = await dialog({ keywords: [] });
    const eight = Buffer.from('Subject: ü\r\n\r\nü\r\n');
    await client.give({
      envelope: { ...rich, smtputf8: false, recipients },
      open: async () => inMemory(eight),
    });
    assert.equal(fake.mails[0]?.mailArgs, '');
    assert.equal(fake.mails[0]?.rcptArgs[0], '');
    assert.ok(fake.mails[0]?.content.equals(eight));
  });

  test('mail that needs SMTPUTF8 is not sent where it is not offered', async () => {
    const { fake, client } = await dialog({ keywords: ['PIPELINING'] });
    const t = await client.give(mail(text(1), ['ü@x.test'], { smtputf8: true }));
    assert.equal(t.unsent, 'smtputf8');
    assert.equal(fake.mails.length, 0);
  });
});

describe('the conversation', () => {
  test('a server without ESMTP gets HELO and plain commands', async () => {
    const { fake, client } = await dialog({
      script: (at) => (at === 'ehlo' ? '502 5.5.1 what?' : undefined),
    });
    assert.equal(client.offer.esmtp, false);
    assert.equal((await client.give(mail(text(1)))).end?.code, 250);
    assert.deepEqual(fake.commands.slice(0, 3), ['EHLO mx2.test', 'HELO mx2.test', 'MAIL FROM:<s@b.test>']);
  });

  test('QUIT is said when all is answered', async () => {
    const { fake, client } = await dialog();
    const given = client.give(mail(text(1)));
    await client.quit();
    assert.equal((await given).end?.code, 250);
    assert.equal(fake.commands.at(-1), 'QUIT');
  });

  test('hung up, it is cut at once where no mail was sent to its end', async () => {
    for (const station of ['mail', 'rcpt', 'data', 'rset'] as const) {
      const { fake, client } = await dialog({
        keywords: PLAIN,
        script: (at) =>
          at === station ? 'hang' : at === 'rcpt' && station === 'rset' ? '550 no' : undefined,
      });
      if (station === 'rset') await client.give(mail(text(0)));
      const given = client.give(mail(text(1)));
      while (!fake.commands.at(-1)?.toLowerCase().startsWith(station))
        await new Promise((r) => setTimeout(r, 5));
      assert.equal(client.hangUp(), false, station);
      const { lost, end } = await given;
      assert.deepEqual([lost?.text, end], ['hung up by us', null], station);
      assert.equal((await client.give(mail(text(2)))).lost?.lost, 'destroyed');
      await client.quit();
    }
  });

  test('hung up, it waits for the answer to what was sent to its end, and begins nothing behind it', async () => {
    for (const keywords of [ALL_KEYWORDS, PLAIN, CHUNKING]) {
      const { fake, client } = await dialog({ keywords });
      const ends = (at: string) => at === 'end' || at === 'bdat';
      fake.options = { keywords, script: (at) => void (ends(at) && (fake.mute ??= [])) };
      const given = [1, 2, 3].map((n) => client.give(mail(text(n))));
      while (fake.mails.length === 0) await new Promise((r) => setTimeout(r, 5));
      assert.equal(client.hangUp(), true);
      const late = client.give(mail(text(4)));
      let back = 0;
      for (const one of given) void one.then(() => back++);
      await new Promise((r) => setTimeout(r, 20));
      const known = back;
      const said = fake.mute;
      assert.ok(said);
      fake.mute = null;
      fake.options = { keywords };
      for (const say of said) say();
      const heard = await Promise.all(given);
      await client.quit();
      const taken = heard.filter((t) => t.end !== null).length;
      assert.equal(taken, keywords === CHUNKING ? 3 : 1, String(keywords));
      assert.equal(known, 0);
      assert.equal(fake.mails.length, taken, 'what is certain is what was taken');
      for (const t of [...heard.slice(taken), await late]) assert.equal(t.lost?.text, 'hung up by us');
    }
  });

  test('each station has its deadline', async () => {
    for (const station of ['mail', 'rcpt', 'data', 'end'] as const) {
      const { client } = await dialog(
        { script: (at) => (at === station ? 'hang' : undefined) },
        { mail: 30, rcpt: 30, data: 30, end: 30 },
      );
      const t = await client.give(mail(text(1)));
      assert.equal(t.lost?.lost, 'timeout', station);
    }
  });

  test('what is no reply, or a reply to nothing, ends it', async () => {
    const { client } = await dialog({ script: (at) => (at === 'mail' ? 'huh' : undefined) });
    assert.equal((await client.give(mail(text(1)))).lost?.lost, 'garbage');
    const two = await dialog({
      keywords: PLAIN,
      script: (at) => (at === 'mail' ? '250 ok\r\n250 again\r\n' : undefined),
    });
    assert.equal((await two.client.give(mail(text(1)))).lost?.lost, 'garbage');
    const flood = await dialog({ script: (at) => (at === 'mail' ? `250 ${'x'.repeat(9000)}` : undefined) });
    assert.equal((await flood.client.give(mail(text(1)))).lost?.lost, 'garbage');
  });
});
