/** Content comes through byte for byte, with DATA and BDAT, over a socket and TLS, into a slow sink. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { LoopbackEngine, testTls } from '../../support/smtp-engine.ts';
import { TestSession } from '../../support/smtp-session.ts';

/** About `octets` of lines of all lengths, 8-bit, many of them with dots in front. */
function content(octets: number): string {
  const noise = randomBytes(octets)
    .toString('latin1')
    .replace(/[\r\n\0]/g, '.');
  const lines: string[] = [];
  for (let at = 0; at < octets; ) {
    const length = Math.floor(Math.random() ** 3 * 5000);
    lines.push('.'.repeat(Math.floor(Math.random() * 3)) + noise.slice(at, at + length));
    at += length + 2;
  }
  return `${lines.join('\r\n')}\r\n`;
}

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a large mail', () => {
  let tls: Awaited<ReturnType<typeof testTls>>;
  let engine: LoopbackEngine;
  before(async () => {
    tls = await testTls();
    engine = await LoopbackEngine.start();
  });
  after(() => engine.stop());

  for (const secure of [false, true]) {
    for (const way of ['DATA', 'BDAT'] as const) {
      test(`with ${way}${secure ? ' in TLS' : ''} arrives as it was sent`, { timeout: 30_000 }, async () => {
        const session = new TestSession();
        let parts = 0;
        // Every few parts the sink is slow: a turn of the loop, or more.
        session.onPart = () => (parts++ % 7 ? undefined : new Promise((go) => setTimeout(go, 1)));
        const { client } = await engine.talk({ session, tls, sizeLimit: 50_000_000 });
        await client.reply();
        if (secure) {
          await client.send('STARTTLS\r\n');
          await client.reply();
          await client.startTls();
        }
        const text = content(3_000_000);
        await client.send('HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n');
        for (let i = 0; i < 3; i++) await client.reply();
        if (way === 'DATA') {
          await client.send(`DATA\r\n${text.replace(/^\./gm, '..')}.\r\nQUIT\r\n`);
          assert.match(await client.reply(), /^354/);
        } else {
          const cut = Math.floor(text.length / 3);
          await client.send(`BDAT ${cut}\r\n${text.slice(0, cut)}`);
          await client.send(`BDAT ${text.length - cut} LAST\r\n${text.slice(cut)}QUIT\r\n`);
          assert.match(await client.reply(), /^250 2\.0\.0 [0-9]+ octets/);
        }
        assert.match(await client.reply(), /^250 2\.0\.0 Kept/);
        assert.match(await client.reply(), /^221/);
        assert.equal(hash(session.kept[0]?.content ?? Buffer.alloc(0)), hash(Buffer.from(text, 'latin1')));
        client.destroy();
      });
    }
  }
});
