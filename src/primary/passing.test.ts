import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { HOUR } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { silent } from '../base/log.ts';
import { Passing } from './passing.ts';

function world() {
  const clock = new SimClock();
  const lines: string[] = [];
  const log: Log = {
    ...silent,
    warn: (event, fields) => void lines.push(`${event} ${fields?.site} ${fields?.why}`),
  };
  return { clock, lines, passing: new Passing(clock, log) };
}

describe('what is remembered of refusals', () => {
  test('a client that was refused is not named for an hour; others are', async () => {
    const { passing, clock } = world();
    assert.ok(passing.may('acme', 'a'));
    passing.refused('acme', 'why', 'a');
    assert.deepEqual(
      [passing.may('acme', 'a'), passing.may('acme', 'b'), passing.may('two', 'a')],
      [false, true, true],
    );
    await clock.advance(HOUR);
    assert.ok(passing.may('acme', 'a'));
  });

  test('three in a row are about all, for an hour; one that was taken in between says otherwise', async () => {
    const { passing, clock } = world();
    for (const one of ['a', 'b']) passing.refused('acme', 'why', one);
    passing.took('acme', 'x');
    for (const one of ['c', 'd']) passing.refused('acme', 'why', one);
    assert.ok(passing.may('acme', 'e'));
    passing.refused('acme', 'why', 'e');
    assert.deepEqual(
      [passing.may('acme', 'f'), passing.may('acme'), passing.may('two', 'f')],
      [false, false, true],
    );
    await clock.advance(HOUR);
    assert.ok(passing.may('acme', 'f'));
  });

  test('a line that is lost counts the second time, whatever others lose in between', () => {
    const { passing } = world();
    for (const one of ['a', 'b']) passing.lost('acme', 'why', one);
    assert.ok(passing.may('acme', 'a'));
    passing.took('acme', 'b');
    for (const one of ['a', 'b']) passing.lost('acme', 'why', one);
    assert.deepEqual([passing.may('acme', 'a'), passing.may('acme', 'b')], [false, true]);
  });

  test('it is logged once for a site', () => {
    const { passing, lines } = world();
    for (const one of ['a', 'b']) passing.refused('acme', one, one);
    passing.refused('two', 'c');
    assert.deepEqual(lines, ['client not passed on acme a', 'client not passed on two c']);
  });

  test('its memory is bounded', () => {
    const { passing } = world();
    for (let i = 0; i < 1001; i++) {
      passing.refused('acme', 'why', `c${i}`);
      passing.took('acme', 'x');
    }
    assert.ok(passing.may('acme', 'c0'));
    assert.ok(!passing.may('acme', 'c1'));
  });
});
