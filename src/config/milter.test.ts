import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MINUTE, SECOND } from '../base/clock.ts';
import { parseConfig } from './load.ts';
import type { MilterRule } from './milter-schema.ts';

const SITES = 'hostname: mx2.example.net\nsites: { acme: { domains: [acme.example] } }\n';

function milters(yaml: string): readonly MilterRule[] | string[] {
  const loaded = parseConfig(`${SITES}${yaml}\n`, '/etc/restante.yaml');
  return loaded.kind === 'ok' ? loaded.config.milters : loaded.problems.map((problem) => problem.text);
}

describe('milters', () => {
  test('an address alone has everything as usual', () => {
    assert.deepEqual(milters('milters: [unix:/run/m.sock]'), [
      {
        name: 'unix:/run/m.sock',
        at: { kind: 'unix', path: '/run/m.sock' },
        onFailure: 'defer',
        timeouts: { connect: 30 * SECOND, command: 30 * SECOND, content: 5 * MINUTE },
        connections: 100,
        reuse: false,
        peers: 'ask',
      },
    ]);
    assert.deepEqual(milters(''), []);
  });

  test('addresses as Postfix and sendmail write them', () => {
    const at = (address: string) => {
      const [one] = milters(`milters: ["${address}"]`);
      return typeof one === 'object' ? one.at : one;
    };
    assert.deepEqual(at('local:/m'), { kind: 'unix', path: '/m' });
    assert.deepEqual(at('inet:127.0.0.1:11332'), { kind: 'inet', host: '127.0.0.1', port: 11332 });
    assert.deepEqual(at('inet:filter.example:7357'), { kind: 'inet', host: 'filter.example', port: 7357 });
    assert.deepEqual(at('inet:7357@localhost'), { kind: 'inet', host: 'localhost', port: 7357 });
    assert.deepEqual(at('inet:[2001:db8::1]:7357'), { kind: 'inet', host: '2001:db8::1', port: 7357 });
    assert.deepEqual(at('inet6:7357@[::1]'), { kind: 'inet', host: '::1', port: 7357 });
    for (const odd of [
      '/run/m.sock',
      'unix:m.sock',
      'inet:host',
      'inet:host:0',
      'inet:h:70000',
      'tcp:h:1',
      'unix:',
    ]) {
      assert.match(String(at(odd)), /: "[^"]*" is no address such as unix:/, odd);
    }
    assert.match(String(at(`unix:/${'x'.repeat(107)}`)), /is no address/);
  });

  test('what is wrong is said where it stands', () => {
    const wrong = (yaml: string) => milters(`milters: ${yaml}`).map(String).join('\n');
    assert.match(wrong('[{ at: "unix:/m", sites: [other] }]'), /there is no site "other"/);
    assert.match(wrong('["unix:/m", { at: "unix:/m" }]'), /unix:\/m stands in this list already/);
    assert.match(wrong('[{ at: "unix:/m", on_failure: reject }]'), /"reject" is not known/);
    assert.match(wrong('[{ on_failure: accept }]'), /at is missing|is missing/);
    assert.match(wrong('[{ at: "unix:/m", timeout: 3m }]'), /unknown key "timeout": did you mean "timeouts"/);
    assert.match(wrong('unix:/m'), /a list of milters is expected/);
  });

  test('what docs/milters.md shows can be written', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/milters.md'), 'utf8');
    const blocks = [...page.matchAll(/```yaml\n([\s\S]+?)\n```/g)].map(([, yaml = '']) => yaml);
    assert.equal(blocks.length, 4);
    for (const block of blocks) {
      const rules = milters(block);
      assert.ok(
        rules.length > 0 && rules.every((rule) => typeof rule === 'object'),
        rules.map(String).join('\n'),
      );
    }
  });
});
