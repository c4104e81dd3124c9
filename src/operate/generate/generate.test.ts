import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fill, type GeneratedFile } from './bundle.ts';
import { generateNncp, type NodeKeys, readKeys } from './nncp.ts';
import { sshKey } from './uucp/ssh-key.ts';
import { type Given, generateUucp, type UucpWishes } from './uucp.ts';

let made = 0;
const GIVEN: Given = {
  site: 'leaf',
  domains: ['leaf.example', '.leaf.example'],
  hostname: 'mx2.example.net',
  config: '/etc/restante/restante.yaml',
  restante: '/opt/restante/bin/restante',
  password: () => `secret${++made}`,
  key: sshKey,
};

function uucp(wishes: UucpWishes): Map<string, GeneratedFile> {
  const bundle = generateUucp(GIVEN, wishes);
  if (bundle.kind !== 'ok') return assert.fail(bundle.why);
  return new Map(bundle.files.map((file) => [file.path, file]));
}
const text = (files: Map<string, GeneratedFile>, path: string): string =>
  files.get(path)?.text ?? assert.fail(`${path} is made`);

describe('generate uucp', () => {
  test('over TCP: the far end logs in with the password that the near end knows, and only in closed files', () => {
    const files = uucp({ over: 'tcp' });
    const [, login, password = ''] = text(files, 'far/etc/call').trim().split(' ');
    assert.equal(text(files, 'near/etc/passwd'), `${login} ${password}\n`);
    assert.match(text(files, 'near/etc/sys'), new RegExp(`^called-login ${login}$`, 'm'));
    for (const { path, mode, text } of files.values()) {
      if (text.includes(password)) assert.equal(mode, 0o600, path);
    }
  });

  test('in the usual place no program is told where the configuration is; elsewhere every one is', () => {
    const usual = [...uucp({}).values()].map((file) => file.text).join('');
    assert.doesNotMatch(usual, / -I /);
    const files = uucp({ prefix: '/srv/uucp' });
    for (const path of [
      'near/cron.txt',
      'near/inetd.txt',
      'near/listen.sh',
      'near/test.sh',
      'far/bin/to-mx2',
    ]) {
      assert.match(text(files, path), / -I \/srv\/uucp\/config/, path);
    }
    assert.match(text(files, 'near/restante.yaml'), /config: \/srv\/uucp\/config/);
  });

  test('only the far end calls, unless it has an address', () => {
    assert.match(text(uucp({}), 'near/etc/sys'), /^time never$/m);
    const files = uucp({ farAddress: 'leaf.example:541' });
    assert.match(text(files, 'near/etc/port'), /^service 541$/m);
    assert.match(text(files, 'far/etc/sys'), /^called-login Umx2$/m);
    const [peer, login, password] = text(files, 'near/etc/call').trim().split(' ');
    assert.deepEqual([peer, login], ['leaf', 'Umx2']);
    assert.equal(text(files, 'far/etc/passwd'), `${login} ${password}\n`);
  });

  test('over ssh: the key may start uucico as this site and nothing else, and there is no password', () => {
    const files = uucp({ over: 'ssh', address: 'mx2.example.net:2222' });
    const line = text(files, 'near/ssh/authorized_keys');
    assert.match(
      line,
      /^restrict,command="\/usr\/sbin\/uucico -D -u Uleaf" ssh-ed25519 AAAA\S+ uucp leaf\n$/,
    );
    assert.equal(files.get('far/ssh/key')?.mode, 0o600);
    assert.match(
      text(files, 'far/etc/port'),
      /^command \/usr\/bin\/ssh .* -p 2222 -l uucp mx2.example.net uucico$/m,
    );
    for (const name of ['near/etc/passwd', 'far/etc/call']) assert.ok(!files.has(name), name);
    for (const name of ['near/ssh/key', 'far/ssh/authorized_keys']) assert.ok(!files.has(name), name);
  });

  test('over ssh we call too, with a key of our own, if the far end has an address', () => {
    const files = uucp({ over: 'ssh', farAddress: 'leaf.example:2222' });
    assert.match(
      text(files, 'far/ssh/authorized_keys'),
      /^restrict,command="\/usr\/sbin\/uucico -D -u Umx2" ssh-ed25519 AAAA\S+ uucp mx2\n$/,
    );
    assert.equal(files.get('near/ssh/key')?.mode, 0o600);
    assert.notEqual(text(files, 'near/ssh/key'), text(files, 'far/ssh/key'));
    assert.match(
      text(files, 'near/etc/port'),
      /^command \/usr\/bin\/ssh .* -i \/etc\/uucp\/ssh-leaf -p 2222 -l uucp leaf.example uucico$/m,
    );
    assert.match(text(files, 'far/etc/sys'), /^called-login Umx2$/m);
    assert.match(text(files, 'near/systemd/restante-uucp-leaf.service'), /uucico -D -c -s leaf$/m);
    for (const name of ['near/etc/call', 'far/etc/passwd']) assert.ok(!files.has(name), name);
    const elsewhere = uucp({
      over: 'ssh',
      farAddress: 'leaf.example',
      prefix: '/srv/n',
      farPrefix: '/srv/f',
    });
    assert.match(text(elsewhere, 'near/etc/port'), /=\/srv\/n\/state\/known_hosts .* -i \/srv\/n\/ssh-leaf /);
    assert.match(text(elsewhere, 'far/etc/port'), /=\/srv\/f\/state\/known_hosts .* -i \/srv\/f\/ssh-mx2 /);
  });

  test('over a pipe the far end starts ours, and lies in a folder of its own', () => {
    const files = uucp({ over: 'pipe' });
    assert.match(text(files, 'far/etc/port'), /^command \/usr\/sbin\/uucico -D -u Uleaf$/m);
    assert.match(text(files, 'far/etc/config'), /^spool \/etc\/uucp-leaf\/spool$/m);
  });

  test('neither end gives or takes files, or lets more be run than mail needs', () => {
    for (const side of ['near', 'far']) {
      const sys = text(uucp({}), `${side}/etc/sys`);
      for (const line of [
        'send-request no',
        'remote-send !/',
        'remote-receive !/',
        'commands rmail rsmtp rcsmtp',
      ]) {
        assert.ok(sys.split('\n').includes(line), line);
      }
      assert.match(sys, /^called-login (?!ANY)/m);
    }
  });

  test('what the user chose decides for which mail servers there is glue', () => {
    const glue = (farMta?: string) =>
      [...uucp(farMta === undefined ? {} : { farMta }).keys()].filter((path) => path.startsWith('far/mta/'));
    assert.equal(glue().length, 3);
    assert.deepEqual(glue('exim'), ['far/mta/exim.txt']);
    assert.deepEqual(glue('none'), []);
  });

  const WRONG: readonly (readonly [UucpWishes, RegExp])[] = [
    [{ over: 'avian' }, /tcp, ssh or pipe/],
    [{ farMta: 'qmail' }, /postfix, exim, opensmtpd or none/],
    [{ farName: 'Leaf!x' }, /--far-name Leaf!x/],
    [{ farName: 'mx2' }, /both ends are called mx2/],
    [{ prefix: '/etc/$(id)' }, /--prefix/],
    [{ farPrefix: 'uucp' }, /--far-prefix/],
    [{ address: 'a b' }, /--address/],
    [{ address: 'mx2:99999' }, /--address/],
    [{ listen: '-x:1' }, /--listen/],
    [{ user: 'root;id' }, /--user/],
    [{ every: '5s' }, /--every/],
    [{ over: 'pipe', farAddress: 'leaf' }, /--far-address/],
    [{ over: 'pipe', prefix: '/srv/u', farPrefix: '/srv/u' }, /one machine/],
  ];
  for (const [wishes, why] of WRONG) {
    test(`${JSON.stringify(wishes)} is refused`, () => {
      const bundle = generateUucp(GIVEN, wishes);
      assert.match(bundle.kind === 'unusable' ? bundle.why : '', why);
    });
  }
});

const KEYS: NodeKeys = {
  id: 'A'.repeat(52),
  exchpub: 'B'.repeat(52),
  signpub: 'C'.repeat(52),
  noisepub: 'D'.repeat(52),
};
const SECRETS = { exchprv: 'E'.repeat(52), signprv: 'F'.repeat(103), noiseprv: 'G'.repeat(52) };

describe('generate nncp', () => {
  const nncp = (near: NodeKeys, far: NodeKeys) => {
    const bundle = generateNncp({ ...GIVEN, keys: { near, far } }, {});
    if (bundle.kind !== 'ok') return assert.fail(bundle.why);
    return new Map(bundle.files.map((file) => [file.path, file]));
  };
  const whole = { ...KEYS, secret: SECRETS };

  test('private keys stand in nncp.hjson and nowhere else; what is read from it are the same keys', () => {
    const files = nncp(whole, { ...whole, id: 'Z'.repeat(52) });
    for (const { path, mode, text } of files.values()) {
      if (text.includes(SECRETS.exchprv))
        assert.deepEqual([path.endsWith('/nncp.hjson'), mode], [true, 0o600], path);
    }
    assert.deepEqual(readKeys(text(files, 'near/nncp.hjson')), whole);
  });

  test('a node that shows only its public keys gets the neighbour alone', () => {
    const files = nncp(KEYS, { ...whole, id: 'Z'.repeat(52) });
    assert.ok(!files.has('near/nncp.hjson'));
    assert.match(text(files, 'near/neigh.hjson'), /leaf: \{\s+id: Z{52}/);
    const open = text(files, 'far/nncp.hjson').replace(/^\s*\w+prv: .*\n/gm, '');
    assert.deepEqual(readKeys(open), { ...KEYS, id: 'Z'.repeat(52) });
    assert.equal(readKeys('{ neigh: {} }'), null);
  });
});

test('a template without its value is a fault', () => {
  assert.equal(fill('@A@ a@b @B_C@', { A: '1', B_C: '2' }), '1 a@b 2');
  assert.throws(() => fill('@A@', {}), /@A@/);
});
