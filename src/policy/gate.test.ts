import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check, Watch } from './check.ts';
import { Findings } from './findings.ts';
import { Gate } from './gate.ts';
import { ACCEPT, defer, type Verdict } from './verdict.ts';

const VISIT = {
  peer: { address: '198.51.100.7', port: 4000, localAddress: '192.0.2.25', localPort: 25 },
  trusted: false,
};
const ASKING = {
  mail: { sender: 'a@b.example', body: '7bit', smtputf8: false },
  manner: { helo: 'b.example', esmtp: true },
  findings: new Findings(),
} as const;
const LATER = defer(451, '4.7.1', 'Later', 'a test');
const OTHER = defer(451, '4.7.1', 'Other', 'another test');

function gateOf(...watches: (Watch | undefined)[]) {
  const checks = watches.map((watch, i): Check => ({ name: `check ${i}`, begin: () => watch }));
  return new Gate(checks).begin(VISIT);
}

describe('the gate', () => {
  test('without checks lets pass, at once', () => {
    assert.equal(gateOf().mail(ASKING), ACCEPT);
    assert.equal(gateOf(undefined, {}).connect(), ACCEPT);
  });

  test('the first refusal counts, and later checks are not asked', async () => {
    const asked: number[] = [];
    const says = (n: number, verdict: Verdict | Promise<Verdict>): Watch => ({
      mail: () => {
        asked.push(n);
        return verdict;
      },
    });
    const soon = (verdict: Verdict) => Promise.resolve(verdict);
    assert.equal(gateOf(says(1, ACCEPT), says(2, LATER), says(3, OTHER)).mail(ASKING), LATER);
    assert.deepEqual(asked.splice(0), [1, 2]);
    assert.equal(await gateOf(says(1, soon(ACCEPT)), says(2, LATER), says(3, OTHER)).mail(ASKING), LATER);
    assert.deepEqual(asked.splice(0), [1, 2]);
    assert.equal(await gateOf(says(1, soon(OTHER)), says(2, LATER)).mail(ASKING), OTHER);
    assert.deepEqual(asked.splice(0), [1]);
    assert.equal(await gateOf(says(1, ACCEPT), says(2, soon(ACCEPT)), says(3, ACCEPT)).mail(ASKING), ACCEPT);
    assert.deepEqual(asked, [1, 2, 3]);
  });

  test('all hear of a refusal and of the end', () => {
    const heard: string[] = [];
    const listens = (name: string): Watch => ({
      refused: (refusal) => void heard.push(`${name} ${refusal.why}`),
      closed: () => void heard.push(`${name} closed`),
    });
    const visit = gateOf(listens('a'), {}, listens('b'));
    visit.refused(LATER);
    visit.closed();
    assert.deepEqual(heard, ['a a test', 'b a test', 'a closed', 'b closed']);
  });
});
