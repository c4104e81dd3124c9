import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Line, listLog } from '../../../test/scenario/receive-harness.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { type Event, Health, type ListState, nextState } from './health.ts';

const GOOD: Event = { kind: 'test good' };
const NOTHING: Event = { kind: 'test failed', trouble: { kind: 'lists nothing', why: 'lists nothing' } };
const ALL: Event = { kind: 'test failed', trouble: { kind: 'lists everything', why: 'lists everything' } };
const LOST: Event = { kind: 'lost', trouble: { kind: 'silent', why: 'does not answer' } };

describe("a list's state", () => {
  const STATES: readonly ListState[] = ['new', 'good', 'doubtful', 'aside'];
  const after = (event: Event, failures: number) => STATES.map((state) => nextState(state, event, failures));

  test('each pair of state and event', () => {
    assert.deepEqual(after(GOOD, 0), ['good', 'good', 'good', 'good']);
    assert.deepEqual(after(NOTHING, 1), ['new', 'doubtful', 'doubtful', 'aside']);
    assert.deepEqual(after(NOTHING, 2), ['new', 'doubtful', 'doubtful', 'aside']);
    assert.deepEqual(after(NOTHING, 3), ['aside', 'aside', 'aside', 'aside']);
    assert.deepEqual(after(ALL, 1), ['aside', 'aside', 'aside', 'aside']);
    assert.deepEqual(after(LOST, 0), ['aside', 'aside', 'aside', 'aside']);
  });

  test('is told when it changes, and not again', () => {
    const lines: Line[] = [];
    const health = new Health(new SimClock(), listLog(lines));
    const told = (...events: Event[]) => {
      for (const event of events) health.happened(event);
      return lines.splice(0).map(({ level, event }) => `${level} ${event}`);
    };
    assert.deepEqual(told(GOOD, GOOD), []);
    assert.deepEqual(told(NOTHING), ['warn blocklist test failed']);
    assert.equal(health.believed, true);
    assert.deepEqual(told(NOTHING), [], 'the same reason again');
    assert.deepEqual(told(NOTHING), ['error blocklist set aside']);
    assert.equal(health.believed, false);
    assert.deepEqual(told(NOTHING, LOST, NOTHING), [], 'it is aside already');
    assert.deepEqual(told(GOOD), ['warn blocklist is back']);
    assert.deepEqual(told(NOTHING, NOTHING, GOOD, NOTHING), [
      'warn blocklist test failed',
      'warn blocklist test failed',
    ]);
    assert.deepEqual(told(GOOD, { ...GOOD, remark: 'odd' }), ['warn blocklist is peculiar']);
    assert.equal(health.reason, 'odd');
  });
});
