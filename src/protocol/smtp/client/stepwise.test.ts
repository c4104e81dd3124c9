import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { type FakeOptions, FakePrimary } from '../../../../test/support/fake-primary.ts';
import { SystemClock } from '../../../base/clock.ts';
import type { Envelope } from '../../../mail/envelope.ts';
import { describe as tell } from '../../../mail/reply.ts';
import { type Deadlines, open, RFC_DEADLINES } from './open.ts';
import { type Ended, type StepContent, StepwiseClient } from './stepwise.ts';
import { type Heard, isLost } from './wire.ts';

const clock = new SystemClock();
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
  const hosts = { hostname: 'mx2.test', host: 'primary.test', tls: { kind: 'none' } } as const;
  const opened = await open({ socket, clock, ...hosts, deadlines: all });
  if (opened.kind !== 'opened') throw new Error(opened.text);
  const client = new StepwiseClient(opened, all);
  cleanups.push(() => client.destroy());
  return { fake, client };
}

const MAIL: Omit<Envelope, 'recipients'> = { sender: 's@b.test', body: '8bitmime', smtputf8: false };
const of = (text: string | Buffer, size = Buffer.byteLength(text)): StepContent => ({
  size,
  async *chunks() {
    yield Buffer.from(text);
  },
});
const short = (heard: Heard): string => (isLost(heard) ? `lost: ${heard.lost}` : tell(heard));
const shortEnd = (end: Ended): string => {
  if (end.kind === 'answered') return tell(end.reply);
  return end.kind === 'lost' ? `lost ${end.whole ? 'behind' : 'before'} the dot` : `unsent: ${end.why}`;
};
async function begin(client: StepwiseClient, to = 'u@acme.test'): Promise<string> {
  const mail = await client.mail(MAIL, 1000);
  return isLost(mail) || mail.code !== 250 ? short(mail) : short(await client.rcpt({ address: to }));
}

describe('step by step', () => {
  test('each step has its reply, parameters go where they are offered, content octet for octet', async () => {
    const { fake, client } = await dialog();
    assert.equal(short(await client.mail({ ...MAIL, ret: 'HDRS', envid: 'x1' }, 77)), '250 2.1.0 ok');
    assert.equal(short(await client.rcpt({ address: 'u@acme.test', notify: ['NEVER'] })), '250 2.1.5 ok');
    const text = '.dot\r\nSubject: x\r\n\r\n..two\r\n.\r\n';
    assert.equal(shortEnd(await client.content(of(text))), '250 2.0.0 queued');
    const [mail] = fake.mails;
    assert.equal(mail?.content.toString(), text);
    assert.equal(mail?.mailArgs, 'SIZE=77 BODY=8BITMIME RET=HDRS ENVID=x1');
    assert.deepEqual(mail?.rcptArgs, ['NOTIFY=NEVER']);
    assert.deepEqual(fake.violations, []);
  });

  test('a size that is not known is not said', async () => {
    const { fake, client } = await dialog();
    await client.mail(MAIL, undefined);
    assert.ok(fake.commands.includes('MAIL FROM:<s@b.test> BODY=8BITMIME'));
  });

  test('a transaction that was left open is ended before the next one', async () => {
    const { fake, client } = await dialog();
    assert.equal(await begin(client), '250 2.1.5 ok');
    assert.equal(await begin(client), '250 2.1.5 ok');
    assert.equal(shortEnd(await client.content(of('x\r\n'))), '250 2.0.0 queued');
    assert.equal(await begin(client), '250 2.1.5 ok');
    assert.equal(fake.commands.filter((c) => c === 'RSET').length, 1);
  });

  test('a refusal of the content is heard, and the conversation goes on', async () => {
    const { fake, client } = await dialog({
      script: (at, _arg, nth) => (at === 'end' && nth === 1 ? '554 5.7.1 spam' : undefined),
    });
    await begin(client);
    assert.equal(shortEnd(await client.content(of('x\r\n'))), '554 5.7.1 spam');
    await begin(client);
    assert.equal(shortEnd(await client.content(of('y\r\n'))), '250 2.0.0 queued');
    await begin(client);
    assert.equal(fake.commands.filter((c) => c === 'RSET').length, 1, 'only where it may be open still');
    assert.equal(fake.connections, 1);
  });

  test('a refusal of DATA, and the next mail', async () => {
    const { client } = await dialog({
      script: (at, _arg, nth) => (at === 'data' && nth === 1 ? '451 4.3.0 later' : undefined),
    });
    await begin(client);
    assert.equal(shortEnd(await client.content(of('x\r\n'))), '451 4.3.0 later');
    await begin(client);
    assert.equal(shortEnd(await client.content(of('y\r\n'))), '250 2.0.0 queued');
  });
});

describe('whether the dot was read', () => {
  for (const [station, told] of [
    ['data', 'lost before the dot'],
    ['end', 'lost behind the dot'],
  ] as const) {
    test(`closed at ${station}: ${told}`, async () => {
      const { client } = await dialog({ script: (at) => (at === station ? 'close' : undefined) });
      await begin(client);
      assert.equal(shortEnd(await client.content(of('x\r\n'))), told);
    });
  }

  test('a 421 behind the dot: it has it not', async () => {
    const { client } = await dialog({ script: (at) => (at === 'end' ? '421 4.3.2 bye' : undefined) });
    await begin(client);
    assert.equal(shortEnd(await client.content(of('x\r\n'))), 'lost before the dot');
  });

  test('silence behind the dot ends by the deadline', async () => {
    const { client } = await dialog({ script: (at) => (at === 'end' ? 'hang' : undefined) }, { end: 50 });
    await begin(client);
    assert.equal(shortEnd(await client.content(of('x\r\n'))), 'lost behind the dot');
    assert.equal(client.lost?.lost, 'timeout');
  });

  test('a refusal in the midst counts, a yes in the midst does not, and neither is followed by a dot', async () => {
    for (const [said, told] of [
      ['552 5.3.4 too big', '552 5.3.4 too big'],
      ['250 2.0.0 thanks', 'lost before the dot'],
    ] as const) {
      const { fake, client } = await dialog();
      await begin(client);
      fake.earlyRefusal = said;
      const slow: StepContent = {
        size: 10,
        async *chunks() {
          yield Buffer.from('half\r\n');
          while (fake.earlyRefusal !== null) await new Promise((resolve) => setTimeout(resolve, 5));
          await new Promise((resolve) => setTimeout(resolve, 20));
          yield Buffer.from('ha\r\n');
        },
      };
      assert.equal(shortEnd(await client.content(slow)), told);
      assert.equal(fake.mails.length, 0);
      assert.ok(client.lost);
    }
  });
});

describe('what may not leave', () => {
  for (const [what, content, why] of [
    ['a bare LF', of('a\nb\r\n'), 'unclean'],
    ['a CR at the end', of('a\r'), 'unclean'],
    ['less than was said', of('a\r\n', 5), 'unreadable'],
    ['more than was said', of('a\r\nbbb\r\n', 3), 'unreadable'],
  ] as const) {
    test(`${what}: the conversation is cut before the dot`, async () => {
      const { fake, client } = await dialog();
      await begin(client);
      assert.equal(shortEnd(await client.content(content)), `unsent: ${why}`);
      assert.ok(client.lost);
      assert.equal(fake.mails.length, 0);
    });
  }

  test('a read that fails', async () => {
    const { fake, client } = await dialog();
    await begin(client);
    const broken: StepContent = {
      size: 100,
      async *chunks() {
        yield Buffer.from('half\r\n');
        throw new Error('EIO');
      },
    };
    assert.equal(shortEnd(await client.content(broken)), 'unsent: unreadable');
    assert.equal(fake.mails.length, 0);
  });

  test('an address that would be two lines', async () => {
    const { fake, client } = await dialog();
    assert.equal(await begin(client, 'a@x.test>\r\nRCPT TO:<b@x.test'), 'lost: garbage');
    assert.ok(!fake.commands.some((c) => c.includes('b@x.test')));
  });
});
