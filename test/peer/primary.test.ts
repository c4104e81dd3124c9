/**
 * A real Postfix with strict SPF (policyd-spf) as primary behind us: it refuses what we hand over, since it sees our address; with what
 * `restante generate primary --for postfix` writes it takes it. By exemption it believes us; by XCLIENT it judges the client that we
 * had, so that what is forged is refused as if we were not there.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generatePrimary } from '../../src/operate/generate/primary.ts';
import { postfix } from './lab/mta.ts';
import { type Host, INSIDE } from './lab.ts';
import { OWN, STRANGER, STRICT_POSTFIX, Strict } from './primary/strict.ts';

const SPF_FAIL = /550 5\.7\.23 .*SPF fail/;

describe('a Postfix with strict SPF, by exemption', () => {
  let us: Strict;

  before(async () => {
    us = await Strict.up(postfix('primary'), 'example.test');
    await us.onPrimary(STRICT_POSTFIX);
    await us.send(OWN, 'first');
    await us.start();
  });
  after(() => us?.close());

  test('without the settings it refuses an honest mail; nothing is lost by it', async () => {
    const { code, stderr } = await us.flush();
    assert.equal(code, 1);
    assert.match(stderr, SPF_FAIL);
    const [row, ...more] = await us.queue();
    assert.ok(row && more.length === 0);
    assert.equal(row.state, 'deferred');
    assert.match(row.reason ?? '', SPF_FAIL);
    assert.match(us.restante.log, /"event":"refusal held back"/);
    assert.equal(us.find('first'), undefined);
  });

  test('with them the same mail passes', async () => {
    const folder = await us.generate('postfix');
    await us.onPrimary(`sh ${folder}/trust.sh apply; sh ${folder}/trust.sh apply; postfix check`);
    const { code, stdout } = await us.flush();
    assert.deepEqual([code, stdout], [0, 'acme: all handed over\n']);
    assert.match(await us.arrived('first'), /^Received: from backup\.example\.test/m);
  });

  test('a forged one that we took passes, too: the primary believes us', async () => {
    await us.send(STRANGER, 'forged');
    await us.arrived('forged');
  });

  test('it is no relay for us, and refuses users that it does not have', async () => {
    // Our word stands in front of what decides about relaying: it has to decide itself.
    await us.onPrimary(
      'cp /etc/postfix/main.cf /tmp/main.cf; postconf -e smtpd_relay_restrictions=; postfix reload',
    );
    const recipients = ['joe@live.test', 'nobody@example.test', 'u@example.test'];
    const { rcpt } = await us.say('backup', '192.0.2.10', recipients, 'straight');
    assert.match(rcpt[0] ?? '', /^554 5\.7\.1 .*Relay access denied/);
    assert.match(rcpt[1] ?? '', /^550 5\.1\.1 /);
    assert.match(rcpt[2] ?? '', /^250 /);
    await us.onPrimary('cp /tmp/main.cf /etc/postfix/main.cf; postfix reload');
  });

  test('undone, nothing of it is left, and the next mail is refused again', async () => {
    await us.onPrimary('sh /srv/lab/postfix/trust.sh undo; sh /srv/lab/postfix/trust.sh undo');
    const left = await us.onPrimary(
      'postconf -n | diff /tmp/before - || true; ls /etc/postfix/*.cidr 2>/dev/null || true',
    );
    assert.equal(left, '');
    await us.send(OWN, 'second');
    assert.match(await us.refusal(), SPF_FAIL);
    assert.equal(us.find('second'), undefined);
  });
});

describe('a Postfix with strict SPF, that takes XCLIENT from us', () => {
  let us: Strict;

  before(async () => {
    us = await Strict.up(postfix('primary'), 'example.test');
    await us.onPrimary(STRICT_POSTFIX);
    await us.start();
  });
  after(() => us?.close());

  /** As the host `from`, by a client of its own: mail of which the client is said to be `client`. */
  const handed = async (from: Host, client: string, recipient = 'u@example.test'): Promise<string> => {
    const words = `--server 192.0.2.10 --ehlo backup.example.test --from friend@strict.example.test --to ${recipient}`;
    const { stdout, stderr } = await us.lab.exec(from, [
      'swaks',
      ...words.split(' '),
      '--xclient-addr',
      client,
    ]);
    return stdout + stderr;
  };

  test('without the settings it offers none', async () => {
    assert.match(await handed('backup', '192.0.2.30'), /Host did not advertise XCLIENT/i);
  });

  test('with them SPF is that of the client that is named; nobody else may name one, and nothing is relayed', async () => {
    const made = generatePrimary(
      {
        site: { name: 'acme', domains: ['example.test'], collect: { kind: 'push' }, passClient: 'xclient' },
        hostname: 'backup.example.test',
        origin: { by: 'said', addresses: ['192.0.2.20'] },
        helo: 'usual',
      },
      { for: 'postfix' },
    );
    assert.ok(made.kind === 'ok');
    await us.onPrimary(`mkdir -p ${INSIDE}/x`);
    for (const { path, text } of made.files) us.lab.write(`x/${path}`, text);
    await us.onPrimary(`sh ${INSIDE}/x/trust.sh apply`);
    const named = await handed('backup', '192.0.2.30');
    assert.match(named, /<- {2}250 2\.0\.0 Ok: queued/);
    assert.equal(
      named.match(/250[- ]XCLIENT/g)?.length,
      1,
      'it is offered once in a connection, so one client can be named',
    );
    assert.match(await handed('backup', '192.0.2.53'), /550 5\.7\.23 .*SPF fail.*;ip=192\.0\.2\.53;/);
    assert.match(await handed('backup', '192.0.2.30', 'joe@live.test'), /554 5\.7\.1 .*Relay access denied/);
    assert.match(await handed(STRANGER, '192.0.2.30'), /Host did not advertise XCLIENT/i);
    await us.onPrimary(`sh ${INSIDE}/x/trust.sh undo`);
    assert.equal(await us.onPrimary('postconf -n | diff /tmp/before -'), '');
  });
});
