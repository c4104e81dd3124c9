import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemorySpool, plainEnvelope } from '../../test/support/memory-spool.ts';
import { SimClock } from '../../test/support/sim-clock.ts';
import { DAY } from '../base/clock.ts';
import { type Site, SiteDirectory } from '../site/site.ts';
import { pendingOf } from './judge.ts';
import { reroute } from './reroute.ts';

const site = (name: string, ...domains: string[]): Site => ({
  name,
  domains,
  collect: { kind: 'push' },
  primary: { kind: 'mx' },
  tls: { kind: 'may' },
  recipients: { kind: 'any' },
  whileUp: 'accept',
  passClient: 'none',
  hold: 30 * DAY,
  warn: [],
  connections: 10,
  probe: 60_000,
});
const directory = (...sites: Site[]) => new SiteDirectory(sites);
const spool = () => new MemorySpool(new SimClock());
const to = (...addresses: string[]) => ({
  envelope: { ...plainEnvelope(''), recipients: addresses.map((address) => ({ address })) },
});
const notice = { origin: { kind: 'notice', about: 'x' } as const };
const queues = (s: MemorySpool) =>
  [...s.entries.values()].map((e) => `${e.queue}${e.hold ? ` (${e.hold.kind})` : ''}`);

describe('after a reload', () => {
  const A = directory(site('a', 'a.example'), site('b', 'b.example', '.b.example'));

  test('nothing is touched when nothing changed', async () => {
    const s = spool();
    s.put('a', to('x@a.example'));
    s.find = () => assert.fail('looked through');
    assert.deepEqual(await reroute(s, A, A), { moved: 0, held: 0 });
  });

  test('entries follow their domain to another site', async () => {
    const s = spool();
    s.put('a', to('x@a.example'));
    s.put('b', to('x@b.example'));
    const after = directory(site('c', 'a.example'), site('b', 'b.example', '.b.example'));
    assert.deepEqual(await reroute(s, A, after), { moved: 1, held: 0 });
    assert.deepEqual(queues(s), ['c', 'b']);
  });

  test('with no site left they are held, and come back when one claims the domain', async () => {
    const s = spool();
    s.put('a', to('x@a.example'));
    const without = directory(site('b', 'b.example'));
    assert.deepEqual(await reroute(s, A, without), { moved: 0, held: 1 });
    assert.deepEqual(queues(s), ['a (site removed)']);
    assert.deepEqual(await reroute(s, without, without), { moved: 0, held: 0 });
    const claimed = directory(site('b', 'b.example', 'a.example'));
    assert.deepEqual(await reroute(s, without, claimed), { moved: 1, held: 0 });
    assert.deepEqual(queues(s), ['b']);
  });

  test('they come back to a site of the same name too', async () => {
    const s = spool();
    s.put('a', to('x@a.example'));
    const without = directory(site('b', 'b.example'));
    await reroute(s, A, without);
    assert.deepEqual(await reroute(s, without, A), { moved: 1, held: 0 });
    assert.deepEqual(queues(s), ['a']);
  });

  test('a domain that a site lost is held in its queue, and found there later', async () => {
    const two = directory(site('a', 'a.example', 'extra.example'));
    const one = directory(site('a', 'a.example'));
    const s = spool();
    s.put('a', to('x@a.example'));
    s.put('a', to('x@extra.example'));
    assert.deepEqual(await reroute(s, two, one), { moved: 0, held: 1 });
    assert.deepEqual(queues(s), ['a', 'a (site removed)']);
    const other = directory(site('a', 'a.example'), site('c', 'extra.example'));
    assert.deepEqual(await reroute(s, one, other), { moved: 1, held: 0 });
    assert.deepEqual(queues(s), ['a', 'c']);
  });

  test('a more exact claim takes its part of the domains below', async () => {
    const s = spool();
    s.put('b', to('x@sub.b.example'));
    s.put('b', to('x@other.b.example'));
    const after = directory(site('b', 'b.example', '.b.example'), site('s', 'sub.b.example'));
    assert.deepEqual(await reroute(s, A, after), { moved: 1, held: 0 });
    assert.deepEqual(queues(s), ['s', 'b']);
  });

  test('recipients of one mail go apart, each to its site', async () => {
    const before = directory(site('a', 'a.example', 'x.example', 'y.example'));
    const after = directory(site('a', 'a.example'), site('x', 'x.example'));
    const s = spool();
    s.put('a', to('1@a.example', '2@x.example', '3@y.example'));
    await reroute(s, before, after);
    const where = [...s.entries.values()].map((e) => [
      e.queue,
      e.hold?.kind,
      pendingOf(e).map((i) => e.envelope.recipients[i]?.address),
    ]);
    assert.deepEqual(where, [
      ['a', 'site removed', ['3@y.example']],
      ['a', undefined, ['1@a.example']],
      ['x', undefined, ['2@x.example']],
    ]);
  });

  test('notices go out to the foreign domain, and back in when a site has it', async () => {
    const s = spool();
    s.put('a', { ...to('sender@a.example'), ...notice });
    const without = directory(site('b', 'b.example'));
    await reroute(s, A, without);
    assert.deepEqual(queues(s), ['>a.example']);
    await reroute(s, without, A);
    assert.deepEqual(queues(s), ['a']);
  });

  test("an operator's hold and an undeliverable mail stay what they are", async () => {
    const s = spool();
    const held = { kind: 'operator', reason: 'wait' } as const;
    s.put('a', { ...to('x@a.example'), hold: held });
    await reroute(s, A, directory(site('b', 'b.example')));
    assert.deepEqual(queues(s), ['a (operator)']);
    await reroute(s, directory(site('b', 'b.example')), directory(site('c', 'a.example')));
    assert.deepEqual(queues(s), ['c (operator)']);
  });

  test('at a start, when nobody knows what changed, all is looked at but the operator queue', async () => {
    const s = spool();
    s.put('a', to('x@gone.example'));
    s.put('operator', to('postmaster@mx2.example'));
    assert.deepEqual(await reroute(s, null, A), { moved: 0, held: 1 });
    assert.deepEqual(queues(s), ['a (site removed)', 'operator']);
  });
});
