/**
 * Receive and the log store together, through the engine over a loopback socket: what was answered
 * 250 can be read again after a crash, byte for byte; a spool or a share that is full makes senders
 * wait and nobody else.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { silent } from '../../src/base/log.ts';
import { type LogSpoolOptions, openLogSpool } from '../../src/spool/log/index.ts';
import type { Entry, Spool } from '../../src/spool/port.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { House, makeSite } from './receive-harness.ts';
import { type Caller, Port } from './receive-wire.ts';

const MB = 1024 * 1024;
const BODY = `From: a@sender.example\r\nSubject: x\r\n\r\n${'0123456789abcdef\r\n'.repeat(64)}`;

let files: MemoryFiles;
let spool: Spool;
let port: Port;
let house: House;

async function openSpool(): Promise<Spool> {
  const options: LogSpoolOptions = {
    dir: '/spool',
    clock: new SimClock(),
    log: silent,
    random: randomBytes,
    files,
    sharers: () => 2,
    limits: { reserve: 0, total: 4 * MB, keptForOutcomes: 1024, keptForCompaction: 1024, segment: MB },
  };
  return openLogSpool(options);
}

beforeEach(async () => {
  files = new MemoryFiles();
  spool = await openSpool();
  house = new House([makeSite('one', ['one.example']), makeSite('two', ['two.example'])], {}, spool);
  port = new Port(house);
  await port.open();
});
afterEach(async () => {
  port.close();
  await spool.close();
});

async function begin(
  caller: Caller,
  recipients: readonly string[],
  mail = 'FROM:<a@sender.example>',
): Promise<string[]> {
  const said = [await caller.say(`MAIL ${mail}`)];
  for (const recipient of recipients) said.push(await caller.say(`RCPT TO:<${recipient}>`));
  return said;
}

async function finish(caller: Caller, body: string): Promise<string> {
  const said = await caller.say('DATA');
  return said === '354' ? caller.say(`${body}.`) : said;
}

async function entries(from: Spool): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const entry of from.find({})) found.push(entry);
  return found;
}

async function contentOf(from: Spool, entry: Entry): Promise<string> {
  const content = await from.open(entry.id);
  assert.ok('chunks' in content);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.chunks()) chunks.push(chunk);
  await content.close();
  return Buffer.concat(chunks).toString();
}

describe('receive before the log store', () => {
  test('what was answered 250 is there after the power went, byte for byte, in each queue', async () => {
    const caller = await port.call();
    const recipients = Array.from({ length: 100 }, (_, i) => `u${i}@${i % 2 ? 'one' : 'two'}.example`);
    await begin(caller, recipients);
    assert.equal(await finish(caller, BODY), '250 2.0.0');
    // Another is under way when it happens.
    await begin(caller, ['lost@one.example']);
    assert.equal(await caller.say('DATA'), '354');
    files = files.crash(() => 0);
    const again = await openSpool();
    const kept = await entries(again);
    assert.deepEqual(kept.map((e) => [e.queue, e.envelope.recipients.length]).sort(), [
      ['one', 50],
      ['two', 50],
    ]);
    for (const entry of kept) {
      const content = await contentOf(again, entry);
      assert.ok(content.startsWith('Received: from client.example '));
      assert.ok(content.includes(`id ${entry.mail}`));
      assert.ok(content.endsWith(BODY));
      assert.equal(content.length, entry.size);
    }
    caller.close();
    await again.close();
  });

  test('a site that has used up its share waits, also beside recipients of another site, who go on', async () => {
    const caller = await port.call();
    const large =
      `Subject: large\r\n\r\n${'x'.repeat(998)}\r\n`.padEnd(200, 'x') + `${'y'.repeat(998)}\r\n`.repeat(200);
    for (let i = 0; i < 30; i++) {
      const said = await begin(caller, ['u@one.example'], `FROM:<> SIZE=${large.length}`);
      if (said[1] !== '250 2.1.5') {
        assert.equal(said[1], '452 4.3.1');
        break;
      }
      assert.equal(await finish(caller, large), '250 2.0.0');
    }
    const full = spool.summary('one').count;
    assert.ok(full > 3 && full < 30, `${full} mails`);
    await caller.say('RSET');
    const said = await begin(caller, ['u@one.example', 'u@two.example'], `FROM:<> SIZE=${large.length}`);
    assert.deepEqual(said, ['250 2.1.0', '452 4.3.1', '250 2.1.5']);
    assert.equal(await finish(caller, large), '250 2.0.0');
    assert.equal(spool.summary('one').count, full);
    assert.equal(spool.summary('two').count, 1);
    caller.close();
  });

  test('more than there is room for is 452 at MAIL if it was declared, and at the end if not', async () => {
    const caller = await port.call();
    assert.equal(await caller.say(`MAIL FROM:<> SIZE=${5 * MB}`), '452 4.3.1');
    await begin(caller, ['u@one.example']);
    assert.equal(await finish(caller, `${'z'.repeat(998)}\r\n`.repeat(5 * 1049)), '452 4.3.1');
    assert.deepEqual(await entries(spool), []);
    await begin(caller, ['u@one.example']);
    assert.equal(await finish(caller, BODY), '250 2.0.0');
    caller.close();
  });
});
