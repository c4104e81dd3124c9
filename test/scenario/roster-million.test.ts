/**
 * A list of 1,000,000 recipients: what it costs in memory, a look-up, and a reload. Figures are printed; what is
 * asserted has room for a busy machine.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readList } from '../../src/policy/roster/list.ts';
import { nameOf } from '../../src/policy/roster/names.ts';
import { Daemon, until } from '../support/daemon.ts';

const COUNT = 1_000_000;
const addressOf = (n: number): string => `first.last${n}@acme.example`;
let folder = '';
let file = '';

async function write(count: number): Promise<void> {
  const out = createWriteStream(file);
  for (let n = 0; n < count; ) {
    let text = '';
    for (const end = Math.min(count, n + 10_000); n < end; n++) text += `${addressOf(n)}\n`;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'million-'));
  file = join(folder, 'list');
  await write(COUNT);
});
after(() => rm(folder, { recursive: true }));

test('a look-up in a million takes less than two microseconds', async (t) => {
  const { list } = await readList(createReadStream(file), { octets: statSync(file).size, seed: 4711 });
  assert.equal(list.size, COUNT);
  const asked = Array.from({ length: 200_000 }, (_, i) => addressOf(i * 10 + (i % 2) * COUNT * 10));
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    let found = 0;
    const begun = performance.now();
    for (const address of asked) if (list.lookup(nameOf(address, '+')) === 'listed') found++;
    best = Math.min(best, ((performance.now() - begun) * 1000) / asked.length);
    assert.equal(found, asked.length / 4);
  }
  t.diagnostic(`${best.toFixed(2)} µs a look-up, half of them in vain`);
  assert.ok(best < 10, `${best} µs`);
});

test('a server with a million recipients takes less than 150 MB, and reloads them without a pause', async (t) => {
  const daemon = await Daemon.make(
    `sites: { acme: { domains: [acme.example], primary: "127.0.0.1:9", recipients: { file: ${file} } } }`,
  );
  const memory = (what: 'VmRSS' | 'VmHWM') => {
    const kb = new RegExp(`${what}:\\s+(\\d+) kB`).exec(
      readFileSync(`/proc/${daemon.pid}/status`, 'utf8'),
    )?.[1];
    return Number(kb) / 1024;
  };
  const read = (from: number) =>
    until('the list is read', () =>
      daemon.log.slice(from).includes('"event":"recipient list read"') ? true : null,
    );
  try {
    await daemon.start();
    await read(0);
    const peer = await daemon.peer();
    await peer.say('EHLO x.example');
    await peer.say('MAIL FROM:<ann@b.example>');
    assert.match(await peer.say(`RCPT TO:<${addressOf(COUNT - 1)}>`), /^250 /);
    assert.match(await peer.say(`RCPT TO:<${addressOf(COUNT)}>`), /^550 5\.1\.1/);
    const loaded = memory('VmRSS');
    // A pause of the server is a NOOP that waits.
    let longest = 0;
    let noops = 0;
    let over = false;
    const asking = (async () => {
      while (!over) {
        const begun = performance.now();
        peer.socket.write('NOOP\r\n');
        await once(peer.socket, 'data');
        longest = Math.max(longest, performance.now() - begun);
        noops++;
      }
    })();
    const from = daemon.log.length;
    await write(COUNT + 1);
    const begun = performance.now();
    // Somebody has to ask, so that the file is looked at.
    await until('the new list', async () => {
      const other = await daemon.peer();
      await other.say('EHLO y.example');
      await other.say('MAIL FROM:<ann@b.example>');
      const said = await other.say(`RCPT TO:<${addressOf(COUNT)}>`);
      other.close();
      return said.startsWith('250') ? said : null;
    });
    await read(from);
    const took = performance.now() - begun;
    over = true;
    await asking;
    t.diagnostic(
      `${loaded.toFixed(0)} MB with the list, ${memory('VmHWM').toFixed(0)} MB at most; reload in ${(took / 1000).toFixed(1)} s, ` +
        `the longest of ${noops} NOOPs meanwhile ${longest.toFixed(0)} ms`,
    );
    assert.ok(loaded < 200, `${loaded} MB`);
    assert.ok(longest < 500, `${longest} ms`);
    peer.close();
  } finally {
    await daemon.remove();
  }
});
