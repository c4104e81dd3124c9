/**
 * A real rspamd, with Debian's own configuration, as milter of a Postfix primary behind us. A mail whose SPF fails is refused there.
 * Without what `restante generate primary --for rspamd` writes it judges our address; with it, the client in our Received field, and
 * no other field that somebody wrote below it.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { postfix } from './lab/mta.ts';
import { INSIDE, until } from './lab.ts';
import { OWN, STRANGER, Strict } from './primary/strict.ts';

// It asks the lab's resolver, which refuses what is outside at once; SPF decides alone; its symbols stand in the header.
const SETTINGS = `
cd /etc/rspamd/local.d
echo 'disable_hyperscan = true; dns { nameserver = ["192.0.2.53"]; timeout = 1s; retransmits = 1; }' >options.inc
echo 'type = "file"; filename = "${INSIDE}/rspamd.log"; level = "info";' >logging.inc
echo 'use = ["x-spamd-result"];' >milter_headers.conf
echo 'symbols { "R_SPF_FAIL" { weight = 100; } }' >policies_group.conf
echo 'reject = 50; add_header = 40; greylist = null;' >actions.conf
mkdir -p /run/rspamd
postconf -e smtpd_milters=inet:127.0.0.1:11332`;

/** What a forger writes, so that it looks as if we had got the mail from the domain's own host. */
const FORGED_FIELD = `Received: from sender.example.test (sender.example.test [192.0.2.30]) by
\tbackup.example.test (Restante abcd) with ESMTP id g00000; Mon, 05 Jan 2026 12:00:00 +0000
`;

describe('a Postfix with rspamd behind us', () => {
  let us: Strict;

  const rspamd = async (): Promise<void> => {
    await us.onPrimary('rspamadm configtest');
    us.lab.spawn('primary', ['sh', '-c', 'echo $$ >/run/rspamd.pid; exec rspamd -i -f >/dev/null 2>&1']);
    await until('rspamd answers', 90, async () => {
      const ran = await us.lab.exec('primary', ['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/11332']);
      return ran.code === 0;
    });
  };
  const ended =
    'p=$(cat /run/rspamd.pid); kill $p; for i in $(seq 300); do kill -0 $p 2>/dev/null || exit 0; sleep .1; done; exit 1';

  before(async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    us = await Strict.up(postfix('primary'), 'example.test', {
      server: [
        'authentication: { arc: { seal: { domain: backup.example.test, selector: arc, key: arc.pem } } }',
      ],
      files: { 'arc.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    });
    const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const record = `"v=DKIM1; k=rsa; p=${key.slice(0, 200)}" "${key.slice(200)}"`;
    const knotc = 'knotc -c /etc/netlab/knot.conf';
    await us.lab.must('dns', [
      'sh',
      '-ec',
      `${knotc} zone-begin example.test; ${knotc} zone-set example.test arc._domainkey.backup 5 TXT '${record}'; ${knotc} zone-commit example.test`,
    ]);
    await us.onPrimary(SETTINGS);
    await us.send(OWN, 'first');
    await rspamd();
    await us.start();
  });
  after(() => us?.close());

  test('without the settings SPF fails for our address, and an honest mail is refused', async () => {
    await us.flush();
    assert.match(await us.refusal(), /554 5\.7\.1 Spam message rejected/);
    assert.match(us.lab.read('rspamd.log'), /ip: 192\.0\.2\.20, .*R_SPF_FAIL\(100\.00\)/);
    assert.equal(us.find('first'), undefined);
  });

  test('with them the same mail passes, and its SPF is that of the client that we had', async () => {
    const folder = await us.generate('rspamd');
    await us.onPrimary(`cp ${folder}/local.d/* /etc/rspamd/local.d/; ${ended}`);
    await rspamd();
    await us.flush();
    const mail = await us.arrived('first');
    assert.match(mail, /\tR_SPF_ALLOW\(-?[\d.]+\)\[\+ip4:192\.0\.2\.30\]/);
    assert.match(mail, /\tRESTANTE_RELAY\(0\.00\)/);
  });

  test('a forged mail is refused, whatever stands below our field', async () => {
    await us.send(STRANGER, 'forged', FORGED_FIELD);
    assert.match(await us.refusal(), /554 5\.7\.1 Spam message rejected/);
    assert.match(us.lab.read('rspamd.log'), /<forged@.* ip: 192\.0\.2\.53, .*R_SPF_FAIL\(100\.00\)/);
    assert.equal(us.find('forged'), undefined);
  });

  test('mail that comes straight is judged as before', async () => {
    const { end } = await us.say(STRANGER, '192.0.2.10', ['u@example.test'], 'straight', FORGED_FIELD);
    assert.match(end, /^554 5\.7\.1 Spam message rejected/);
    const own = await us.say(OWN, '192.0.2.10', ['u@example.test'], 'own');
    assert.match(own.end, /^250 /);
    assert.doesNotMatch(await us.arrived('own'), /RESTANTE_RELAY/);
  });

  test('what we sealed (ARC) is believed, where we were named', async () => {
    assert.match(us.find('first') ?? '', /\tARC_ALLOW_TRUSTED\(-2\.00\)\[backup\.example\.test:s=arc:i=1\]/);
  });
});
