import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Envelope } from '../../mail/envelope.ts';
import { LineCheck } from '../smtp/server/content.ts';
import { type BatchFault, BatchFoul, readBatch } from './reader.ts';
import { BATCH_END, BatchContent, batchBegin, batchCommands } from './writer.ts';

interface Mail {
  readonly envelope: Envelope;
  readonly content: string;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function write(mails: readonly Mail[]): Buffer {
  const parts: Uint8Array[] = [batchBegin('mx2.example.net')];
  for (const { envelope, content } of mails) {
    const octets = bytes(content);
    const commands = batchCommands(envelope, octets.length);
    const stuffer = new BatchContent();
    const [body, end] = [stuffer.convert(octets), stuffer.end()];
    assert.ok(commands && body && end);
    parts.push(commands, body, end);
  }
  return Buffer.concat([...parts, BATCH_END]);
}

/** In pieces of these lengths, round and round. */
async function* pieces(octets: Buffer, lengths: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < octets.length; i++) {
    const length = lengths[i % lengths.length] ?? octets.length;
    yield octets.subarray(at, at + length);
    at += length;
  }
}

interface Read {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Null: foul. */
  readonly content: string | null;
  readonly key: string;
}

async function read(octets: Buffer, lengths: readonly number[] = [octets.length || 1]) {
  const mails: Read[] = [];
  const faults: BatchFault[] = [];
  for await (const item of readBatch(pieces(octets, lengths))) {
    if (item.kind === 'fault') {
      faults.push(item);
      continue;
    }
    const parts: Buffer[] = [];
    let foul = false;
    try {
      for await (const part of item.content()) parts.push(Buffer.from(part));
    } catch (error) {
      assert.ok(error instanceof BatchFoul, String(error));
      foul = true;
    }
    const content = foul ? null : Buffer.concat(parts).toString('latin1');
    const recipients = item.recipients.map((r) => r.address);
    mails.push({ sender: item.command.sender, recipients, content, key: item.key() });
  }
  return { mails, faults };
}

const line = fc.oneof(
  fc.constantFrom('', '.', '..', '.x', 'From joe', '>From joe', 'QUIT', 'DATA', 'MAIL FROM:<a@b>', 'é\xff'),
  fc.string({ maxLength: 30 }).map((text) => text.replace(/[\r\n\0]/g, '')),
);
const address = fc
  .tuple(fc.stringMatching(/^[a-z0-9+=._-]{1,12}$/), fc.stringMatching(/^[a-z]{1,8}$/))
  .map(([local, domain]) => `${local}@${domain}.example`);
const aMail: fc.Arbitrary<Mail> = fc
  .record({
    sender: fc.oneof(fc.constant(''), address),
    recipients: fc.array(address, { minLength: 1, maxLength: 4 }),
    lines: fc.array(line, { maxLength: 8 }),
    body: fc.constantFrom('7bit' as const, '8bitmime' as const),
    ret: fc.option(fc.constantFrom('FULL' as const, 'HDRS' as const), { nil: undefined }),
  })
  .map(({ sender, recipients, lines, body, ret }) => ({
    envelope: {
      sender,
      recipients: recipients.map((address) => ({ address, notify: ['NEVER' as const] })),
      body,
      smtputf8: false,
      ...(ret && { ret }),
    },
    content: lines.map((l) => `${l}\r\n`).join(''),
  }));
const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });

const MAIL = 'MAIL FROM:<a@b.example>\r\nRCPT TO:<joe@acme.example>\r\n';

describe('batches', () => {
  test('what is written is read again, however it is cut, with line ends of both kinds', () =>
    fc.assert(
      fc.asyncProperty(fc.array(aMail, { maxLength: 4 }), lengths, fc.boolean(), async (mails, cuts, lf) => {
        const written = write(mails);
        const octets = lf ? bytes(written.toString('latin1').replaceAll('\r\n', '\n')) : written;
        const { mails: found, faults } = await read(octets, cuts);
        assert.deepEqual(faults, []);
        const expected = mails.map(({ envelope, content }) => ({
          sender: envelope.sender,
          recipients: envelope.recipients.map((r) => r.address),
          content,
        }));
        assert.deepEqual(
          found.map(({ key: _, ...mail }) => mail),
          expected,
        );
      }),
      { numRuns: 300 },
    ));

  test('whatever the octets are, reading ends, and content is clean or foul', () => {
    const word = fc.constantFrom(
      ...[
        'EHLO x',
        MAIL,
        'MAIL FROM:<>',
        'RCPT TO:<a@b.example>',
        'DATA',
        '.',
        '\r\n',
        '\n',
        '\r',
        'QUIT',
        '\0',
        'RSET',
      ],
      ...[
        'x'.repeat(5000),
        'BDAT 10 LAST',
        'STARTTLS',
        'é',
        '..',
        'RCPT TO:<"a b"@c>',
        '\r\n.\r\n',
        '\n.\n',
        '\n.\r\n',
      ],
    );
    const hostile = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((words) => bytes(words.join(''))),
      fc.array(word, { maxLength: 30 }).map((words) => bytes(words.join('\r\n'))),
      fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a)),
    );
    return fc.assert(
      fc.asyncProperty(hostile, lengths, async (octets, cuts) => {
        const { mails } = await read(octets, cuts);
        for (const { content } of mails) {
          if (content === null) continue;
          const check = new LineCheck();
          check.look(bytes(content));
          assert.equal(check.finish(), 'nothing');
          assert.equal(check.foul, false);
        }
        const whole = await read(octets);
        assert.deepEqual(mails, whole.mails);
      }),
      { numRuns: 500 },
    );
  });

  test('a key stands for all of the batch up to its mail', async () => {
    const one = write([
      { envelope: envelope('a@b.example'), content: 'x\r\n' },
      { envelope: envelope('c@b.example'), content: 'y\r\n' },
    ]);
    const text = one.toString('latin1');
    const keys = async (t: string) => (await read(bytes(t), [7])).mails.map((m) => m.key);
    const [first, second] = await keys(text);
    assert.deepEqual(await keys(text), [first, second]);
    const [sameFirst, otherSecond] = await keys(text.replace('y\r\n', 'z\r\n'));
    assert.equal(sameFirst, first);
    assert.notEqual(otherSecond, second);
    const [otherFirst, lastSecond] = await keys(text.replace('x\r\n', 'z\r\n'));
    assert.notEqual(otherFirst, first);
    assert.notEqual(lastSecond, second);
  });

  test('a batch that ends within a mail gives that mail to nobody', async () => {
    const { mails, faults } = await read(bytes(`${MAIL}DATA\r\nSubject: x\r\n\r\nhalf`));
    assert.deepEqual(
      mails.map((m) => m.content),
      [null],
    );
    assert.deepEqual(faults, [
      { kind: 'fault', line: 3, why: 'the batch ends in the middle of a mail', end: true },
    ]);
    assert.equal((await read(bytes(MAIL))).faults.at(-1)?.end, true);
  });

  test('a command that is not understood costs its own mail and no other', async () => {
    const good = `${MAIL}DATA\r\ngood\r\n.\r\n`;
    for (const bad of [
      'MAIL FROM:<a@b>\r\nXYZZY\r\nRCPT TO:<c@d.example>\r\nDATA\r\nQUIT\r\n.\r\n',
      'MAIL FROM:a b\r\n',
    ]) {
      const { mails, faults } = await read(bytes(`EHLO x\r\n${bad}${good}QUIT\r\n`));
      assert.deepEqual(
        mails.map((m) => m.content),
        ['good\r\n'],
      );
      assert.equal(faults.length, 1, JSON.stringify(faults));
    }
  });

  test('a recipient that is none costs only himself', async () => {
    const text = `MAIL FROM:<a@b>\r\nRCPT TO:<nobody>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n`;
    const { mails, faults } = await read(bytes(text));
    assert.deepEqual(mails[0]?.recipients, ['c@d.example']);
    assert.match(faults[0]?.why ?? '', /^RCPT TO:<nobody>: 501/);
  });

  test('with CRLF no dot between other line ends ends content, and such content goes to nobody', async () => {
    for (const trick of ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r']) {
      const text = `${MAIL}DATA\r\nx${trick}MAIL FROM:<evil@x.example>\r\nRCPT TO:<v@y.example>\r\nDATA\r\nz\r\n.\r\nQUIT\r\n`;
      const { mails } = await read(bytes(text));
      assert.deepEqual(
        mails.map((m) => [m.sender, m.content]),
        [['a@b.example', null]],
        JSON.stringify(trick),
      );
    }
  });

  test('what is no batch is given up', async () => {
    const { mails, faults } = await read(bytes('nonsense\n'.repeat(100_000)));
    assert.equal(mails.length, 0);
    assert.equal(faults.length, 101);
    assert.equal(faults.at(-1)?.end, true);
  });

  test('an address that would break a line is not written', () => {
    assert.equal(batchCommands(envelope('a@b.example\r\nRCPT TO:<x@y>'), 1), null);
    assert.equal(new BatchContent().convert(bytes('a\nb')), null);
  });
});

function envelope(sender: string): Envelope {
  return { sender, recipients: [{ address: 'joe@acme.example' }], body: '7bit', smtputf8: false };
}
