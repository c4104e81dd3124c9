/**
 * NNCP for real, by files that are carried: a hundred odd mails to a site by `rmail`, and by compressed
 * batches, and a hundred back by `restante rmail` and `restante rsmtp`. Each is compared with what was sent.
 * On loopback and in folders of its own; needs no lab.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { EntryRow } from '../../src/operate/api/contract.ts';
import { ToLf } from '../../src/protocol/bsmtp/line-ends.ts';
import { readBatch } from '../../src/protocol/bsmtp/reader.ts';
import { unpack } from '../../src/protocol/bsmtp/unpack.ts';
import { BATCH_END, BatchContent, batchBegin, batchCommands } from '../../src/protocol/bsmtp/writer.ts';
import { Daemon, freePort } from '../support/daemon.ts';
import { numberOf, type OddMail, oddMails } from './batch/odd-mails.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin/restante');
const TAKE = join(ROOT, 'test/support/take-mail.sh');
const COUNT = 100;
/** nncp-exec syncs each mail. */
const PATIENCE = 5 * 60_000;

type Keys = Record<'id' | 'exchpub' | 'exchprv' | 'signpub' | 'signprv' | 'noiseprv' | 'noisepub', string>;

function newNode(): Keys {
  const text = execFileSync('nncp-cfgnew', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const found = [...text.matchAll(/^\s*(id|exchpub|exchprv|signpub|signprv|noiseprv|noisepub): (\w+)$/gm)];
  return Object.fromEntries(found.map(([, key, value]) => [key, value])) as Keys;
}

const shown = ({ id, exchpub, signpub, noisepub }: Keys) => ({ id, exchpub, signpub, noisepub });

let folder = '';
let daemon: Daemon;
const [relay, leaf] = [newNode(), newNode()];
const file = (name: string) => join(folder, name);

/** JSON is Hjson. */
function configure(name: string, self: Keys, other: object): void {
  mkdirSync(file(`${name}.spool`));
  const log = file(`${name}.log`);
  const config = { spool: file(`${name}.spool`), log, self, neigh: { self: shown(self), ...other } };
  writeFileSync(file(`${name}.hjson`), JSON.stringify(config));
}

before(async () => {
  for (const tool of ['nncp-cfgnew', 'nncp-exec', 'nncp-xfer', 'nncp-toss']) {
    assert.ok(existsSync(`/usr/bin/${tool}`), `${tool} is missing: apt-get install nncp`);
  }
  folder = mkdtempSync(join(tmpdir(), 'nncp-'));
  daemon = await Daemon.make('sites: {}');
  mkdirSync(file('taken'));
  configure('relay', relay, {
    leaf: {
      ...shown(leaf),
      exec: { rmail: [BIN, 'rmail', '-c', daemon.file, '--'], rsmtp: [BIN, 'rsmtp', '-c', daemon.file] },
    },
  });
  // nncp-toss hands on nothing of its environment.
  const take = ['/usr/bin/env', `TAKEN=${file('taken')}`, TAKE];
  configure('leaf', leaf, {
    relay: { ...shown(relay), exec: { rmail: [...take, 'rmail'], rcsmtp: [...take, 'rcsmtp'] } },
  });
  const nncp = `nncp: ${leaf.id}, config: ${file('relay.hjson')}`;
  daemon.configure(`outbound: "127.0.0.1:${await freePort()}"
sites:
  leaf: { domains: [leaf.example], collect: batch, batch: { ${nncp} }, send: true }
  ship:
    domains: [ship.example]
    collect: batch
    batch: { ${nncp}, from: { nncp: NOBODY }, form: bsmtp, compress: zstd }`);
  await daemon.start();
});
after(async () => {
  await daemon?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** All that lies in one node's spool goes to the other on a stick, and is tossed there. */
function carry(from: string, to: string): void {
  const stick = mkdtempSync(file('stick-'));
  const nncp = (tool: string, node: string, ...args: string[]) =>
    execFileSync(tool, ['-cfg', file(`${node}.hjson`), '-quiet', ...args]);
  nncp('nncp-xfer', from, '-tx', '-mkdir', '-node', to, stick);
  nncp('nncp-xfer', to, '-rx', stick);
  nncp('nncp-toss', to);
}

/** What the commands over there got since `since`. */
const taken = (since: number) =>
  readdirSync(file('taken'))
    .filter((name) => /^words\.\d+$/.test(name) && Number(name.slice(6)) >= since)
    .map((name) => ({
      words: readFileSync(join(file('taken'), name), 'utf8')
        .split('\n')
        .slice(0, -1),
      input: readFileSync(join(file('taken'), name.replace('words', 'input'))),
    }));

async function sendAll(mails: readonly OddMail[], domain: string): Promise<void> {
  const peer = await daemon.peer();
  await peer.say('EHLO x.example');
  for (const mail of mails) {
    const say = async (line: string) => {
      peer.socket.write(Buffer.from(`${line}\r\n`));
      assert.match(await peer.reply(), /^[23]/, line);
    };
    await say(`MAIL FROM:<${mail.sender}> BODY=8BITMIME SMTPUTF8`);
    for (const local of mail.locals) await say(`RCPT TO:<${local}@${domain}>`);
    await say('DATA');
    peer.socket.write(Buffer.from(`${mail.content.replaceAll('\r\n.', '\r\n..')}.\r\n`, 'latin1'));
    assert.match(await peer.reply(), /^250/);
  }
  peer.close();
  const site = domain.split('.')[0] ?? '';
  // Not by size, count or time: all is there, so it goes now.
  assert.equal((await daemon.command('site', 'flush', site)).code, 0);
  for (const end = performance.now() + PATIENCE; ; await new Promise((wake) => setTimeout(wake, 500))) {
    const left = await daemon.json<EntryRow[]>('queue', 'list', '--site', site);
    if (left.length === 0) return;
    assert.ok(performance.now() < end, JSON.stringify(left.map((e) => [e.state, e.reason])));
    assert.ok(!left.some((e) => e.state === 'deferred'), JSON.stringify(left.map((e) => e.reason)));
  }
}

/** Below our Received field. */
const below = (text: string): string => text.slice(text.search(/^Subject: odd/m));

describe('NNCP by files', () => {
  const mails = oddMails(COUNT);

  test(`${COUNT} odd mails by rmail, each with its sender, its recipients and its octets`, async () => {
    await sendAll(mails, 'leaf.example');
    carry('relay', 'leaf');
    const got = taken(0);
    const seen = new Map(got.map((g) => [numberOf(g.input.toString('latin1')), g]));
    assert.equal(got.length, COUNT);
    for (const mail of mails) {
      const { words, input } = seen.get(mail.number) ?? {};
      assert.deepEqual(words, ['rmail', ...mail.locals.map((l) => `${l}@leaf.example`)]);
      const from = /^From (\S+) /.exec(input?.toString('utf8') ?? '')?.[1];
      assert.equal(from, mail.sender === '' ? '<>' : mail.sender);
      const toLf = new ToLf();
      const lf = Buffer.concat([toLf.convert(Buffer.from(mail.content, 'latin1')), toLf.end()]);
      assert.equal(below(input?.toString('latin1') ?? ''), lf.toString('latin1'), `mail ${mail.number}`);
    }
  });

  test(`${COUNT} odd mails by compressed batches`, async () => {
    const since = readdirSync(file('taken')).filter((n) => /^words\.\d+$/.test(n)).length;
    await sendAll(mails, 'ship.example');
    carry('relay', 'leaf');
    const seen = new Map<number, { sender: string; recipients: string[]; text: string }>();
    for (const { words, input } of taken(since)) {
      assert.deepEqual(words, ['rcsmtp']);
      assert.equal(input.subarray(0, 4).toString('hex'), '28b52ffd');
      const one = async function* () {
        yield input;
      };
      for await (const item of readBatch(unpack(one()))) {
        assert.ok(item.kind === 'mail', JSON.stringify(item));
        const parts: Uint8Array[] = [];
        for await (const part of item.content()) parts.push(part);
        const text = Buffer.concat(parts).toString('latin1');
        const recipients = item.recipients.map((r) => r.address);
        assert.ok(!seen.has(numberOf(text)), 'no repeats');
        seen.set(numberOf(text), { sender: item.command.sender, recipients, text });
      }
    }
    assert.equal(seen.size, COUNT);
    for (const mail of mails) {
      const found = seen.get(mail.number);
      assert.equal(found?.sender, mail.sender);
      assert.deepEqual(
        found?.recipients,
        mail.locals.map((l) => `${l}@ship.example`),
      );
      assert.equal(below(found?.text ?? ''), mail.content, `mail ${mail.number}`);
    }
  });

  test(`${COUNT} odd mails back, half by rmail and half in one batch`, async () => {
    const back = mails.map((mail) => ({
      ...mail,
      sender: mail.sender === '' ? '' : mail.sender.replace('sender', 'leaf'),
    }));
    const exec = (args: readonly string[], input: Buffer) =>
      execFileSync('nncp-exec', ['-cfg', file('leaf.hjson'), '-quiet', 'relay', ...args], { input });
    const batch: Uint8Array[] = [batchBegin('leaf.example')];
    for (const mail of back) {
      const recipients = mail.locals.map((l) => `${l}@victim.example`);
      const content = Buffer.from(mail.content, 'latin1');
      if (mail.number % 2 === 0) {
        const from = Buffer.from(
          `From ${mail.sender === '' ? '<>' : mail.sender} Mon Jan  5 12:00:00 2026 remote from leaf\n`,
        );
        exec(['rmail', ...recipients], Buffer.concat([from, new ToLf().convert(content)]));
        continue;
      }
      const envelope = {
        sender: mail.sender,
        recipients: recipients.map((address) => ({ address })),
        body: '8bitmime' as const,
        smtputf8: true,
      };
      const stuffer = new BatchContent();
      const parts = [batchCommands(envelope, content.length), stuffer.convert(content), stuffer.end()];
      batch.push(...parts.filter((part) => part !== null));
    }
    exec(['rsmtp'], Buffer.concat([...batch, BATCH_END]));
    carry('leaf', 'relay');
    const queued = await daemon.json<EntryRow[]>('queue', 'list', '--site', '>victim.example');
    assert.equal(queued.length, COUNT);
    const exported = file('exported');
    assert.equal(
      (await daemon.command('queue', 'export', '--site', '>victim.example', '-o', exported)).code,
      0,
    );
    const seen = new Map(
      queued.map((entry) => {
        const text = readFileSync(join(exported, `${entry.id}.eml`)).toString('latin1');
        return [numberOf(text), { entry, text }];
      }),
    );
    assert.equal(seen.size, COUNT);
    for (const mail of back) {
      const found = seen.get(mail.number);
      assert.equal(found?.entry.sender, mail.sender);
      assert.deepEqual(
        found?.entry.recipients,
        mail.locals.map((l) => `${l}@victim.example`),
      );
      assert.equal(below(found?.text ?? ''), mail.content, `mail ${mail.number}`);
      assert.match(found?.text ?? '', /^Received: from \w+ by\s+mx2[\s\S]*?with NNCP id/);
    }
  });

  test('what is refused for good leaves nncp-toss with an error, and nothing is kept', async () => {
    const before = (await daemon.json<EntryRow[]>('queue', 'list', '--site', '>victim.example')).length;
    execFileSync('nncp-exec', ['-cfg', file('leaf.hjson'), '-quiet', 'relay', 'rmail', 'a@victim.example'], {
      input: 'From x@evil.example Mon\nSubject: x\n\n',
    });
    assert.throws(() => carry('leaf', 'relay'));
    assert.equal(
      (await daemon.json<EntryRow[]>('queue', 'list', '--site', '>victim.example')).length,
      before,
    );
  });
});
