import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { MINUTE } from '../../base/clock.ts';
import { silent } from '../../base/log.ts';
import type { Conversation } from '../engine.ts';
import { Crowd, type CrowdLimits } from './crowd.ts';

function world(more: Partial<CrowdLimits> = {}) {
  const clock = new SimClock();
  const isPeer = (address: string) => address === '198.51.100.7';
  const crowd = new Crowd({ connections: 100, perClient: 50, isPeer, clock, log: silent, ...more });
  const stopped: string[] = [];
  const leaves = new Map<string, () => void>();
  let next = 0;
  /** Why not; or it is in. */
  const come = (address: string): string | undefined => {
    const why = crowd.full(address);
    if (why !== undefined) return why;
    const name = `${address} ${next++}`;
    const conversation: Conversation = {
      done: Promise.resolve(),
      stop: () => void stopped.push(name),
      destroy() {},
    };
    leaves.set(name, crowd.enter(address, conversation));
    return undefined;
  };
  return { clock, crowd, come, stopped, leaves };
}

describe('a crowd', () => {
  test('takes so many of a client, an IPv6 /64 being one, and goes on when they have left', () => {
    const { come, leaves } = world({ perClient: 2 });
    for (const address of ['192.0.2.1', '2001:db8::1']) {
      assert.equal(come(address), undefined);
      assert.equal(come(address), undefined);
      assert.equal(come(address), 'too many connections of this client');
    }
    assert.equal(come('2001:db8::2'), 'too many connections of this client');
    assert.equal(come('2001:db8:0:1::1'), undefined);
    for (const leave of leaves.values()) leave();
    assert.equal(come('192.0.2.1'), undefined);
  });

  test('takes so many of a network', () => {
    const { come } = world({ perNetwork: 3 });
    for (let i = 0; i < 3; i++) assert.equal(come(`192.0.2.${i}`), undefined);
    assert.equal(come('192.0.2.9'), 'too many connections of this network');
    assert.equal(come('192.0.3.9'), undefined);
    for (let i = 0; i < 3; i++) assert.equal(come(`2001:db8:0:${i}::1`), undefined);
    assert.equal(come('2001:db8:0:9::1'), 'too many connections of this network');
  });

  test('keeps what is left for others, when one network has nearly all', () => {
    const { come } = world();
    for (let i = 0; i < 90; i++) assert.equal(come(`192.0.2.${i}`), undefined);
    assert.equal(come('192.0.2.200'), 'its network has its share of what is left');
    for (let i = 0; i < 5; i++) assert.equal(come(`203.0.113.${i}`), undefined);
    assert.equal(come('203.0.113.5'), 'its network has its share of what is left');
    assert.equal(come('198.51.100.7'), undefined, 'a peer has no share');
    assert.equal(come('127.0.0.1'), undefined, 'loopback has no share');
    for (let i = 0; i < 3; i++) assert.equal(come(`192.0.${10 + i}.1`), undefined);
    assert.equal(come('198.51.100.7'), 'too many connections');
  });

  test('asks the oldest of the network that has most to end, for each that comes in when little is left', async () => {
    const { clock, come, stopped } = world();
    come('198.51.100.7');
    come('203.0.113.1');
    for (let i = 0; i < 89; i++) come(`192.0.2.${i}`);
    assert.equal(come('203.0.113.2'), undefined);
    assert.deepEqual(stopped, [], 'who has just come is let be');
    await clock.advance(MINUTE);
    come('203.0.113.3');
    come('203.0.113.4');
    assert.deepEqual(stopped, ['192.0.2.0 2', '192.0.2.1 3']);
  });

  test('asks the oldest stranger, where no network has more than its share', async () => {
    const { clock, come, stopped } = world();
    come('198.51.100.7');
    for (let i = 0; i < 90; i++) come(`192.0.${i}.1`);
    await clock.advance(MINUTE);
    come('203.0.113.3');
    come('203.0.113.4');
    assert.deepEqual(stopped, ['192.0.0.1 1', '192.0.1.1 2']);
  });
});
