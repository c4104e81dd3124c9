import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { matches } from '../../auth/secret.ts';
import { keyPath, readSecrets } from '../../auth/store.ts';
import { run } from './program.ts';
import type { Ask, Terminal } from './terminal.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'cli-secret-'));
const FILE = join(folder, 'restante.yaml');
const SECRETS = join(folder, 'spool/secrets');
const SITES =
  'sites: { acme: { domains: [acme.example] }, b: { domains: [b.example], logins: [acme, spare] } }';
fs.writeFileSync(FILE, `hostname: mx2.example.net\nspool: spool\n${SITES}\n`);

after(() => fs.rmSync(folder, { recursive: true }));
beforeEach(() => {
  fs.rmSync(join(folder, 'spool'), { recursive: true, force: true });
  fs.mkdirSync(join(folder, 'spool'), { mode: 0o700 });
});

/** Runs `restante …`; `typed` is what a person types, or, for one line, what comes by a pipe. */
async function restante(line: string, ...typed: string[]) {
  const done = { exit: 0, out: '', err: '' };
  const ask: Ask = { person: typed.length > 1, hidden: async () => typed.shift() ?? null };
  const terminal: Terminal = {
    out: (text) => void (done.out += String(text)),
    err: (text) => void (done.err += text),
    tty: false,
    columns: 80,
    colour: false,
    now: () => Date.now(),
    drained: async () => {},
    ask,
  };
  done.exit = await run({ terminal, env: { RESTANTE_CONFIG: FILE }, version: '1' }, line.split(' '));
  return done;
}

function kept(name: string) {
  const read = readSecrets(SECRETS);
  const secret = read.kind === 'ok' ? read.kept.secrets.get(name) : undefined;
  assert.ok(secret);
  return secret;
}

describe('restante secret', () => {
  test('set asks a person twice, and takes a line from a pipe', async () => {
    assert.deepEqual(await restante('secret set acme', 'open sesame', 'open sesame'), {
      exit: 0,
      out: 'acme: set\n',
      err: '',
    });
    assert.ok(await matches('open sesame', kept('acme').scrypt));
    assert.equal((await restante('secret set acme', 'from a pipe')).exit, 0);
    assert.ok(await matches('from a pipe', kept('acme').scrypt));
    assert.equal(kept('acme').sealed, undefined);
    assert.ok(!fs.existsSync(keyPath(SECRETS)));
  });

  test('two different answers, none, or a short one change nothing', async () => {
    for (const typed of [['open sesame', 'open barley'], [], ['short']]) {
      const { exit, err } = await restante('secret set acme', ...typed);
      assert.equal(exit, 1, err);
      assert.doesNotMatch(err, /sesame|barley|: short/);
    }
    assert.deepEqual(fs.readdirSync(join(folder, 'spool')), []);
  });

  test('--generate makes one and prints it once; --cram keeps it recoverably', async () => {
    const { out, err } = await restante('secret set acme --generate --cram');
    assert.match(out, /^[a-zA-Z2-9]{24}\n$/);
    assert.match(err, /not shown again/);
    assert.ok(await matches(out.trim(), kept('acme').scrypt));
    assert.ok(kept('acme').sealed);
    const { login, sites, cram, password } = JSON.parse(
      (await restante('secret set acme --generate --json')).out,
    );
    assert.deepEqual([login, sites, cram, password.length], ['acme', ['acme', 'b'], false, 24]);
  });

  test('--password-file takes the first line', async () => {
    const file = join(folder, 'password');
    fs.writeFileSync(file, 'open sesame\nmore\n');
    assert.equal((await restante(`secret set acme --password-file ${file}`)).exit, 0);
    assert.ok(await matches('open sesame', kept('acme').scrypt));
    assert.equal((await restante(`secret set acme --generate --password-file ${file}`)).exit, 2);
    assert.equal((await restante('secret set acme --password-file /nowhere')).exit, 1);
  });

  test('list tells logins and their sites; remove removes', async () => {
    assert.equal((await restante('secret list')).out, 'no secrets\n');
    await restante('secret set acme --generate --cram');
    const { err } = await restante('secret set lost --generate');
    assert.match(err, /belongs to no site yet/);
    assert.equal((await restante('secret list')).out, 'acme  acme, b; CRAM-MD5 too\nlost  no site\n');
    assert.deepEqual(JSON.parse((await restante('secret list --json')).out)[1], {
      login: 'lost',
      sites: [],
      cram: false,
    });
    assert.equal((await restante('secret remove lost')).out, 'lost: removed\n');
    assert.equal((await restante('secret remove lost')).exit, 1);
  });

  test('check warns of a login that belongs to no site, and is content all the same', async () => {
    await restante('secret set lost --generate');
    const { exit, out, err } = await restante('check');
    assert.equal(exit, 0);
    assert.match(out, /: good: 2 sites/);
    assert.match(err, /warning: the login "lost" has a secret, and belongs to no site/);
    fs.chmodSync(SECRETS, 0o644);
    assert.match((await restante('check')).err, /warning: secrets cannot be used: .*chmod 600/);
    assert.equal((await restante('secret list')).exit, 1);
  });

  test('used wrongly is 2', async () => {
    for (const line of ['secret', 'secret set', 'secret set a\x01b', 'secret set acme open-sesame']) {
      assert.equal((await restante(line)).exit, 2, line);
    }
  });
});
