/**
 * Mail servers as calling customers: a Postfix whose address changes, with the generated script in the hooks of its
 * line; a Postfix that turns the connection round, in TLS, with the script in `examples`; a sendmail that calls by
 * its own etrn. What each has in the end is compared with what was sent, mail by mail.
 */
import assert from 'node:assert/strict';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { audit, maildirFiles } from './lab/audit.ts';
import type { CorpusSpec } from './lab/corpus.ts';
import type { Injected } from './lab/inject.ts';
import { type Mta, postfix, sendmail } from './lab/mta.ts';
import { expected, injectCommand, jsonLines, untilArrived } from './lab/relay.ts';
import { Restante } from './lab/restante.ts';
import { INSIDE, Lab, ROOT, until } from './lab.ts';

const COUNT = 60;
const PASSWORD = 'a secret of twenty';
const CONFIG = `hostname: backup.example.test
spool: ${INSIDE}/spool
listen: { smtp: ["0.0.0.0:25"], odmr: ["0.0.0.0:366"], call: ["0.0.0.0:8366"] }
sites:
  home: { domains: [example.test], collect: etrn, primary: caller, TOKEN }
  other: { domains: [other.test], collect: odmr, logins: [home] }
  post: { domains: [sendmail.example.test], collect: etrn }
`;

const spec = (name: string, domain: string): CorpusSpec => ({
  name,
  count: COUNT,
  size: [1_000, 60_000],
  sender: 'friend@sender.example.test',
  domains: [domain],
  longest: 980,
});

describe('mail servers of customers that call for their mail', () => {
  const customer = postfix('primary');
  let lab: Lab;
  let restante: Restante;

  const configure = (token: string): void => lab.write('restante.yaml', CONFIG.replace(', TOKEN', token));
  const command = (...args: string[]): Promise<string> =>
    lab.must('backup', [`${ROOT}/bin/restante`, ...args, '-c', `${INSIDE}/restante.yaml`]);
  /** From a stranger, straight to us. */
  const post = async (corpus: CorpusSpec): Promise<void> => {
    const command = injectCommand(corpus, 5, 'backup.example.test');
    const lines = jsonLines<Injected>(await lab.must('sender', command, 120));
    assert.deepEqual(
      lines.filter((line) => line.code !== 250),
      [],
    );
    assert.equal(lines.length, COUNT);
    assert.equal(await restante.queued(), COUNT);
  };
  const arrived = async (corpus: CorpusSpec, at: Mta): Promise<void> => {
    const all = expected(corpus);
    await untilArrived(lab, at, all.size, 60);
    const found = audit(lab, corpus, null, at);
    assert.deepEqual(found.wrong.slice(0, 5), []);
    assert.deepEqual(new Set(found.copies.keys()), all);
    assert.deepEqual([found.ours, found.senders], [0, 0], 'each came once');
    await until('an empty queue', 20, async () => (await restante.queued()) === 0);
    for (const file of maildirFiles(lab, at)) rmSync(file);
  };
  /** The line comes up, at another address than before. */
  const online = async (address: string): Promise<void> => {
    const change = `ip -4 addr flush dev eth0; ip addr add ${address}/24 dev eth0`;
    await lab.must('primary', ['sh', '-c', change]);
    await lab.link('primary', 'up');
  };
  /** As Debian's /etc/ppp/ip-up does. */
  const hooks = (address: string): Promise<string> =>
    lab.must('primary', [
      ...['run-parts', '--exit-on-error', '/etc/ppp/ip-up.d'],
      ...['ppp0', '/dev/ttyS0', '115200', address, '192.0.2.20', ''].map((word) => `--arg=${word}`),
    ]);
  const install = async (folder: string): Promise<void> => {
    const steps = `mkdir -p /etc/ppp/ip-up.d && rm -rf /etc/call && cp -r ${INSIDE}/${folder} /etc/call &&
      ln -sf /etc/call/call /etc/ppp/ip-up.d/call`;
    await lab.must('primary', ['sh', '-c', steps]);
  };

  before(async () => {
    lab = await Lab.up('dns', 'primary', 'backup', 'sender', 'sendmail');
    restante = new Restante(lab, '');
    configure('');
    lab.write('password', `${PASSWORD}\n`);
    await lab.must('backup', ['chmod', '600', `${INSIDE}/password`]);
    await command('secret', 'set', 'home', '--password-file', `${INSIDE}/password`);
    await restante.start();
    await command('generate', 'etrn', 'home', '--over', 'smtp', '--dir', `${INSIDE}/by-smtp`);
    copyFileSync(join(lab.share, 'password'), join(lab.share, 'by-smtp/secret'));
    // What its page says for Postfix.
    const page = lab.read('by-smtp/README');
    for (const key of ['mydestination', 'smtpd_client_restrictions']) {
      const line = new RegExp(`^ *(${key} = .*)$`, 'm').exec(page)?.[1];
      assert.ok(line, key);
      await lab.must('primary', ['postconf', '-e', line]);
    }
    await customer.start(lab);
  });
  after(() => lab?.close());

  test('Postfix: the line comes up at another address, its hook calls by SMTP, and the queue comes there', async () => {
    const corpus = spec('by-smtp', 'example.test');
    await lab.link('primary', 'down');
    await post(corpus);
    await install('by-smtp');
    await online('192.0.2.77');
    assert.match(await hooks('192.0.2.77'), /^25[0-3] /);
    await arrived(corpus, customer);
    assert.match(lab.read('primary.log'), /connect from backup\.example\.test/);
  });

  test('Postfix: the same over HTTPS with the token of the site, from yet another address', async () => {
    const corpus = spec('by-https', 'example.test');
    const made = await restante.ask<{ token: string }>(
      ...['generate', 'etrn', 'home', '--over', 'https', '--dir', `${INSIDE}/by-https`],
    );
    configure(`, token: ${made.token}`);
    await restante.kill('HUP');
    await until('a reload', 10, () => restante.log.includes('"event":"reloaded"'));
    await lab.link('primary', 'down');
    await post(corpus);
    await install('by-https');
    await online('192.0.2.78');
    assert.match(await hooks('192.0.2.78'), new RegExp(`"queued":${COUNT}`));
    await arrived(corpus, customer);
  });

  test('Postfix: by ODMR, with STARTTLS, over the turned connection', async () => {
    const corpus = { ...spec('odmr', 'other.test') };
    await lab.must('primary', ['postconf', '-e', 'mydestination = other.test']);
    await lab.must('primary', ['postfix', 'reload']);
    await post(corpus);
    const collect = (): Promise<string> =>
      lab.must('primary', [
        ...['env', `CA_FILE=${INSIDE}/by-smtp/ca.pem`, `${ROOT}/examples/odmr-tls.sh`],
        ...['backup.example.test', 'home', `${INSIDE}/password`, 'other.test'],
      ]);
    await collect();
    await arrived(corpus, customer);
    const call = restante.log
      .split('\n')
      .find((line) => line.includes('"event":"call"') && line.includes('"other"'));
    assert.match(call ?? '', /"answer":"begun"/);
    assert.match(lab.read('primary.log'), /connect from localhost\[127\.0\.0\.1\]/);
    assert.match(await collect(), /^453 /, 'nothing is left');
    const wrong = ['env', `CA_FILE=${INSIDE}/by-smtp/README`, `${ROOT}/examples/odmr-tls.sh`];
    const refused = await lab.exec('primary', [
      ...wrong,
      'backup.example.test',
      'home',
      `${INSIDE}/password`,
      'x',
    ]);
    assert.equal(refused.code, 1, 'no password for a server that is not known');
  });

  test('sendmail: its own etrn calls, and its daemon receives', async () => {
    const corpus = spec('sendmail', 'sendmail.example.test');
    await post(corpus);
    assert.equal(maildirFiles(lab, sendmail).length, 0);
    await sendmail.start(lab);
    const etrn = 'etrn -v backup.example.test sendmail.example.test 2>&1';
    const said = await lab.must('sendmail', ['sh', '-c', etrn]);
    assert.match(said, /^250 /m);
    await arrived(corpus, sendmail);
  });
});
