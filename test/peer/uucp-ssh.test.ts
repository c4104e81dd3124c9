/**
 * A UUCP line over ssh, made by `restante generate uucp --over ssh` in the usual places: sshd, the generated keys with their
 * forced commands, Taylor UUCP, Restante at the near end and a Postfix at the far end. Either end calls, and mail goes
 * both ways; lists are compared one by one. And the units that `generate` writes for systemd, as systemd itself reads them.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { audit, maildirFiles } from './lab/audit.ts';
import type { CorpusSpec } from './lab/corpus.ts';
import type { Injected } from './lab/inject.ts';
import { postfix } from './lab/mta.ts';
import { expected, injectCommand, jsonLines, untilArrived } from './lab/relay.ts';
import { Restante } from './lab/restante.ts';
import { INSIDE, Lab, ROOT, until } from './lab.ts';
import { listed, type Mail, mails } from './uucp/mails.ts';

const COUNT = 40;
const corpus: CorpusSpec = {
  name: 'uucp-ssh',
  count: COUNT,
  size: [500, 30_000],
  sender: 'friend@sender.example.test',
  domains: ['example.test'],
  longest: 980,
};
/** At the host `sender`: what the site sends to others ends there. */
const OUT = { address: '192.0.2.30', port: 2525 };
const CONFIG = `hostname: backup.example.test
outbound: "${OUT.address}:${OUT.port}"
spool: ${INSIDE}/spool
sites:
  leaf: { domains: [example.test] }
`;

describe('UUCP over ssh, in the usual places', () => {
  const far = postfix('primary');
  let lab: Lab;
  let restante: Restante;
  const generate = (over: string, folder: string): Promise<string> =>
    lab.must('backup', [
      ...[`${ROOT}/bin/restante`, 'generate', 'uucp', 'leaf', '-c', `${INSIDE}/restante.yaml`],
      ...['--over', over, '--address', 'backup.example.test', '--far-address', 'primary.example.test'],
      ...['--dir', `${INSIDE}/${folder}`],
      ...['--restante', `${ROOT}/bin/restante`],
    ]);
  const near = (command: string): Promise<string> => lab.must('backup', ['sh', '-c', command]);
  const away = (command: string): Promise<string> => lab.must('primary', ['sh', '-c', command], 120);

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender');
    restante = new Restante(lab, CONFIG);
    await generate('ssh', 'made');
    await near(`sh ${INSIDE}/made/near/install.sh && usermod -s /bin/sh uucp`);
    const lines = parse(lab.read('made/near/restante.yaml'));
    lab.write('restante.yaml', stringify({ ...parse(CONFIG), ...lines }));
    await restante.start();
    // Without PAM: the lab has no session for it.
    await away(`sh ${INSIDE}/made/far/install.sh && usermod -s /bin/sh uucp`);
    for (const there of [near, away])
      await there('ssh-keygen -A >/dev/null && mkdir -p /run/sshd && /usr/sbin/sshd -o UsePAM=no');
    lab.spawn('sender', [
      ...[
        'sh',
        '-c',
        `mkdir -m 777 ${INSIDE}/out && cd ${INSIDE}/out && exec smtp-sink -u nobody -d "%H%M%S." "$@"`,
      ],
      ...['sh', `${OUT.address}:${OUT.port}`, '100'],
    ]);
    // As Debian has it; the lab's /run is bare.
    for (const there of [near, away]) await there('chmod 1777 /run/lock');
    await far.start(lab);
  });
  after(() => lab?.close());

  test('a call brings the mail of the site, each once', async () => {
    const command = injectCommand(corpus, 4, 'backup.example.test');
    const answers = jsonLines<Injected>(await lab.must('sender', command, 120));
    assert.ok(answers.every((one) => one.code === 250));
    await lab.must('backup', [
      `${ROOT}/bin/restante`,
      'site',
      'flush',
      'leaf',
      '-c',
      `${INSIDE}/restante.yaml`,
    ]);
    await until('the queue is empty', 60, async () => (await restante.queued()) === 0);
    assert.match(await away(`sh ${INSIDE}/made/far/test.sh call`), /the call to \S+ was good/);
    await untilArrived(lab, far, expected(corpus).size, 60);
    const found = audit(lab, corpus, null, far);
    assert.deepEqual(found.wrong.slice(0, 5), []);
    assert.deepEqual(new Set(found.copies.keys()), expected(corpus));
    assert.deepEqual([found.ours, found.senders], [0, 0]);
  });

  /** What the site's mail server gives to UUCP. */
  async function goesUp(name: string, count: number): Promise<Mail[]> {
    const all = mails(name, count, 'far.example.test', [200, 20_000], true).map((mail, n) => ({
      sender: n % 4 === 3 ? '' : `joe+${n}@example.test`,
      recipients: mail.recipients.map((to) => to.replace(/[^\x20-\x7e]/g, 'ae')),
      content: mail.content,
    }));
    for (const { sender, recipients, content } of all) {
      writeFileSync(join(lab.share, 'letter'), content);
      const words = ['-f', sender, '--', ...recipients].map((word) => `'${word}'`).join(' ');
      await away(
        `setpriv --reuid=uucp --regid=uucp --clear-groups /etc/uucp/bin/to-backup ${words} <${INSIDE}/letter`,
      );
    }
    return all;
  }
  /** What came where it was to go: each mail once, with its envelope, our fields on top. */
  async function cameOut(all: readonly Mail[]): Promise<void> {
    const folder = join(lab.share, 'out');
    const names = () => readdirSync(folder).map((name) => join(folder, name));
    await until('the mail of the site is passed on', 60, async () => names().length >= all.length);
    await until('nothing waits', 30, async () => (await restante.queued()) === 0);
    const came = names().map((name): Mail => {
      const dump = readFileSync(name);
      const text = dump.toString('latin1');
      const args = (name: string) =>
        [...text.matchAll(new RegExp(`^X-${name}-Args: <(.*?)>`, 'gm'))].map((m) => m[1] ?? '');
      const content = all.find((mail) => text.includes(mail.content.toString('latin1').trimEnd()))?.content;
      return { sender: args('Mail')[0] ?? '?', recipients: args('Rcpt'), content: content ?? dump };
    });
    assert.deepEqual(listed(came), listed(all));
    await near(`rm -f ${INSIDE}/out/*`);
  }

  test('the same call takes what the site has for others', async () => {
    const up = await goesUp('up-by-its-call', 12);
    assert.match(await away(`sh ${INSIDE}/made/far/test.sh call`), /the call to \S+ was good/);
    await cameOut(up);
  });

  test('our call does both, too', async () => {
    for (const file of maildirFiles(lab, far)) rmSync(file);
    const up = await goesUp('up-by-our-call', 8);
    const more = { ...corpus, name: 'down-by-our-call', count: 8 };
    await lab.must('sender', injectCommand(more, 4, 'backup.example.test'), 120);
    await restante.ask('site', 'flush', 'leaf');
    await until('the queue is empty', 60, async () => (await restante.queued()) === 0);
    assert.match(await near(`sh ${INSIDE}/made/near/test.sh call`), /the call to \S+ was good/);
    await untilArrived(lab, far, expected(more).size, 60);
    const found = audit(lab, more, null, far);
    assert.deepEqual(new Set(found.copies.keys()), expected(more));
    await cameOut(up);
  });

  test('the key starts uucico as the far end, and nothing else', async () => {
    const key = (await away('ls /etc/uucp/ssh-*')).trim();
    const ssh = `setpriv --reuid=uucp --regid=uucp --init-groups ssh -a -x -T -o BatchMode=yes -o IdentitiesOnly=yes \\
      -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i ${key} -l uucp backup.example.test`;
    const said = await lab.exec('primary', ['sh', '-c', `${ssh} 'id; cat /etc/shadow' </dev/null 2>&1`]);
    assert.doesNotMatch(said.stdout, /uid=|root:/);
    assert.match(said.stdout, /Shere/, 'what uucico says first');
    const forward = await lab.exec('primary', [
      ...['sh', '-c', `timeout 5 ${ssh} -N -o ExitOnForwardFailure=yes -R 2222:127.0.0.1:25 2>&1`],
    ]);
    assert.match(forward.stdout, /forwarding failed/);
  });

  test('systemd finds nothing wrong with the units', async () => {
    await generate('tcp', 'by-tcp');
    for (const folder of ['made', 'by-tcp']) {
      for (const side of ['near', 'far']) {
        const verify = `systemd-analyze verify --man=no ${INSIDE}/${folder}/${side}/systemd/* 2>&1`;
        const { code, stdout } = await lab.exec('backup', ['sh', '-c', verify]);
        assert.deepEqual([code, stdout], [0, ''], `${folder}/${side}`);
      }
    }
  });
});
