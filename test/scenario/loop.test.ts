/**
 * Loops: what has passed us for the same recipient is told from what was forwarded, and a primary
 * that gives back its mail from an innocent sender. Our own Received fields are those that the
 * house really wrote, taken from its spool and sent in again.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { House, makeSite } from './receive-harness.ts';

const PRIMARY = '192.0.2.80';
const MAIL = 'From: a@sender.example\r\nTo: joe@acme.example\r\nSubject: round\r\n\r\nbody\r\n';

function makeHouse(): House {
  const house = new House([makeSite('acme', ['acme.example']), makeSite('other', ['other.example'])]);
  house.primaries.set(PRIMARY, ['acme']);
  return house;
}

/** What the house would hand over of its last mail. */
function handedOver(house: House): string {
  const held = house.spool.mails.at(-1);
  assert.ok(held);
  return held.head + held.body.toString();
}

const received = (n: number) =>
  Array.from({ length: n }, (_, i) => `Received: from a by b${i}; Mon, 05 Jan 2026 12:00:00 +0000\r\n`).join(
    '',
  );

describe('a loop', () => {
  test('the same recipient passes twice, and not a third time', async () => {
    const house = makeHouse();
    let mail = MAIL;
    for (const expected of ['250 2.0.0', '250 2.0.0', '554 5.4.6']) {
      assert.equal(await house.visit().send('a@sender.example', ['joe@acme.example'], mail), expected);
      // A host on the way adds its own field.
      mail = `${received(1)}${handedOver(house)}`;
    }
    assert.equal(house.spool.open, 0);
    assert.match(
      String(house.logged('mail refused')[0]?.why),
      /joe@acme\.example passes here for the third time/,
    );
    assert.deepEqual(house.events, []);
  });

  test('case and other recipients beside do not hide it', async () => {
    const house = makeHouse();
    await house.visit().send('a@sender.example', ['joe@acme.example', 'jane@acme.example'], MAIL);
    await house.visit().send('a@sender.example', ['JOE@Acme.Example'], handedOver(house));
    const third = await house
      .visit()
      .send('a@sender.example', ['ann@acme.example', 'joe@acme.example'], handedOver(house));
    assert.equal(third, '554 5.4.6');
  });

  test('a mail that was forwarded from one site to another passes', async () => {
    const house = makeHouse();
    await house.visit().send('a@sender.example', ['joe@acme.example'], MAIL);
    const forwarded = await house
      .visit(PRIMARY)
      .send('joe@acme.example', ['joe@other.example'], handedOver(house));
    assert.equal(forwarded, '250 2.0.0');
    assert.equal(house.spool.mails.length, 2);
  });

  test('forwarded through several addresses of ours it passes, while each is new', async () => {
    const house = makeHouse();
    let mail = MAIL;
    for (const to of ['a@acme.example', 'b@other.example', 'c@acme.example', 'd@other.example']) {
      assert.equal(await house.visit().send('', [to], mail), '250 2.0.0');
      mail = handedOver(house);
    }
  });

  test("the fields of another Restante's are not ours", async () => {
    const house = makeHouse();
    const foreign =
      'Received: from x ([192.0.2.1]) by mx.example (Restante AAAA BBBB)\r\n\twith ESMTP id 1; Mon, 05 Jan 2026 12:00:00 +0000\r\n';
    const mail = foreign + foreign + foreign + MAIL;
    assert.equal(await house.visit().send('', ['joe@acme.example'], mail), '250 2.0.0');
    assert.equal(await house.visit(PRIMARY).send('', ['joe@acme.example'], mail), '250 2.0.0');
  });

  test('99 Received fields pass, 100 do not', async () => {
    const house = makeHouse();
    assert.equal(await house.visit().send('', ['joe@acme.example'], received(99) + MAIL), '250 2.0.0');
    assert.equal(await house.visit().send('', ['joe@acme.example'], received(100) + MAIL), '554 5.4.6');
    // What looks like one in the body is none.
    assert.equal(await house.visit().send('', ['joe@acme.example'], MAIL + received(200)), '250 2.0.0');
  });
});

describe("a loop from a site's own primary", () => {
  test('is 451 and the trouble of the site, at its first return', async () => {
    const house = makeHouse();
    await house.visit().send('a@sender.example', ['joe@acme.example'], MAIL);
    const back = await house.visit(PRIMARY).send('a@sender.example', ['joe@acme.example'], handedOver(house));
    assert.equal(back, '451 4.4.6');
    assert.deepEqual(house.events, [`loop acme ${PRIMARY}`]);
    assert.equal(house.spool.mails.length, 1);
    assert.equal(house.spool.open, 0);
  });

  test('is never for good, however often it came round', async () => {
    const house = makeHouse();
    await house.visit().send('', ['joe@acme.example'], MAIL);
    await house.visit().send('', ['joe@acme.example'], handedOver(house));
    const mail = received(100) + handedOver(house);
    assert.equal(await house.visit(PRIMARY).send('', ['joe@acme.example'], mail), '451 4.4.6');
  });

  test('is not a mail that its host sends for the first time (one address for a whole house)', async () => {
    const house = makeHouse();
    assert.equal(
      await house.visit(PRIMARY).send('ann@acme.example', ['joe@acme.example'], MAIL),
      '250 2.0.0',
    );
    assert.deepEqual(house.events, []);
  });

  test("is not another site's mail that comes from there", async () => {
    const house = makeHouse();
    await house.visit().send('', ['joe@other.example'], MAIL);
    assert.equal(await house.visit(PRIMARY).send('', ['joe@other.example'], handedOver(house)), '250 2.0.0');
    assert.deepEqual(house.events, []);
  });
});
