import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE, SECOND } from '../base/clock.ts';
import { parseConfig } from './load.ts';

const parse = (more: string) =>
  parseConfig(`hostname: mx2.example.net\nsites: { a: { domains: [a.example] } }\n${more}`, '/none/x.yaml');
function conduct(more: string) {
  const loaded = parse(more);
  assert.ok(loaded.kind === 'ok', JSON.stringify(loaded));
  return loaded.config.conduct;
}
function problems(more: string): string[] {
  const loaded = parse(more);
  return loaded.kind === 'bad' ? loaded.problems.map((p) => `${p.line}: ${p.text}`) : [];
}

describe('conduct', () => {
  test('is watched by default, but for the greylist and the limits of sites', () => {
    const { greetingDelay, helo, rates, greylist } = conduct('');
    assert.deepEqual([greetingDelay, helo, greylist.everywhere], [2 * SECOND, 'usual', false]);
    assert.deepEqual(rates.client.mails, { count: 1800, span: HOUR });
    assert.deepEqual(rates.site, {});
  });

  test('as it is written', () => {
    const { greetingDelay, helo, rates, greylist, allow, networkBits } = conduct(`
greeting_delay: none
helo: strict
greylist: { delay: 10m, first_mx: ["2001:DB8::1"] }
limits:
  allow: [192.0.2.0/24]
  network_bits: { ipv4: 20 }
  client: { mails: none, bytes: 1.5 MB/m, errors: 10/s }
  site: { recipients: 1000/d }
`);
    assert.deepEqual([greetingDelay, helo], [0, 'strict']);
    const usual = { everywhere: true, retry: 2 * DAY, keep: 35 * DAY, trustAfter: 5 };
    assert.deepEqual(greylist, { ...usual, delay: 10 * MINUTE, firstMx: ['2001:db8::1'] });
    assert.deepEqual(allow, ['192.0.2.0/24']);
    assert.deepEqual(networkBits, { ipv4: 20, ipv6: 48 });
    assert.equal('mails' in rates.client, false);
    assert.deepEqual(rates.client.bytes, { count: 1_500_000, span: MINUTE });
    assert.deepEqual(rates.client.errors, { count: 10, span: SECOND });
    assert.deepEqual(rates.site, { recipients: { count: 1000, span: DAY } });
  });

  const bad: [written: string, said: RegExp][] = [
    ['limits: { client: { mails: 600 } }', /^3: limits\.client\.mails: a rate such as 100\/m/],
    ['limits: { client: { mails: 6MB/h } }', /"6MB\/h" is no rate/],
    ['limits: { client: { bytes: 5/w } }', /"5\/w" is no rate/],
    ['limits: { client: { mals: 5/h } }', /did you mean "mails"/],
    ['greeting_delay: 31s', /at most 30s/],
    ['helo: strikt', /did you mean "strict"/],
    ['greylist: { delay: 30m, retry: 20m }', /greylist\.retry: is not above delay/],
    ['greylist: { delay: 2h }', /greylist\.delay: is too long/],
  ];
  for (const [written, said] of bad) {
    test(`${written}: is refused with a reason`, () => assert.match(problems(written).join('\n'), said));
  }
});
