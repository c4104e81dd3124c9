/** The roster of a real server, by its commands and by what clients hear: shown, imported, forgotten; who tries out addresses waits. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Daemon, type Peer, until } from '../support/daemon.ts';
import { FakePrimary } from '../support/fake-primary.ts';

const BIN = resolve(import.meta.dirname, '../../bin/restante');
const USERS = ['joe', 'ann', 'postmaster'];

describe('the roster of a server', () => {
  let d: Daemon;
  let primary: FakePrimary;

  before(async () => {
    primary = await FakePrimary.start({
      script: (station, arg) =>
        station === 'rcpt' && !USERS.some((user) => arg.toLowerCase().includes(`<${user}@`))
          ? '550 5.1.1 no such user'
          : undefined,
    });
    d = await Daemon.make('sites: {}');
    writeFileSync(join(d.folder, 'list'), 'joe\nann@listed.example OK\n# a comment\n');
    const asked = `primary: "127.0.0.1:${primary.port}", tls: none`;
    d.configure(
      `sites:\n` +
        `  asked: { domains: [asked.example], ${asked} }\n` +
        `  listed: { domains: [listed.example], recipients: { file: list }, ${asked} }\n` +
        `  open: { domains: [open.example], recipients: any, ${asked} }`,
    );
    await d.start();
  });
  after(async () => {
    await d.remove();
    await primary.stop();
  });

  const greeted = async (from: string): Promise<Peer> => {
    const peer = await d.peer(from);
    await peer.say('EHLO client.example');
    await peer.say('MAIL FROM:<friend@elsewhere.example>');
    return peer;
  };
  const heard = async (address: string): Promise<string> => {
    const peer = await greeted('127.0.0.2');
    const said = await peer.say(`RCPT TO:<${address}>`);
    peer.close();
    return said.slice(0, 9);
  };
  const command = (...args: string[]) => d.command('roster', ...args);

  test('show: what is known, of a site that is asked', async () => {
    assert.equal(await heard('joe@asked.example'), '250 2.1.5');
    assert.equal(await heard('nobody@asked.example'), '550 5.1.1');
    const { code, out } = await command('show', 'asked');
    assert.equal(code, 0);
    assert.match(out, /^roster +partial: who is not in it is unknown$/m);
    assert.match(
      out,
      /^learned +1 good \(0 imported\), 1 bad; the oldest word is \d+s old, the latest \d+s$/m,
    );
    assert.match(out, /^asked +4 times since the start, the last \d+s ago; 0 wait$/m);
    assert.match(out, /^unknown +451 at first; taken when .* after 5 minutes; 0 pairs remembered$/m);
    assert.match(out, /^coverage +100\.0 %: since the start 1 known, 1 refused, 0 unknown \(0 came back\)$/m);
    const shown = await d.json<{ kind: string; learned: { good: number } }>('roster', 'show', 'asked');
    assert.deepEqual([shown.kind, shown.learned.good], ['partial', 1]);
  });

  test('show: a list, and none', async () => {
    assert.equal(await heard('ann@listed.example'), '250 2.1.5');
    const { out } = await command('show', 'listed');
    assert.match(out, /^roster +complete: who is not in it is refused$/m);
    assert.match(out, /^list +\S+\/list: 2 recipients, \d+s old$/m);
    assert.match((await command('show', 'open')).out, /^roster +none: any recipient is taken$/m);
    assert.deepEqual(await command('show', 'none'), {
      code: 1,
      out: '',
      err: 'restante: there is no site "none"\n',
    });
  });

  test('show: a list that is not to be used any more says so, here and in the status', async () => {
    writeFileSync(join(d.folder, 'list'), '');
    await until('the alarm', async () => {
      await heard('ann@listed.example');
      return /alarm: there is no address in it/.test((await command('show', 'listed')).out) || null;
    });
    assert.equal(await heard('ann@listed.example'), '250 2.1.5', 'the last good copy is used');
    assert.match((await d.command('site', 'show', 'listed')).out, /no address in it/);
    writeFileSync(join(d.folder, 'list'), 'joe\n');
  });

  test('import: from a file and by a pipe; lines that are no recipients are named, and the exit says so', async () => {
    const file = join(d.folder, 'import');
    writeFileSync(
      file,
      '# users\nbob@asked.example\nsales  joe@elsewhere.example\nstaff:\n  joe,\n  ann\nx@elsewhere.example\n',
    );
    assert.deepEqual(await command('import', 'asked', '--file', file), {
      code: 1,
      out: 'asked: 3 recipients imported\n',
      err: 'no recipient of asked: x@elsewhere.example\n',
    });
    const piped = spawn(BIN, ['roster', 'import', 'asked', '-c', d.file], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    piped.stdin.end('zoe@asked.example\n');
    assert.deepEqual(await once(piped, 'exit'), [0, null]);
    const before = primary.commands.length;
    for (const who of ['bob', 'sales', 'staff', 'zoe']) {
      assert.equal(await heard(`${who}@asked.example`), '250 2.1.5');
    }
    assert.equal(primary.commands.length, before, 'the primary is not asked for them');
    assert.equal((await command('import', 'asked', '--file', '/nowhere')).code, 1);
    assert.match((await command('import', 'listed', '--file', file)).err, /listed has no "verify"/);
  });

  test('why somebody was refused is told by address, and with the mail that others got', async () => {
    const peer = await greeted('127.0.0.2');
    await peer.say('RCPT TO:<nobody@listed.example>');
    await peer.say('RCPT TO:<joe@listed.example>');
    await peer.say('DATA');
    const id = /held as (\S+)/.exec(await peer.say('Subject: x\r\n\r\nbody\r\n.'))?.[1];
    assert.ok(id);
    peer.close();
    const why = /550 5\.1\.1 No such recipient here.*not in the list of recipients/;
    await until('the journal', async () => ((await d.command('trace', id)).code === 0 ? true : null));
    assert.match((await d.command('trace', id)).out, why);
    for (const address of ['nobody@listed.example', 'Friend@elsewhere.example']) {
      const { code, out } = await d.command('trace', address);
      assert.equal(code, 0);
      assert.match(out, why);
    }
    assert.deepEqual(await d.command('trace', 'joe@listed.example'), {
      code: 1,
      out: '',
      err: 'restante: nothing was refused to or for "joe@listed.example" in the last days\n',
    });
  });

  test('forget: one address, then all', async () => {
    assert.deepEqual(
      await command('forget', 'asked', '--address', 'bob@asked.example', '--address', 'no@asked.example'),
      {
        code: 0,
        out: 'asked: 1 recipient forgotten\n',
        err: '',
      },
    );
    assert.equal(await heard('bob@asked.example'), '550 5.1.1', 'the primary is asked');
    assert.equal((await command('forget', 'asked')).out, 'asked: 6 recipients forgotten\n');
    assert.match((await command('show', 'asked')).out, /^learned +0 good \(0 imported\), 0 bad$/m);
  });

  test('who tries out addresses waits from the seventh on; who sends meanwhile does not', async () => {
    const harvester = await greeted('127.0.0.3');
    const asks = async (address: string): Promise<number> => {
      const begun = performance.now();
      assert.equal((await harvester.say(`RCPT TO:<${address}>`)).slice(0, 9), '550 5.1.1');
      return performance.now() - begun;
    };
    for (let i = 0; i < 6; i++) assert.ok((await asks(`u${i}@listed.example`)) < 900);
    const waits = asks('u6@listed.example');
    const begun = performance.now();
    assert.equal(await heard('joe@listed.example'), '250 2.1.5');
    assert.ok(performance.now() - begun < 900);
    assert.ok((await waits) >= 950);
    harvester.close();
  });
});
