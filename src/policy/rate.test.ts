import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../test/support/sim-clock.ts';
import { MINUTE, SECOND } from '../base/clock.ts';
import { Account, Accounts, Rate } from './rate.ts';

describe('a rate', () => {
  test('lets its count pass at once, and then as time goes by', async () => {
    const clock = new SimClock();
    const rate = new Rate(clock, 6, MINUTE);
    for (let i = 0; i < 6; i++) assert.equal(rate.take('a'), true);
    assert.equal(rate.take('a'), false);
    assert.equal(rate.spent('a'), true);
    assert.equal(rate.take('b'), true);
    await clock.advance(10 * SECOND);
    assert.equal(rate.spent('a'), false);
    assert.equal(rate.take('a'), true);
    assert.equal(rate.take('a'), false);
    await clock.advance(10 * MINUTE);
    for (let i = 0; i < 6; i++) assert.equal(rate.take('a'), true);
    assert.equal(rate.take('a'), false);
  });

  test('who asks on and on while he is refused is not kept out longer', async () => {
    const clock = new SimClock();
    const rate = new Rate(clock, 1, MINUTE);
    assert.equal(rate.take('a'), true);
    for (let i = 0; i < 59; i++) {
      await clock.advance(SECOND);
      assert.equal(rate.take('a'), false);
    }
    await clock.advance(SECOND);
    assert.equal(rate.take('a'), true);
  });
});

describe('an account', () => {
  const OCTETS = { count: 1000, span: MINUTE };

  test('that was overdrawn is back after one span more at most', () => {
    const account = new Account(1);
    account.spend(0, OCTETS, 0, 1e9);
    assert.equal(account.fits(0, OCTETS, MINUTE), false);
    assert.equal(account.fits(0, OCTETS, MINUTE + SECOND), true);
  });

  test('keeps its kinds apart', () => {
    const account = new Account(2);
    account.spend(1, OCTETS, 0, 1000);
    assert.equal(account.fits(0, OCTETS, 0), true);
    assert.equal(account.fits(1, OCTETS, 0), false);
  });

  test('of a spender is not forgotten while he spends, however many others come', () => {
    const accounts = new Accounts(1, 100);
    const spender = accounts.of('spender');
    for (let i = 0; i < 1000; i++) {
      accounts.of(`other ${i}`);
      if (i % 40 === 0) assert.equal(accounts.of('spender'), spender);
    }
  });
});
