import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  engineOptions,
  type Overrides,
  TestAuthenticator,
  TestMaildrops,
} from '../../../test/support/pop3-engine.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { PEER } from '../../../test/support/smtp-engine.ts';
import { SECOND } from '../../base/clock.ts';
import type { SaslStep } from '../sasl.ts';
import type { TlsFacts, Wire, WireEvents } from '../smtp/server/wire.ts';
import { Dialog, IDLE_DEADLINE, type State, TAKEN_DEADLINE } from './dialog.ts';
import { verbs } from './verbs.ts';

/** A wire whose other end is the test. */
class TestWire implements Wire {
  readonly writes: Buffer[] = [];
  backlog = 0;
  paused = false;
  state: 'open' | 'ended' | 'destroyed' = 'open';
  tls: TlsFacts | null = null;
  /** Whether the peer takes what is written. */
  reading = true;
  events: WireEvents | null = null;

  get open(): boolean {
    return this.state === 'open';
  }
  write(octets: string | Uint8Array): void {
    if (!this.open) return;
    this.writes.push(Buffer.from(octets as string, 'latin1'));
    if (!this.reading) this.backlog += octets.length;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  async startTls(): Promise<TlsFacts | null> {
    return this.tls;
  }
  async release(): Promise<null> {
    return null;
  }
  end(): void {
    if (this.open) this.state = 'ended';
  }
  destroy(): void {
    this.state = 'destroyed';
    this.events?.onEnded();
  }
  drain(): void {
    this.backlog = 0;
    this.events?.onDrained();
  }
}

const LOGIN = 'USER acme\r\nPASS secret\r\n';

async function start(overrides: Overrides = {}, tls = false) {
  const clock = new SimClock();
  const maildrops = overrides.maildrops ?? new TestMaildrops('A: b\r\n\r\none\r\n', 'A: b\r\n\r\ntwo\r\n');
  const wire = new TestWire();
  const dialog = new Dialog(engineOptions({ clock, ...overrides, maildrops }), PEER, (events) => {
    wire.events = events;
    return wire;
  });
  const done = dialog.run(tls);
  const send = async (text: string) => {
    dialog.onInput(Buffer.from(text, 'latin1'));
    await clock.settle();
  };
  await clock.settle();
  const said = () => Buffer.concat(wire.writes).toString('latin1');
  const lastSaid = () => said().trimEnd().split('\r\n').at(-1) ?? '';
  return { clock, maildrops, wire, dialog, done, send, said, lastSaid };
}

describe('states', () => {
  const NOT_NOW = '-ERR Not in this state';
  const inState: Record<State['kind'], readonly string[]> = {
    authorization: ['CAPA', 'QUIT', 'STLS', 'UTF8', 'USER', 'PASS', 'AUTH', 'APOP'],
    transaction: ['CAPA', 'QUIT', 'STAT', 'LIST', 'UIDL', 'RETR', 'TOP', 'DELE', 'RSET', 'NOOP'],
    update: [],
  };
  for (const state of ['authorization', 'transaction'] as const) {
    for (const verb of verbs.keys()) {
      const fits = inState[state].includes(verb);
      test(`${verb} is ${fits ? '' : 'not '}for ${state}`, async () => {
        const { send, lastSaid } = await start();
        if (state === 'transaction') await send(LOGIN);
        await send(`${verb}\r\n`);
        assert.equal(lastSaid() === NOT_NOW, !fits, lastSaid());
      });
    }
  }

  test('change in one order only', async () => {
    const { dialog, send } = await start();
    assert.throws(() => dialog.enter({ kind: 'authorization' }));
    await send(LOGIN);
    const { state } = dialog;
    assert.ok(state.kind === 'transaction');
    assert.throws(() => dialog.enter(state));
    assert.throws(() => dialog.enter({ kind: 'authorization' }));
    await send('QUIT\r\n');
    assert.equal(dialog.state.kind, 'update');
    assert.throws(() => dialog.enter(state));
  });
});

describe('a session', () => {
  test('deletes at QUIT, says +OK when that is durable, then lets go of the mailbox', async () => {
    const maildrops = new TestMaildrops('a\r\n', 'b\r\n', 'c\r\n');
    const { send, lastSaid, done, wire } = await start({ maildrops });
    await send(`${LOGIN}DELE 3\r\nDELE 1\r\n`);
    assert.equal(maildrops.removed, null);
    await send('QUIT\r\n');
    await done;
    assert.deepEqual(maildrops.removed, [3, 1]);
    assert.equal(lastSaid(), '+OK Bye');
    assert.deepEqual([maildrops.released, wire.state], [1, 'ended']);
  });

  test('says so when not all could be deleted', async () => {
    const maildrops = new TestMaildrops('a\r\n');
    maildrops.removes = false;
    const { send, lastSaid } = await start({ maildrops });
    await send(`${LOGIN}DELE 1\r\nQUIT\r\n`);
    assert.equal(lastSaid(), '-ERR [SYS/TEMP] Some deleted messages could not be removed');
  });

  for (const [how, end] of Object.entries({
    'the line breaks': async (t: Awaited<ReturnType<typeof start>>) => t.wire.destroy(),
    'the peer closes': async (t: Awaited<ReturnType<typeof start>>) => t.dialog.onEnded(),
    'nothing is said for ten minutes': async (t: Awaited<ReturnType<typeof start>>) => {
      const before = t.said();
      await t.clock.advance(IDLE_DEADLINE - 1);
      assert.equal(t.wire.state, 'open');
      await t.clock.advance(1);
      assert.equal(t.said(), before, 'RFC 1939 §3: without a word');
    },
    'the server stops': async (t: Awaited<ReturnType<typeof start>>) => {
      t.dialog.stop();
      await t.clock.settle();
      assert.equal(t.lastSaid(), '-ERR [SYS/TEMP] Going down; try again later');
    },
    'the mail is taken back and nothing more is said': async (t: Awaited<ReturnType<typeof start>>) => {
      const before = t.said();
      t.maildrops.taken.abort();
      await t.clock.advance(TAKEN_DEADLINE - 1);
      assert.equal(t.said(), before);
      await t.clock.advance(1);
      assert.equal(t.lastSaid(), '-ERR [SYS/TEMP] The mail is collected in another way now, or held');
    },
    'the mail is taken back and what is said goes on for ever': async (
      t: Awaited<ReturnType<typeof start>>,
    ) => {
      t.maildrops.taken.abort();
      for (let s = 0; s < 60; s += 5) {
        await t.send('NOOP\r\n');
        await t.clock.advance(5 * SECOND);
      }
    },
    'the mail is taken back while a line dribbles in': async (t: Awaited<ReturnType<typeof start>>) => {
      await t.send('NO');
      t.maildrops.taken.abort();
      for (let s = 0; s < 60; s += 5) {
        await t.send('O');
        await t.clock.advance(5 * SECOND);
      }
    },
  })) {
    test(`deletes nothing when ${how}, and lets go of the mailbox`, async () => {
      const talk = await start();
      await talk.send(`${LOGIN}RETR 1\r\nDELE 1\r\n`);
      await end(talk);
      await talk.done;
      assert.deepEqual([talk.maildrops.removed, talk.maildrops.released], [null, 1]);
      assert.notEqual(talk.wire.state, 'open');
    });
  }

  test('a QUIT behind a line that broke deletes nothing', async () => {
    const maildrops = new TestMaildrops(Array.from({ length: 10 }, () => 'x'.repeat(40_000)));
    const { send, wire, done } = await start({ maildrops });
    wire.reading = false;
    await send(`${LOGIN}RETR 1\r\nDELE 1\r\nQUIT\r\n`);
    wire.destroy();
    await done;
    assert.deepEqual([maildrops.removed, maildrops.released, maildrops.closed], [null, 1, 1]);
  });

  test('a mailbox in use, or none, leaves the peer where it was', async () => {
    const { send, lastSaid, maildrops, dialog } = await start();
    maildrops.answer = 'busy';
    await send(LOGIN);
    assert.equal(lastSaid(), '-ERR [IN-USE] The mailbox is in use');
    maildrops.answer = 'none';
    await send(LOGIN);
    assert.equal(lastSaid(), '-ERR [SYS/PERM] There is no mailbox for this login');
    assert.equal(dialog.state.kind, 'authorization');
    maildrops.answer = 'maildrop';
    await send(LOGIN);
    assert.match(lastSaid(), /^\+OK 2 messages/);
    assert.deepEqual(maildrops.logins[0], { name: 'acme', sites: ['acme'], address: PEER.address });
  });

  test('a name that is locked out is told to come later', async () => {
    const authenticator = new TestAuthenticator();
    authenticator.refusal = 'locked';
    const { send, lastSaid } = await start({ authenticator });
    await send('USER acme\r\nPASS x\r\n');
    assert.equal(lastSaid(), '-ERR [SYS/TEMP] Too many failures; try again later');
  });

  test('a fault of ours is told, logged, and ends it', async () => {
    const maildrops = new TestMaildrops();
    maildrops.open = () => Promise.reject(new Error('disk on fire'));
    const { send, lastSaid, done } = await start({ maildrops });
    await send(LOGIN);
    await done;
    assert.equal(lastSaid(), '-ERR [SYS/TEMP] Local trouble; try again later');
  });

  test('TLS from the first octet: no greeting before it', async () => {
    const failed = await start({}, true);
    await failed.done;
    assert.equal(failed.said(), '');
  });
});

describe('content on its way out', () => {
  const BIG = Array.from({ length: 100 }, () => `${'x'.repeat(39_998)}\r\n`);

  test('is read only as fast as the peer takes it', async () => {
    const maildrops = new TestMaildrops(BIG);
    const { send, wire, clock, said } = await start({ maildrops });
    wire.reading = false;
    await send(`${LOGIN}RETR 1\r\n`);
    assert.equal(maildrops.read, 2);
    wire.drain();
    await clock.settle();
    assert.equal(maildrops.read, 4);
    wire.reading = true;
    wire.drain();
    await clock.settle();
    assert.ok(said().endsWith(`${BIG.join('')}.\r\n`));
    assert.equal(maildrops.closed, 1);
  });

  test('ends after ten minutes with a peer that takes nothing', async () => {
    const maildrops = new TestMaildrops(BIG);
    const { send, wire, clock, done } = await start({ maildrops });
    wire.reading = false;
    await send(`${LOGIN}DELE 1\r\nRSET\r\nRETR 1\r\n`);
    await clock.advance(IDLE_DEADLINE);
    await done;
    assert.deepEqual([wire.state, maildrops.released, maildrops.closed], ['destroyed', 1, 1]);
  });

  test('that nobody takes is cut soon after the mail was taken back', async () => {
    const maildrops = new TestMaildrops(`A: b\r\n\r\n${'x'.repeat(70_000)}`);
    const { send, wire, clock, done } = await start({ maildrops });
    wire.reading = false;
    await send(`${LOGIN}RETR 1\r\n`);
    maildrops.taken.abort();
    await clock.advance(TAKEN_DEADLINE);
    await done;
    assert.deepEqual([wire.state, maildrops.released, maildrops.closed], ['destroyed', 1, 1]);
  });

  test('and its deletion may be said after the mail was taken back, to the end', async () => {
    const { send, said, clock, maildrops, done } = await start();
    await send(`${LOGIN}RETR 1\r\n`);
    maildrops.taken.abort();
    await clock.advance(TAKEN_DEADLINE - SECOND);
    await send('DELE 1\r\n');
    await clock.advance(TAKEN_DEADLINE - SECOND);
    await send('QUIT\r\n');
    await done;
    assert.match(said(), /\+OK Bye\r\n$/);
    assert.deepEqual([maildrops.removed, maildrops.released], [[1], 1]);
  });

  test('that breaks half-way cuts the line: half a message is never ended by a dot', async () => {
    const maildrops = new TestMaildrops(['A: b\r\n', '\r\nrest\r\n'], 'b\r\n');
    maildrops.breaking = 1;
    const { send, wire, said, done } = await start({ maildrops });
    await send(`${LOGIN}DELE 2\r\nRETR 1\r\nQUIT\r\n`);
    await done;
    assert.doesNotMatch(said(), /\n\.\r\n|-ERR/);
    assert.deepEqual([wire.state, maildrops.removed, maildrops.released], ['destroyed', null, 1]);
  });

  test('that cannot be opened is refused, and the session goes on', async () => {
    const maildrops = new TestMaildrops('a\r\n', 'b\r\n');
    maildrops.unreadable = 1;
    const { send, said } = await start({ maildrops });
    await send(`${LOGIN}RETR 1\r\nRETR 2\r\n`);
    assert.match(said(), /-ERR \[SYS\/TEMP\] That message cannot be read\r\n\+OK 3 octets\r\nb\r\n\.\r\n$/);
  });

  test('with TOP is not read behind what was asked for', async () => {
    const maildrops = new TestMaildrops(['A: b\r\n', '\r\n1\r\n2', '\r\n3\r\n', '4\r\n']);
    const { send, said } = await start({ maildrops });
    await send(`${LOGIN}TOP 1 2\r\n`);
    assert.ok(said().endsWith('+OK\r\nA: b\r\n\r\n1\r\n2\r\n.\r\n'));
    assert.deepEqual([maildrops.read, maildrops.closed], [3, 1]);
  });
});

describe('bounds', () => {
  test('replies to pipelined commands leave in one write', async () => {
    const { send, wire } = await start();
    await send(LOGIN);
    const before = wire.writes.length;
    await send('STAT\r\nRETR 1\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nNOOP\r\n');
    assert.equal(wire.writes.length, before + 1);
  });

  test('input that waits is bounded by pausing the line', async () => {
    let answer: (step: SaslStep) => void = () => {};
    const authenticator = new TestAuthenticator();
    authenticator.password = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const { send, wire, clock } = await start({ authenticator });
    await send(LOGIN);
    await send('NOOP\r\n'.repeat(12_000));
    assert.equal(wire.paused, true);
    answer({ kind: 'accepted', login: 'acme', sites: ['acme'] });
    await clock.settle();
    assert.equal(wire.paused, false);
  });

  test('a peer that does not say who it is has fifty commands, one that is wrong twenty', async () => {
    const unknown = await start();
    await unknown.send('CAPA\r\n'.repeat(60));
    await unknown.done;
    assert.equal(unknown.lastSaid(), '-ERR Too many errors');
    const wrong = await start();
    await wrong.send(`${LOGIN}${'XXXX\r\n'.repeat(30)}`);
    await wrong.done;
    assert.equal(wrong.said().split('-ERR Unknown command').length - 1, 20);
    const known = await start();
    await known.send(`${LOGIN}${'RETR 9\r\nNOOP\r\n'.repeat(500)}`);
    assert.equal(known.wire.state, 'open');
  });

  test('a long listing waits for the peer', async () => {
    const maildrops = new TestMaildrops(...Array.from({ length: 20_000 }, () => 'a\r\n'));
    const { send, wire, clock, said } = await start({ maildrops });
    await send(LOGIN);
    wire.reading = false;
    await send('LIST\r\n');
    assert.ok(wire.backlog < 100_000, String(wire.backlog));
    wire.reading = true;
    wire.drain();
    await clock.settle();
    assert.ok(said().endsWith('20000 3\r\n.\r\n'));
  });
});
