/** sendmail's own etrn as the caller; it knows one port only, so /etc/services is another for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Daemon, until } from '../support/daemon.ts';
import { FakePrimary } from '../support/fake-primary.ts';

const ETRN = '/usr/sbin/etrn';

test("sendmail's etrn calls, and the mail comes", async (t) => {
  assert.ok(existsSync(ETRN), "sendmail-base is missing: see the README's line of packages");
  const sink = await FakePrimary.start();
  t.after(() => sink.stop());
  const d = await Daemon.make(
    `sites: { acme: { domains: [acme.example], collect: etrn, primary: "127.0.0.1:${sink.port}" } }`,
  );
  t.after(() => d.remove());
  await d.start();
  const peer = await d.peer();
  await peer.say('EHLO sender.example');
  await peer.mail(['joe@acme.example'], 'Subject: x');
  peer.close();
  assert.equal(sink.mails.length, 0);
  const services = join(d.folder, 'services');
  writeFileSync(services, `smtp ${d.port}/tcp\n`);
  const script = `mount --bind "$0" /etc/services && exec perl ${ETRN} -v 127.0.0.1 acme.example 2>&1`;
  const said = execFileSync('unshare', ['-m', 'sh', '-c', script, services], { timeout: 20_000 }).toString();
  assert.match(said, /^250 2\.0\.0 OK/m);
  await until('the mail', () => (sink.mails.length === 1 ? true : null));
});
