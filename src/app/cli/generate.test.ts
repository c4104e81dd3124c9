import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from './program.ts';
import type { Terminal } from './terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'generate-'));
const FILE = join(folder, 'restante.yaml');
writeFileSync(
  FILE,
  'hostname: mx2.example.net\nspool: .\nsites: { leaf: { domains: [leaf.example] }, named: { domains: [named.example], pass_client: xclient } }\n',
);

async function restante(line: string): Promise<{ exit: number; out: string; err: string }> {
  const done = { exit: 0, out: '', err: '' };
  const terminal: Terminal = {
    out: (text) => void (done.out += typeof text === 'string' ? text : Buffer.from(text).toString()),
    err: (text) => void (done.err += text),
    tty: false,
    columns: 80,
    colour: false,
    now: () => 0,
    drained: async () => {},
  };
  const context = { terminal, env: { RESTANTE_CONFIG: FILE }, version: '1' };
  done.exit = await run(context, line.split(' '));
  return done;
}
const mode = (name: string): number => statSync(join(folder, name)).mode & 0o777;

describe('generate', () => {
  test('writes the files with their modes, prints their names and three steps, and no password', async () => {
    const { exit, out } = await restante(`generate uucp leaf --dir ${folder}/a`);
    assert.equal(exit, 0);
    assert.equal(mode('a/far/etc/call'), 0o600);
    assert.equal(mode('a/near/install.sh'), 0o755);
    assert.match(out, /^1\. .*\n2\. .*\n3\. .*\n$/m);
    const password = readFileSync(join(folder, 'a/far/etc/call'), 'utf8').trim().split(' ')[2] ?? '';
    assert.match(password, /^[a-z2-9]{20}$/);
    assert.ok(!out.includes(password));
    const names = readdirSync(join(folder, 'a'), { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      names.filter((name) => name.endsWith('.part')),
      [],
    );
  });

  test('overwrites nothing without --force, and makes a new password with it', async () => {
    const call = join(folder, 'b/far/etc/call');
    await restante(`generate uucp leaf --dir ${folder}/b`);
    const before = readFileSync(call, 'utf8');
    const again = await restante(`generate uucp leaf --dir ${folder}/b`);
    assert.deepEqual([again.exit, readFileSync(call, 'utf8')], [1, before]);
    assert.match(again.err, /is there already, and \d+ others: --force overwrites/);
    const forced = await restante(`generate uucp leaf --dir ${folder}/b --force --json`);
    assert.equal(forced.exit, 0);
    assert.notEqual(readFileSync(call, 'utf8'), before);
    const { files } = JSON.parse(forced.out) as { files: { path: string; mode: string }[] };
    assert.deepEqual(
      files.find(({ path }) => path === call),
      { path: call, mode: '0600' },
    );
  });

  test('a site that is not there, or a wish that cannot be met, writes nothing', async () => {
    assert.match((await restante(`generate uucp nobody --dir ${folder}/c`)).err, /there is no site nobody/);
    const wrong = await restante(`generate uucp leaf --over avian --dir ${folder}/c`);
    assert.deepEqual(
      [wrong.exit, wrong.err],
      [2, 'restante: --over avian: tcp, ssh or pipe can stand here\n'],
    );
    assert.equal((await restante('generate uucp leaf')).exit, 2);
    const keys = await restante(
      `generate nncp leaf --near-keys ${FILE} --far-keys ${FILE} --dir ${folder}/c`,
    );
    assert.match(keys.err, /no keys are found in it/);
    assert.throws(() => statSync(join(folder, 'c')));
  });

  test('primary: whether clients are named is the site’s word', async () => {
    for (const [site, expected] of [
      ['leaf', false],
      ['named', true],
    ] as const) {
      await restante(`generate primary ${site} --for postfix --from 192.0.2.20 --dir ${folder}/${site}`);
      const script = readFileSync(join(folder, site, 'trust.sh'), 'utf8');
      assert.equal(script.includes('smtpd_authorized_xclient_hosts'), expected);
    }
  });

  test('primary: by addresses that were said; a name without any says what to say', async () => {
    const line = `generate primary leaf --for postfix --dir ${folder}/d`;
    const asked =
      'hostname: mx2.example.net\nspool: .\nresolver: ["127.0.0.1:1"]\nsites: { leaf: { domains: [leaf.example] } }\n';
    writeFileSync(join(folder, 'unreachable.yaml'), asked);
    const unknown = await restante(`${line} -c ${folder}/unreachable.yaml`);
    assert.equal(unknown.exit, 1);
    assert.match(unknown.err, /mx2\.example\.net cannot be looked up \(.+\): say by --from ADDRESS/);
    const wrong = await restante(`${line} --from mx2`);
    assert.deepEqual([wrong.exit, wrong.err], [2, 'restante: --from mx2: an IP address is expected\n']);
    const { exit, out } = await restante(`${line} --from 192.0.2.20 --from ::ffff:192.0.2.21`);
    assert.equal(exit, 0);
    assert.match(out, /^1\. .*sh trust\.sh apply$/m);
    assert.equal(mode('d/trust.sh'), 0o755);
    assert.match(readFileSync(join(folder, 'd/mx2.example.net.cidr'), 'utf8'), /^192\.0\.2\.21\/32 /m);
    const again = await restante(`${line} --from 192.0.2.20`);
    assert.match(again.err, /trust\.sh is there already, and 2 others: --force overwrites\n$/);
  });
});
