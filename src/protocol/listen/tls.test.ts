import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, connect as dial, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { type Fields, silent } from '../../base/log.ts';
import { type CertificateFiles, POLL, TlsContexts } from './tls.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'restante-tls-'));
});
after(() => rm(folder, { recursive: true }));

async function certificate(name: string, file: string): Promise<CertificateFiles> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
  });
  const files = { cert: join(folder, `${file}.crt`), key: join(folder, `${file}.key`) };
  // By rename, as certbot and its like do.
  for (const [path, text] of [
    [files.cert, made.cert],
    [files.key, made.private],
  ] as const) {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
  return files;
}

async function contexts(certificates: readonly CertificateFiles[], place = folder) {
  const clock = new SimClock();
  const errors: Fields[] = [];
  const log = { ...silent, error: (_: string, fields: Fields = {}) => errors.push(fields) };
  const tls = await TlsContexts.open({
    certificates,
    folder: place,
    hostname: 'mx2.example',
    clock,
    log: { ...log, child: () => silent },
  });
  return { tls, clock, errors };
}

/** The name in the certificate that a client sees, or its handshake error. */
async function shown(tls: TlsContexts, servername?: string, maxVersion?: 'TLSv1.1'): Promise<string> {
  const server: Server = createServer((socket) => {
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: tls.context(),
      SNICallback: (name, done) => done(null, tls.context(name)),
    });
    secure.on('error', () => {});
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const at = server.address();
  const socket = dial(typeof at === 'object' && at ? at.port : 0, '127.0.0.1');
  try {
    return await new Promise((resolve) => {
      const secure = connect(
        {
          socket,
          rejectUnauthorized: false,
          ...(servername && { servername }),
          ...(maxVersion && { maxVersion, minVersion: maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' }),
        },
        () => resolve(new X509Certificate(secure.getPeerCertificate().raw).subject),
      );
      secure.on('error', (error) => resolve(`failed: ${error.message}`));
    });
  } finally {
    socket.destroy();
    server.close();
  }
}

async function untilIdle(clock: SimClock): Promise<void> {
  // The poll does real file I/O between two timers.
  for (let i = 0; i < 200 && clock.armed === 0; i++) await new Promise((wake) => setTimeout(wake, 5));
}

describe('certificates', () => {
  test('are chosen by the name that the client asks for; the first without or with an unknown one', async () => {
    const { tls } = await contexts([
      await certificate('one.example', 'a1'),
      await certificate('two.example', 'a2'),
    ]);
    assert.ok(tls instanceof TlsContexts);
    assert.equal(await shown(tls, 'two.example'), 'CN=two.example');
    assert.equal(await shown(tls, 'one.example'), 'CN=one.example');
    assert.equal(await shown(tls, 'other.example'), 'CN=one.example');
    assert.equal(await shown(tls), 'CN=one.example');
    tls.close();
  });

  test('are read again when their files change', async () => {
    const files = await certificate('old.example', 'b');
    const { tls, clock, errors } = await contexts([files]);
    assert.ok(tls instanceof TlsContexts);
    await certificate('new.example', 'b');
    assert.equal(await shown(tls), 'CN=old.example');
    await clock.advance(POLL);
    await untilIdle(clock);
    assert.equal(await shown(tls), 'CN=new.example');
    assert.deepEqual(errors, []);
    tls.close();
  });

  test('that cannot be read leave the old ones in use and are said once', async () => {
    const files = await certificate('kept.example', 'c');
    const { tls, clock, errors } = await contexts([files]);
    assert.ok(tls instanceof TlsContexts);
    await writeFile(files.cert, 'rubbish');
    for (let i = 0; i < 3; i++) {
      await clock.advance(POLL);
      await untilIdle(clock);
    }
    assert.equal(await shown(tls), 'CN=kept.example');
    assert.equal(errors.length, 1);
    await certificate('well.example', 'c');
    await clock.advance(POLL);
    await untilIdle(clock);
    assert.equal(await shown(tls), 'CN=well.example');
    tls.close();
  });

  test('that are missing at the start are an answer that names the file', async () => {
    const { tls } = await contexts([{ cert: join(folder, 'no.crt'), key: join(folder, 'no.key') }]);
    assert.ok('kind' in tls && tls.why.includes('no.crt'));
  });

  test('a list can be replaced', async () => {
    const { tls } = await contexts([await certificate('one.example', 'd1')]);
    assert.ok(tls instanceof TlsContexts);
    assert.equal(await tls.reload([await certificate('two.example', 'd2')]), null);
    assert.equal(await shown(tls), 'CN=two.example');
    assert.notEqual(await tls.reload([{ cert: 'no', key: 'no' }]), null);
    assert.equal(await shown(tls), 'CN=two.example');
    tls.close();
  });

  test('without any, a self-signed one is made once, kept, and readable by us alone', async () => {
    const place = join(folder, 'own');
    const first = await contexts([], place);
    assert.ok(first.tls instanceof TlsContexts);
    assert.equal(await shown(first.tls), 'CN=mx2.example');
    const facts = await stat(join(place, 'self-signed.pem'));
    assert.equal(facts.mode & 0o777, 0o600);
    const second = await contexts([], place);
    assert.ok(second.tls instanceof TlsContexts);
    assert.equal((await stat(join(place, 'self-signed.pem'))).mtimeMs, facts.mtimeMs);
    first.tls.close();
    second.tls.close();
  });

  test('nothing below TLS 1.2 is spoken', async () => {
    const { tls } = await contexts([await certificate('one.example', 'e')]);
    assert.ok(tls instanceof TlsContexts);
    assert.match(await shown(tls, undefined, 'TLSv1.1'), /^failed/);
    tls.close();
  });
});
