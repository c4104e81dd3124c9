/**
 * The whole server, its clock simulated and its spool on disk: mail of sites that wait for a call, whose time is over.
 * Each sender is told if he may be, and the mail of the others is kept; for every way that waits.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Server, wire } from '../../src/app/wiring.ts';
import { DAY, HOUR, MINUTE } from '../../src/base/clock.ts';
import { silent } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Entry } from '../../src/spool/port.ts';
import { until } from '../support/daemon.ts';
import { plainEnvelope } from '../support/memory-spool.ts';
import { SimClock } from '../support/sim-clock.ts';

const WAYS = ['etrn', 'odmr', 'mailbox'] as const;
const clock = new SimClock();
let folder = '';
let server: Server;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'restante-uncalled-'));
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  const site = (way: string) =>
    `  ${way}: { domains: [${way}.example], collect: ${way}, hold: 1d, connections: 1${way === 'etrn' ? ', primary: "127.0.0.1:1"' : ''} }`;
  const file = join(folder, 'restante.yaml');
  // Nothing listens here, and nobody answers at port 1.
  writeFileSync(
    file,
    `hostname: mx2.example.net\nspool: ./spool\nlisten: { odmr: ["127.0.0.1:366"], pop3: ["127.0.0.1:110"] }\noutbound: "127.0.0.1:1"\n` +
      `notices: { allow: [told.example] }\nsites:\n${WAYS.map(site).join('\n')}\n`,
  );
  const loaded = loadConfig(file);
  assert.ok(loaded.kind !== 'bad', JSON.stringify(loaded));
  const wired = await wire(loaded.config, clock, silent);
  assert.ok(!('kind' in wired), JSON.stringify(wired));
  server = wired;
  server.keep();
});
after(async () => {
  const closed = server.close(0);
  await clock.advance(1);
  await closed;
  rmSync(folder, { recursive: true, force: true });
});

async function put(way: string, sender: string): Promise<void> {
  const draft = await server.spool.draft({ queues: [way] });
  assert.ok(draft.kind === 'draft');
  await draft.write(Buffer.from('Subject: x\r\n\r\nx\r\n'));
  const origin = { kind: 'received', peer: '192.0.2.1', helo: 'h', protocol: 'ESMTP' } as const;
  const envelope = plainEnvelope(`joe@${way}.example`, sender);
  const done = await draft.commit(Buffer.from('Received: here\r\n'), [{ queue: way, envelope, origin }]);
  assert.equal(done.kind, 'committed');
}

async function all(queue: string): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const entry of server.spool.find({ queue })) found.push(entry);
  return found;
}

/** Time passes in steps, and the disk gets its own. */
async function pass(ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 6 * HOUR) await clock.advance(6 * HOUR);
}

test('nobody calls: a week after their time mails fail; who may be told is told, other mail is kept', async () => {
  for (const way of WAYS) {
    await put(way, `${way}@told.example`);
    await put(way, 'somebody@elsewhere.example');
  }
  await pass(7 * DAY);
  for (const way of WAYS) {
    const states = (await all(way)).map(({ hold }) => hold?.kind);
    assert.deepEqual(states, [undefined, undefined], `${way}: they wait for a call`);
  }
  assert.deepEqual(await all('>told.example'), []);
  await pass(DAY);
  const notices = await until('three notices', async () => {
    await clock.advance(HOUR);
    const found = await all('>told.example');
    return found.length >= WAYS.length ? found : null;
  });
  assert.deepEqual(
    notices.map(({ envelope }) => envelope.recipients.map((r) => r.address).join()).sort(),
    WAYS.map((way) => `${way}@told.example`).sort(),
  );
  for (const way of WAYS) {
    const [kept, ...more] = await until(`the end of ${way}`, async () => {
      const found = await all(way);
      return found.length === 1 ? found : null;
    });
    assert.equal(more.length, 0);
    assert.equal(kept?.hold?.kind, 'undeliverable', way);
    assert.equal(kept?.envelope.sender, 'somebody@elsewhere.example');
  }
  assert.deepEqual(await all('>elsewhere.example'), [], 'a return path that may be forged is told nothing');
});

test('a call that cannot take mail leaves it in its time, and ends it after that', async () => {
  await put('etrn', 'late@told.example');
  const fresh = async () => (await all('etrn')).filter(({ hold }) => !hold).length;
  const called = async () => {
    assert.equal(server.keepers.call('etrn', 'a test').kind, 'begun');
    await until('the end of the call', async () => {
      await clock.advance(MINUTE);
      return server.keepers.view('etrn')?.state === 'waiting' ? true : null;
    });
  };
  await pass(18 * HOUR);
  await called();
  assert.equal(await fresh(), 1);
  await pass(6 * HOUR);
  await called();
  await until('the notice', async () => {
    const found = await all('>told.example');
    return found.some((n) => n.envelope.recipients[0]?.address === 'late@told.example') ? true : null;
  });
  assert.equal(await fresh(), 0);
});
