/**
 * Filters that are slow, dead or mad: what the sender hears is the rule's `on_failure`, and nobody waits for long.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MINUTE, SECOND } from '../../src/base/clock.ts';
import type { MilterRule } from '../../src/config/milter-schema.ts';
import { HEADER_SCAN_LIMIT } from '../../src/mail/header.ts';
import { LONGEST, uint32 } from '../../src/protocol/milter/packet.ts';
import { CONTINUE, type Says, say } from '../support/scripted-milter.ts';
import { MilterHouse } from './milter-harness.ts';

const MAIL = 'From: a@sender.example\r\n\r\nbody\r\n';
const send = (world: MilterHouse, content = MAIL) =>
  world.patiently(world.house.visit().send('a@sender.example', ['u@one.example'], content));

const VICES: Record<string, Says> = {
  'says nothing': 'silence',
  'hangs up': 'close',
  'sends garbage': Buffer.from('220 mx.example ESMTP\r\n'),
  'sends a packet without a code': uint32(0),
  'sends a packet without an end': Buffer.concat([
    uint32(LONGEST),
    Buffer.from('h'),
    Buffer.alloc(LONGEST / 2),
  ]),
  'sends what is not known': say('Z'),
  'sends what does not belong there': say('c', 'more'),
  'sends a reply that is none': say('y', '250 2.0.0 Fine'),
};
const STEPS = {
  O: 'negotiation',
  C: 'connect',
  H: 'helo',
  M: 'mail',
  R: 'rcpt',
  T: 'data',
  L: 'header',
  N: 'end of header',
  B: 'body',
  E: 'end of body',
};

describe('a filter that', () => {
  for (const [vice, says] of Object.entries(VICES)) {
    test(`${vice} is met as its rule says, wherever it does so`, async () => {
      for (const [code, step] of Object.entries(STEPS)) {
        const met = async (onFailure: MilterRule['onFailure']) => {
          const world = new MilterHouse([{ answers: { [code]: says } }, { onFailure }]);
          const started = world.clock.monotonic();
          const said = await send(world);
          const took = world.clock.monotonic() - started;
          assert.ok(took <= (code === 'E' ? 301 : 31) * SECOND, `${step}: ${took} ms`);
          assert.equal(world.failures.length, 1, `${step}: ${world.failures}`);
          assert.equal(world.house.spool.open, 0);
          assert.equal(world.clock.armed, 0, `${step}: timers are left`);
          return {
            said,
            entry: world.house.spool.mails[0]?.entries[0],
            log: world.house.logged('mail accepted')[0],
          };
        };
        assert.equal((await met('defer')).said, '451 4.7.1', step);
        const accepted = await met('accept');
        assert.deepEqual(
          [accepted.said, accepted.log?.marks],
          ['250 2.0.0', ['milter unix:/m0 not asked']],
          step,
        );
        const { said, entry } = await met('quarantine');
        assert.equal(said, '250 2.0.0');
        assert.match(
          entry?.hold?.kind === 'operator' ? entry.hold.reason : '',
          /^milter unix:\/m0 failed: /,
          step,
        );
      }
    });
  }

  test('asks for changes before the end of the body is lost', async () => {
    for (const code of 'CHMRTLNB') {
      const world = new MilterHouse([{ answers: { [code]: [say('h', 'X', '1'), CONTINUE] } }]);
      assert.equal(await send(world), '451 4.7.1');
      assert.deepEqual(world.failures, ['it asked to add header before the end of the body']);
    }
  });

  test('asks for too much is lost', async () => {
    const field = say('h', 'X-Many', 'x'.repeat(100));
    const chunk = say('b', Buffer.alloc(1_000_000, 'x'));
    const much: Record<string, Buffer[]> = {
      'more changes than can be': Array.from({ length: 2001 }, () => field),
      'a new body of more than 33554432 octets': Array.from({ length: 34 }, () => chunk),
    };
    for (const [why, asked] of Object.entries(much)) {
      const world = new MilterHouse([{ answers: { E: [...asked, CONTINUE] } }]);
      assert.equal(await send(world), '451 4.7.1');
      assert.deepEqual(world.failures, [why]);
    }
  });

  test('writes bodies beyond the room of all mails together is met as its rule says, and not blamed', async () => {
    const chunk = say('b', Buffer.alloc(1_000_000, 'x'));
    const asked = Array.from({ length: 30 }, () => chunk);
    // The first two stay in memory, as long as these filters do not come to an end.
    const holding = (nth: number) => (nth < 2 ? asked : [...asked, CONTINUE]);
    let nth = 0;
    const world = new MilterHouse([{ answers: { E: () => holding(nth++) } }]);
    const first = world.house.visit();
    const started = [first, world.house.visit()].map((visit) =>
      visit.send('a@sender.example', ['u@one.example'], MAIL),
    );
    for (let i = 0; i < 60; i++) await world.clock.advance(SECOND);
    assert.equal(nth, 2);
    assert.equal(await send(world), '451 4.7.1');
    assert.match(String(world.house.logged('mail refused')[0]?.why), /no room for another body/);
    assert.deepEqual(world.failures, []);
    // Given back, whatever became of those mails.
    await world.patiently(Promise.all(started));
    for (let i = 0; i < 3; i++) {
      world.rules = world.rules.map((rule) => ({ ...rule, name: `again ${i}` }));
      assert.equal(await send(world), '250 2.0.0');
    }
    assert.equal(world.house.spool.mails.at(-1)?.body.length, 30_000_002);
  });

  test('speaks out of turn is lost: its words are not taken for the next answer', async () => {
    const world = new MilterHouse([{ answers: { H: Buffer.concat([CONTINUE, say('a')]) } }]);
    assert.equal(await send(world), '451 4.7.1');
    assert.deepEqual(world.failures, ['it spoke out of turn']);
  });

  test('is at work has as long as it says so, while its sender waits', async () => {
    const world = new MilterHouse([{ answers: { E: 'silence' } }]);
    const working = (until: number) => {
      const far = world.filter().sockets.at(-1);
      const tick = () => {
        if (world.clock.monotonic() >= until) far?.write(CONTINUE);
        else {
          far?.write(say('p'));
          world.clock.after(MINUTE, tick);
        }
      };
      const begin = (): Says => {
        tick();
        return 'silence';
      };
      world.filter().script = { answers: { E: begin } };
    };
    const visit = world.house.visit();
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    working(8 * MINUTE);
    assert.equal(await world.patiently(visit.data(MAIL)), '250 2.0.0');
    assert.ok(world.clock.monotonic() >= 8 * MINUTE);
    const begun = world.clock.monotonic();
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    working(begun + 60 * MINUTE);
    assert.equal(await world.patiently(visit.data(MAIL)), '451 4.7.1');
    assert.ok(world.clock.monotonic() - begun <= 10 * MINUTE);
  });

  test('is down costs one try in ten seconds, and is asked again when it is back', async () => {
    const world = new MilterHouse([{}, { onFailure: 'accept' }]);
    world.filter().down = 'ECONNREFUSED';
    for (let i = 0; i < 5; i++) assert.equal(await send(world), '250 2.0.0');
    assert.equal(world.filter().dials, 1);
    assert.deepEqual(world.failures, ['no connection: ECONNREFUSED']);
    await world.clock.advance(10 * SECOND);
    assert.equal(await send(world), '250 2.0.0');
    assert.equal(world.filter().dials, 2);
    world.filter().down = null;
    await world.clock.advance(10 * SECOND);
    for (let i = 0; i < 2; i++) await send(world);
    assert.equal(world.filter().dials, 4);
    assert.equal(world.lines.filter((line) => line.event === 'milter answers').length, 1);
    assert.equal(world.house.logged('mail accepted').filter((line) => line.marks === undefined).length, 2);
  });

  test('fails over a mail is asked of the next; after three in a row it rests', async () => {
    const world = new MilterHouse([{ answers: { E: 'close' } }, { onFailure: 'accept' }]);
    for (let i = 0; i < 5; i++) await send(world);
    assert.equal(world.filter().dials, 3);
    await world.clock.advance(10 * SECOND);
    world.filter().script = {};
    for (let i = 0; i < 5; i++) await send(world);
    world.filter().script = { answers: { E: 'close' } };
    for (let i = 0; i < 2; i++) await send(world);
    world.filter().script = {};
    await send(world);
    assert.equal(world.filter().dials, 3 + 5 + 2 + 1);
  });

  test('hung up between two mails is called again', async () => {
    const world = new MilterHouse([{}]);
    const visit = world.house.visit();
    assert.equal(await visit.send('a@sender.example', ['u@one.example'], MAIL), '250 2.0.0');
    world.filter().sockets[0]?.destroy();
    await world.clock.settle();
    assert.equal(await visit.send('a@sender.example', ['u@one.example'], MAIL), '250 2.0.0');
    assert.deepEqual([world.filter().dials, world.failures], [2, []]);
    assert.ok(world.filter().letters.endsWith('OCHMRTLNBE'));
  });
});

describe('the sender', () => {
  test('who goes while the filter is at work leaves nothing behind, and is no failure', async () => {
    for (const code of 'OCMRTE') {
      const world = new MilterHouse([{ answers: { [code]: 'silence' } }]);
      const visit = world.house.visit();
      const said = visit.send('a@sender.example', ['u@one.example'], MAIL).catch(() => 'gone');
      await world.clock.settle();
      visit.session.closed();
      await world.clock.settle();
      await world.patiently(said);
      await world.clock.advance(MINUTE);
      assert.deepEqual(
        world.failures.filter((why) => !why.startsWith('no answer')),
        [],
        code,
      );
      assert.equal(world.clock.armed, 0, code);
      assert.ok(
        world.filter().sockets.every((socket) => socket.destroyed || socket.readableEnded),
        code,
      );
    }
  });

  test('with a header too long to be shown is met as a failure, which is not counted against the filter', async () => {
    const field = 'X-Long: 0123456789012345678901234567890123456789\r\n';
    const world = new MilterHouse([{}]);
    const visit = world.house.visit();
    await visit.mail('FROM:<a@sender.example>');
    await visit.rcpt('TO:<u@one.example>');
    const long = field.repeat(HEADER_SCAN_LIMIT / 40);
    assert.equal(await visit.data(long, '\r\nbody\r\n'), '451 4.7.1');
    assert.deepEqual(world.failures, []);
    assert.match(String(world.house.logged('mail refused')[0]?.why), /the header is too long to be shown/);
  });

  test('waits for a connection when all are in use, and not for ever', async () => {
    const world = new MilterHouse([{}, { connections: 1 }]);
    const [first, second, third] = [world.house.visit(), world.house.visit(), world.house.visit()];
    assert.equal(await first.send('a@sender.example', ['u@one.example'], MAIL), '250 2.0.0');
    const waits = second.send('a@sender.example', ['u@one.example'], MAIL);
    await world.clock.advance(10 * SECOND);
    first.session.closed();
    assert.equal(await world.patiently(waits), '250 2.0.0');
    const started = world.clock.monotonic();
    assert.equal(await world.patiently(third.send('a@sender.example', ['u@one.example'], MAIL)), '451 4.7.1');
    assert.ok(world.clock.monotonic() - started <= 31 * SECOND);
    assert.equal(world.filter().dials, 2);
    assert.match(String(world.house.logged('recipient refused')[0]?.why), /all its connections are in use/);
  });

  test('may get the connection of another before him, where the rule says so', async () => {
    const world = new MilterHouse([{}, { reuse: true }]);
    for (let i = 0; i < 2; i++) {
      const visit = world.house.visit(`198.51.100.${i}`);
      assert.equal(await visit.send('a@sender.example', ['u@one.example'], MAIL), '250 2.0.0');
      visit.session.closed();
      await world.clock.settle();
    }
    assert.equal(world.filter().letters, 'OCHMRTLNBEAKCHMRTLNBEAK');
    await world.clock.advance(30 * SECOND);
    assert.ok(world.filter().letters.endsWith('KQ'));
    const old = new MilterHouse([{ version: 4 }, { reuse: true }]);
    const visit = old.house.visit();
    await visit.send('a@sender.example', ['u@one.example'], MAIL);
    visit.session.closed();
    await old.clock.settle();
    assert.ok(old.filter().letters.endsWith('AQ'));
  });

  test('sees nothing of a reload: filters that stay keep their rest, others are forgotten', async () => {
    const world = new MilterHouse([{}, { onFailure: 'accept' }]);
    world.filter().down = 'ENOENT';
    await send(world);
    world.rules = world.rules.map((rule) => ({ ...rule }));
    await send(world);
    assert.equal(world.filter().dials, 1);
    world.rules = world.rules.map((rule) => ({ ...rule, onFailure: 'defer' }));
    assert.equal(await send(world), '451 4.7.1');
    assert.equal(world.filter().dials, 2);
    world.rules = [];
    assert.equal(await send(world), '250 2.0.0');
    world.milters.stop();
  });
});
