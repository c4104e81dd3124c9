/**
 * SMTP smuggling (CVE-2023-51764 and its kin): a table of everything that some program takes for the
 * end of DATA. For us none is; what follows it is never executed, and content with a bare CR, a bare
 * LF or a NUL is refused as a whole.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LoopbackEngine, type Talk, talkInMemory, testTls } from '../../support/smtp-engine.ts';

const CORE = ['\r\n', '\n', '\r'];
const ENDS = [
  ...CORE,
  '\r\r\n',
  '\n\r',
  '\n\n',
  '\r\n\r',
  '\r\0\n',
  '\0\r\n',
  '\r\n\0',
  '\0',
  '\x0b',
  '\x0c',
  '\x85',
];
const DOTS = ['.', '..', '. ', '.\0', '\0.'];

function table(ends: readonly string[], dots: readonly string[]): string[] {
  const all = ends.flatMap((before) => dots.flatMap((dot) => ends.map((behind) => before + dot + behind)));
  // What holds CRLF.CRLF is an end.
  return all.filter((variant) => !`${variant}x`.includes('\r\n.\r\n'));
}

const FULL = table(ENDS, DOTS);
// Each octet in a packet of its own, TLS, sockets: those that mail servers were found to take.
const SHORT = table([...CORE, '\r\r\n', '\n\r'], ['.', '..']);

const SMUGGLED = 'MAIL FROM:<smuggled@x.example>\r\nRCPT TO:<smuggled@x.example>\r\nDATA\r\nsmuggled\r\n';
const ENVELOPE = 'MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n';
const isFoul = (text: string): boolean => /\0|\r(?!\n)|(?<!\r)\n/.test(text);

/** `talk` has said its greeting. Content is `text` and then a true end of data. */
async function tryOut({ client, session }: Talk, text: string, bytewise: boolean): Promise<void> {
  const name = JSON.stringify(text.slice(0, -SMUGGLED.length));
  await client.send(`HELO c\r\n${ENVELOPE}DATA\r\n${text}\r\n.\r\nNOOP\r\nQUIT\r\n`, bytewise);
  const expected = isFoul(`${text}\r\n`) ? '554 5.6.0' : '250 2.0.0';
  for (const code of ['250', '250', '250', '354', expected, '250 2.0.0 OK', '221']) {
    const said = await client.reply();
    assert.ok(said.startsWith(code), `${name}: ${said} instead of ${code}`);
  }
  check({ client, session }, text, name);
}

function check({ session }: Talk, text: string, name: string): void {
  const foul = isFoul(`${text}\r\n`);
  assert.ok(!session.calls.some((c) => c.includes('smuggled')), name);
  assert.equal(session.kept.length, foul ? 0 : 1, name);
  assert.equal(session.calls.filter((c) => c === 'end').length, foul ? 0 : 1, name);
  for (const mail of session.kept) assert.ok(!isFoul(mail.content.toString('latin1')), name);
}

async function each(variants: readonly string[], go: (text: string) => Promise<void>): Promise<void> {
  for (const variant of variants) await go(`x${variant}${SMUGGLED}`);
}

describe(`none of ${FULL.length} sequences ends DATA but CRLF.CRLF`, () => {
  let tls: Awaited<ReturnType<typeof testTls>>;
  let engine: LoopbackEngine;
  before(async () => {
    tls = await testTls();
    engine = await LoopbackEngine.start();
  });
  after(() => engine.stop());

  test('in one packet with envelope and following commands', () =>
    each(FULL, async (text) => {
      const talk = talkInMemory();
      await talk.client.reply();
      await tryOut(talk, text, false);
      talk.client.destroy();
    }));

  test('as the first thing in the content', async () => {
    for (const variant of FULL.filter((v) => !v.startsWith('.') && !`\r\n${v}x`.includes('\r\n.\r\n'))) {
      const talk = talkInMemory();
      await talk.client.reply();
      await tryOut(talk, `${variant}${SMUGGLED}`, false);
      talk.client.destroy();
    }
  });

  test('cut in two at every octet', () =>
    each(SHORT, async (text) => {
      for (let cut = 1; cut < text.length - SMUGGLED.length + 2; cut++) {
        const talk = talkInMemory();
        await talk.client.reply();
        const { client } = talk;
        await client.send(`HELO c\r\n${ENVELOPE}DATA\r\n${text.slice(0, cut)}`);
        for (let i = 0; i < 4; i++) await client.reply();
        await client.send(`${text.slice(cut)}\r\n.\r\nQUIT\r\n`);
        assert.match(await client.reply(), isFoul(`${text}\r\n`) ? /^554 5\.6\.0/ : /^250 2\.0\.0 Kept/);
        assert.match(await client.reply(), /^221/);
        check(talk, text, JSON.stringify(text));
        client.destroy();
      }
    }));

  test('octet by octet', () =>
    each(SHORT, async (text) => {
      const talk = talkInMemory();
      await talk.client.reply();
      await tryOut(talk, text, true);
      talk.client.destroy();
    }));

  test('over a socket', () =>
    each(SHORT, async (text) => {
      const talk = await engine.talk();
      await talk.client.reply();
      await tryOut(talk, text, false);
      talk.client.destroy();
    }));

  test('after STARTTLS', () =>
    each(SHORT, async (text) => {
      const talk = await engine.talk({ tls });
      await talk.client.reply();
      await talk.client.send('STARTTLS\r\n');
      await talk.client.reply();
      await talk.client.startTls();
      await tryOut(talk, text, false);
      talk.client.destroy();
    }));

  test('in BDAT, where a count ends it: refused if foul, and its octets are no commands', () =>
    each([...FULL, '\r\n.\r\n'], async (text) => {
      const talk = talkInMemory();
      const { client } = talk;
      await client.reply();
      const whole = `${text}\r\n`;
      await client.send(`HELO c\r\n${ENVELOPE}BDAT ${whole.length} LAST\r\n${whole}QUIT\r\n`);
      for (let i = 0; i < 3; i++) await client.reply();
      assert.match(await client.reply(), isFoul(whole) ? /^554 5\.6\.0/ : /^250 2\.0\.0 Kept/);
      assert.match(await client.reply(), /^221/);
      check(talk, text, JSON.stringify(text));
      client.destroy();
    }));
});
