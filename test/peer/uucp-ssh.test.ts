/**
 * A UUCP line over ssh, made by `restante generate uucp --over ssh` in the usual places: sshd, the generated key with its
 * forced command, Taylor UUCP, Restante at the near end and a Postfix at the far end. And the units that `generate`
 * writes for systemd, as systemd itself reads them.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { audit } from './lab/audit.ts';
import type { CorpusSpec } from './lab/corpus.ts';
import type { Injected } from './lab/inject.ts';
import { postfix } from './lab/mta.ts';
import { expected, injectCommand, jsonLines, untilArrived } from './lab/relay.ts';
import { Restante } from './lab/restante.ts';
import { INSIDE, Lab, ROOT, until } from './lab.ts';

const COUNT = 40;
const corpus: CorpusSpec = {
  name: 'uucp-ssh',
  count: COUNT,
  size: [500, 30_000],
  sender: 'friend@sender.example.test',
  domains: ['example.test'],
  longest: 980,
};
const CONFIG = `hostname: backup.example.test
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
      ...['--over', over, '--address', 'backup.example.test', '--dir', `${INSIDE}/${folder}`],
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
    await near('ssh-keygen -A >/dev/null && mkdir -p /run/sshd && /usr/sbin/sshd -o UsePAM=no');
    await away(`sh ${INSIDE}/made/far/install.sh`);
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
