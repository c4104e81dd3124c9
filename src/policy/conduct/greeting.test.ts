import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConductHouse } from '../../../test/support/conduct-house.ts';
import { DAY, HOUR, SECOND } from '../../base/clock.ts';

/** What a client has been told so far. */
function answered(answer: Promise<string>): { said: string } {
  const state = { said: '' };
  void answer.then((said) => (state.said = said));
  return state;
}

describe('the greeting', () => {
  test('comes to a stranger after its delay', async () => {
    const house = new ConductHouse('');
    const answer = answered(house.come('198.51.100.7').connect());
    await house.clock.advance(2 * SECOND - 1);
    assert.equal(answer.said, '');
    await house.clock.advance(1);
    assert.equal(answer.said, 'ok');
    assert.equal(house.clock.armed, 0);
  });

  test('is refused at once to who speaks first', async () => {
    const house = new ConductHouse('');
    const client = house.come('198.51.100.7');
    const answer = answered(client.connect());
    await house.clock.advance(SECOND);
    client.gate.early();
    client.gate.early();
    await house.clock.settle();
    assert.equal(answer.said, '554 5.5.1');
    assert.equal(client.why, 'it spoke before the greeting');
    assert.equal(house.clock.armed, 0);
    assert.equal(await house.come('127.0.0.1').connect(), 'ok');
  });

  const AT_ONCE: [
    who: string,
    lines: string,
    address: string,
    more?: { trusted?: boolean; xclient?: boolean },
  ][] = [
    ['a peer', '', '198.51.100.7', { trusted: true }],
    ['loopback', '', '127.0.0.1'],
    ['who is allowed by name', 'limits: { allow: [198.51.100.0/24] }', '198.51.100.7'],
    ['the primary of a site', '', '203.0.113.1'],
    ['who comes by a front that greeted it', '', '198.51.100.7', { xclient: true }],
    ['anybody, where there is no delay', 'greeting_delay: none', '198.51.100.7'],
  ];
  for (const [who, lines, address, more] of AT_ONCE) {
    test(`comes at once to ${who}`, async () => {
      const house = new ConductHouse(lines);
      house.primaries.add('203.0.113.1');
      assert.equal(await house.come(address, more).connect(), 'ok');
      assert.equal(house.clock.armed, 0);
    });
  }

  test('comes at once to who brought mail within a day, and to his /64', async () => {
    const house = new ConductHouse('');
    const client = house.come('2001:db8::1');
    const first = answered(client.connect());
    await house.clock.advance(2 * SECOND);
    assert.equal(first.said, 'ok');
    await client.send();
    await house.clock.advance(DAY - HOUR);
    assert.equal(await house.come('2001:db8::2').connect(), 'ok');
    await house.clock.advance(HOUR);
    const later = answered(house.come('2001:db8::2').connect());
    await house.clock.settle();
    assert.equal(later.said, '');
  });

  test('is not waited for by more than three hundred', async () => {
    const house = new ConductHouse('limits: { network: { connections: none } }');
    for (let i = 0; i < 300; i++) answered(house.come(`198.51.${i >> 7}.${i & 127}`).connect());
    assert.equal(await house.come('192.0.2.99').connect(), 'ok');
    assert.equal(house.clock.armed, 300);
    await house.clock.advance(2 * SECOND);
    const one = answered(house.come('192.0.2.99').connect());
    await house.clock.settle();
    assert.equal(one.said, '');
  });
});
