import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SiteView } from '../../operate/api/contract.ts';
import { judge, type Watch } from './wait.ts';

const NOW = Date.UTC(2026, 0, 5, 12);
const view = (more: Partial<SiteView>): SiteView => ({
  site: 'acme',
  state: 'up',
  reason: null,
  since: null,
  queued: 10,
  held: 0,
  deferred: 0,
  bytes: 0,
  oldest: null,
  nextProbe: null,
  until: null,
  rate: 0,
  estimate: null,
  connections: 0,
  host: null,
  wary: false,
  ...more,
});
const watch = (): Watch => ({ started: NOW, moved: NOW, left: 10 });
const after = (ms: number) => new Date(NOW + ms).toISOString();

test('a queue is done when only held mail is left', () => {
  const done = { exit: 0, text: 'acme: all handed over' };
  assert.deepEqual(judge(view({ queued: 3, held: 3 }), watch(), NOW + 1), done);
});

test('a site is given up only after the probe that was asked for has been in vain', () => {
  const down = { state: 'down', reason: 'refused', nextProbe: after(4000) } as const;
  assert.equal(judge(view(down), watch(), NOW + 500), null, 'the probe may not have begun');
  assert.equal(judge(view({ ...down, connections: 1 }), watch(), NOW + 3000), null, 'it runs');
  assert.equal(judge(view({ ...down, nextProbe: after(3000) }), watch(), NOW + 3000), null, 'it is due');
  const vain = { exit: 1, text: 'acme: still down: refused; 10 mails left' };
  assert.deepEqual(judge(view(down), watch(), NOW + 3000), vain);
});

test('a queue in which nothing moves for two minutes is left alone, a slow one is not', () => {
  const slow = watch();
  assert.equal(judge(view({ queued: 9 }), slow, NOW + 100_000), null);
  assert.equal(judge(view({ queued: 9 }), slow, NOW + 200_000), null);
  const late = judge(view({ queued: 9 }), slow, NOW + 230_000);
  assert.match(late?.text ?? '', /nothing moves any more; 9 mails left/);
});
