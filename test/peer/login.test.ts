/**
 * Logins with real clients, over and without TLS: swaks, and msmtp with GNU SASL for SCRAM; against the whole server on loopback, with secrets
 * that `restante secret` made. No lab: one host is enough.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Daemon } from '../support/daemon.ts';

const SWAKS = '/usr/bin/swaks';
const MSMTP = '/usr/bin/msmtp';
const PASSWORD = 'correct horse, battery';
const SITES = `sites:
  acme: { domains: [acme.example], logins: [acme, acme.example], recipients: any, primary: "127.0.0.1:9" }
  other: { domains: [other.example], logins: [acme.example], recipients: any, primary: "127.0.0.1:9" }`;

describe('real clients log in', () => {
  let daemon: Daemon;
  let file: string;

  before(async () => {
    for (const program of [SWAKS, MSMTP]) {
      assert.ok(existsSync(program), `${program} is missing: see the README's line of packages`);
    }
    daemon = await Daemon.make(SITES);
    mkdirSync(join(daemon.folder, 'spool'), { mode: 0o700 });
    file = join(daemon.folder, 'password');
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    for (const line of [
      ['set', 'acme', '--password-file', file, '--cram'],
      ['set', 'acme.example', '--password-file', file],
    ]) {
      const { code, err } = await daemon.command('secret', ...line);
      assert.equal(code, 0, err);
    }
    await daemon.start();
  });
  after(() => daemon?.remove());

  function swaks(mechanism: string, user: string, ...more: string[]): Promise<{ code: number; out: string }> {
    const to = ['--server', `127.0.0.1:${daemon.port}`, '--helo', 'home.acme.example', '--timeout', '20'];
    const mail = ['--from', 'joe@acme.example', '--to', 'joe@acme.example'];
    const auth = ['--auth', mechanism, '--auth-user', user, '--auth-password', PASSWORD];
    return new Promise((done) => {
      execFile(SWAKS, [...to, ...mail, ...auth, ...more], (fault, out) => {
        done({ code: typeof fault?.code === 'number' ? fault.code : 0, out });
      });
    });
  }

  for (const [way, options, protocol] of [
    ['in clear, from loopback', [], 'ESMTPA'],
    ['over TLS', ['--tls'], 'ESMTPSA'],
  ] as const) {
    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      test(`swaks by ${mechanism} ${way}; the mail is accepted and says so`, async () => {
        const from = daemon.log.length;
        const { code, out } = await swaks(mechanism, 'acme', ...options);
        assert.equal(code, 0, out);
        assert.match(out, / 235 2\.7\.0 /);
        const login = await daemon.event('login', from);
        assert.deepEqual([login.login, login.mechanism, login.sites], ['acme', mechanism, ['acme']]);
        const accepted = await daemon.event('mail accepted', from);
        assert.deepEqual([accepted.login, accepted.protocol], ['acme', protocol]);
      });
    }
  }

  function msmtp(password: string): Promise<{ code: number; out: string }> {
    writeFileSync(join(daemon.folder, 'given'), `${password}\n`);
    const to = [
      '--host=127.0.0.1',
      `--port=${daemon.port}`,
      '--domain=home.acme.example',
      '--file=/dev/null',
    ];
    const auth = [
      '--auth=scram-sha-256',
      '--user=acme',
      `--passwordeval=cat ${join(daemon.folder, 'given')}`,
    ];
    return new Promise((done) => {
      const child = execFile(
        MSMTP,
        [...to, ...auth, '--tls=off', '--from=joe@acme.example', 'joe@acme.example'],
        (fault, out, err) => done({ code: typeof fault?.code === 'number' ? fault.code : 0, out: out + err }),
      );
      child.stdin?.end('Subject: by SCRAM\r\n\r\nhello\r\n');
    });
  }

  test('msmtp by SCRAM-SHA-256 in clear: both ends prove themselves', async () => {
    const from = daemon.log.length;
    const { code, out } = await msmtp(PASSWORD);
    assert.equal(code, 0, out);
    const login = await daemon.event('login', from);
    assert.deepEqual([login.login, login.mechanism, login.tls], ['acme', 'SCRAM-SHA-256', false]);
    assert.equal((await daemon.event('mail accepted', from)).login, 'acme');
    assert.notEqual((await msmtp('wrong password')).code, 0);
  });

  test('one login serves several sites', async () => {
    const from = daemon.log.length;
    const { code, out } = await swaks('PLAIN', 'acme.example', '--tls');
    assert.equal(code, 0, out);
    assert.deepEqual((await daemon.event('login', from)).sites, ['acme', 'other']);
  });

  test('a wrong password is 535, and CRAM-MD5 for a name that was set without it', async () => {
    for (const [mechanism, user, password] of [
      ['PLAIN', 'acme', 'wrong password'],
      ['CRAM-MD5', 'acme.example', PASSWORD],
      ['LOGIN', 'nobody', PASSWORD],
    ] as const) {
      const { code, out } = await swaks(mechanism, user, '--auth-password', password);
      assert.equal(code, 28, out);
      assert.match(out, /535 5\.7\.8 /);
    }
  });

  test('the log has neither the password nor a response', () => {
    assert.ok(daemon.log.includes('"event":"login refused"'));
    assert.ok(!daemon.log.includes(PASSWORD));
    assert.ok(!daemon.log.includes(Buffer.from(`\0acme\0${PASSWORD}`).toString('base64')));
  });
});
