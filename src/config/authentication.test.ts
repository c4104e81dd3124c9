import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { showProblem } from './config.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'authentication-'));
const FILE = join(folder, 'restante.yaml');
const { privateKey } = generateKeyPairSync('ed25519');
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
writeFileSync(join(folder, 'seal.pem'), PEM);
writeFileSync(join(folder, 'none.pem'), 'no key\n');

function load(authentication: string) {
  writeFileSync(
    FILE,
    `hostname: mx2.example.net\nauthentication: ${authentication}\nsites: { a: { domains: [a.example] } }\n`,
  );
  return loadConfig(FILE);
}
function good(authentication: string) {
  const loaded = load(authentication);
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  return loaded.config.authentication;
}

describe('authentication', () => {
  test('SPF alone is the usual', () => {
    assert.deepEqual(good('{}'), {
      spf: true,
      dkim: false,
      dmarc: 'off',
      arc: false,
      results: false,
      authservId: 'mx2.example.net',
      workers: 1,
    });
  });

  test('DMARC and ARC bring DKIM, and a field of ours', () => {
    for (const written of ['{ dmarc: obey }', '{ arc: true }']) {
      const { dkim, results } = good(written);
      assert.deepEqual([written, dkim, results], [written, true, true]);
    }
    assert.equal(good('{ dmarc: report, results: false }').results, false);
    const { arc, seal } = good('{ arc: { seal: { domain: example.net, selector: mx2, key: seal.pem } } }');
    assert.deepEqual([arc, seal], [true, { domain: 'example.net', selector: 'mx2', key: PEM }]);
  });

  const wrong: [string, RegExp][] = [
    ['{ dkim: false, dmarc: obey }', /2:25: authentication.dkim: DMARC needs DKIM/],
    ['{ dkim: false, arc: true }', /ARC needs DKIM/],
    ['{ spf: false, dmarc: report }', /authentication.spf: DMARC needs SPF/],
    ['{ dmarc: reject }', /"reject" is not known: off, report or obey/],
    [
      '{ arc: { seal: { domain: example.net, selector: mx2, key: none.pem } } }',
      /arc.seal.key: .* holds no private key/,
    ],
    ['{ arc: { seal: { domain: example.net, selector: mx2, key: no.pem } } }', /cannot be read \(ENOENT\)/],
  ];
  for (const [written, what] of wrong) {
    test(`${written} is told`, () => {
      const loaded = load(written);
      assert.match(loaded.kind === 'bad' ? loaded.problems.map(showProblem).join('\n') : '', what);
    });
  }
});
