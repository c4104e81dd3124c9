import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimClock } from '../../../../test/support/sim-clock.ts';
import { engineOptions, type Overrides, PEER } from '../../../../test/support/smtp-engine.ts';
import { TestSession } from '../../../../test/support/smtp-session.ts';
import { MINUTE, SECOND } from '../../../base/clock.ts';
import { reply } from '../../../mail/reply.ts';
import { COMMAND_DEADLINE, Dialog } from './dialog.ts';
import { CONTENT_DEADLINE } from './transfer.ts';
import type { TlsFacts, Wire, WireEvents } from './wire.ts';

/** A wire whose other end is the test. */
class TestWire implements Wire {
  readonly writes: string[] = [];
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
  write(text: string): void {
    this.writes.push(text);
    if (!this.reading) this.backlog += text.length;
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
    this.state = 'ended';
  }
  destroy(): void {
    this.state = 'destroyed';
    this.events?.onEnded();
  }
}

function start(overrides: Overrides = {}) {
  const clock = new SimClock();
  const session = overrides.session ?? new TestSession();
  const wire = new TestWire();
  const dialog = new Dialog(engineOptions(session, { clock, ...overrides }), PEER, (events) => {
    wire.events = events;
    return wire;
  });
  const done = dialog.run();
  const send = async (text: string) => {
    dialog.onInput(Buffer.from(text, 'latin1'));
    await clock.settle();
  };
  const said = () => wire.writes.join('');
  return { clock, session, wire, dialog, done, send, said };
}

const ENVELOPE = 'HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n';

describe('deadlines', () => {
  test('a command that does not come in five minutes ends in 421, and nothing stays armed', async () => {
    const { clock, wire, said, done, session } = start();
    await clock.advance(COMMAND_DEADLINE - 1);
    assert.equal(wire.state, 'open');
    await clock.advance(1);
    assert.match(said(), /^220 .*\r\n421 4\.4\.2 .*\r\n$/);
    assert.equal(wire.state, 'ended');
    await done;
    assert.equal(session.calls.at(-1), 'closed');
    assert.equal(clock.armed, 0);
  });

  test('each command has its own; dribbling octets gains nothing', async () => {
    const { clock, wire, send } = start();
    for (let i = 0; i < 3; i++) {
      await clock.advance(COMMAND_DEADLINE - 1);
      await send('NOOP\r\n');
    }
    assert.equal(wire.state, 'open');
    for (let i = 0; i < 6; i++) {
      await send('N');
      await clock.advance(MINUTE - 1);
    }
    assert.equal(wire.state, 'ended');
  });

  test('content must go on: a kilobyte in three minutes', async () => {
    const { clock, wire, send, said, session } = start();
    await send(`${ENVELOPE}DATA\r\n`);
    for (let i = 0; i < 5; i++) {
      await clock.advance(CONTENT_DEADLINE - 1);
      await send('x'.repeat(1024));
    }
    assert.equal(wire.state, 'open');
    await send('x');
    await clock.advance(CONTENT_DEADLINE);
    assert.match(said(), /421 4\.4\.2 .*\r\n$/);
    assert.equal(session.kept.length, 0);
    assert.equal(session.aborts, 1);
  });

  test('a session may take as long as it needs', async () => {
    const session = new TestSession();
    let release = () => {};
    session.rcpt = () =>
      new Promise((resolve) => {
        release = () => resolve(reply(250, '2.1.5', 'at last'));
      });
    const { clock, wire, send, said } = start({ session });
    await send(ENVELOPE);
    await clock.advance(20 * MINUTE);
    assert.equal(wire.state, 'open');
    release();
    await clock.settle();
    assert.match(said(), /at last\r\n$/);
  });

  test('a peer that does not read its replies is not asked for more, and cut', async () => {
    const { clock, wire, send, session } = start();
    wire.reading = false;
    await send('HELO c\r\nMAIL FROM:<a@b.example>\r\n');
    for (let i = 0; i < 10; i++) await send('RCPT TO:<reject@d.example>\r\n'.repeat(2000));
    const asked = session.calls.length;
    assert.ok(asked < 4000, `${asked} commands`);
    assert.ok(wire.backlog < 100_000);
    assert.ok(wire.paused);
    await clock.advance(COMMAND_DEADLINE);
    assert.equal(wire.state, 'ended');
    assert.equal(session.calls.at(-1), 'closed');
  });

  test('one that reads on after all is served on', async () => {
    const { clock, wire, send, session, dialog } = start();
    wire.reading = false;
    await send('HELO c\r\nMAIL FROM:<a@b.example>\r\n');
    await send('RCPT TO:<reject@d.example>\r\n'.repeat(5000));
    wire.reading = true;
    wire.backlog = 0;
    dialog.onDrained();
    for (let i = 0; i < 50; i++) await clock.settle();
    assert.equal(session.calls.length, 5003);
  });
});

describe('pipelining', () => {
  test('the replies to a group leave in one write', async () => {
    const { wire, send, clock } = start();
    await clock.settle();
    wire.writes.length = 0;
    await send(`${ENVELOPE}RCPT TO:<e@d.example>\r\nDATA\r\n`);
    await clock.settle();
    assert.equal(wire.writes.length, 1);
    assert.match(wire.writes[0] ?? '', /^250 .*\r\n250 .*\r\n250 .*\r\n250 .*\r\n354 .*\r\n$/);
  });

  test('input that waits for a slow session is bounded', async () => {
    const session = new TestSession();
    session.mail = () => new Promise(() => {});
    const { wire, send } = start({ session });
    await send(ENVELOPE);
    await send('x'.repeat(60_000));
    assert.equal(wire.paused, false);
    await send('x'.repeat(10_000));
    assert.equal(wire.paused, true);
  });

  test('content waits for its sink', async () => {
    const session = new TestSession();
    let release = () => {};
    let parts = 0;
    session.onPart = () => {
      parts++;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    const { wire, send, clock } = start({ session });
    await send(`${ENVELOPE}DATA\r\n`);
    const line = `${'x'.repeat(98)}\r\n`;
    await send(line.repeat(600));
    await send(line.repeat(600));
    await send(line.repeat(600));
    assert.equal(parts, 1);
    assert.equal(wire.paused, true);
    for (let i = 0; i < 5; i++) {
      release();
      await clock.settle();
    }
    assert.equal(wire.paused, false);
    await send('.\r\n');
    release();
    await clock.settle();
    assert.equal(session.kept[0]?.content.toString(), line.repeat(1800));
  });
});

describe('the end', () => {
  test('a stop tells an idle peer 421 at once', async () => {
    const { dialog, said, clock, done } = start();
    await clock.settle();
    dialog.stop();
    await done;
    assert.match(said(), /^220 .*\r\n421 4\.3\.2 .*\r\n$/);
  });

  test('a stop lets a mail under way come to its end', async () => {
    const { dialog, said, send, session, clock, done } = start();
    await send(`${ENVELOPE}DATA\r\n`);
    dialog.stop();
    await clock.settle();
    await send('x\r\n.\r\nMAIL FROM:<a@b.example>\r\n');
    await done;
    assert.match(said(), /250 2\.0\.0 Kept\r\n421 4\.3\.2 .*\r\n$/);
    assert.equal(session.kept.length, 1);
  });

  test('a peer that goes in the midst of content leaves nothing', async () => {
    for (const begin of ['DATA\r\nhalf', 'BDAT 100\r\nhalf', 'BDAT 4\r\nhalf']) {
      const { dialog, send, session, done, clock } = start();
      await send(`${ENVELOPE}${begin}`);
      dialog.onEnded();
      await done;
      assert.equal(session.kept.length, 0, begin);
      assert.ok(session.aborts > 0, begin);
      assert.equal(session.calls.filter((c) => c === 'closed').length, 1);
      assert.equal(clock.armed, 0);
    }
  });

  test('a 421 of the session closes', async () => {
    const session = new TestSession();
    session.rcpt = async () => reply(421, '4.7.0', 'Enough');
    const { send, said, done } = start({ session });
    await send(`${ENVELOPE}NOOP\r\n`);
    await done;
    assert.match(said(), /421 4\.7\.0 Enough\r\n$/);
  });

  test('a fault says nothing of itself', async () => {
    const { send, said, done } = start();
    await send('HELO c\r\nMAIL FROM:<broken@b.example>\r\n');
    await done;
    assert.doesNotMatch(said(), /secret|Error|at /);
  });

  test('a reply of the session cannot break out of its line', async () => {
    const session = new TestSession();
    session.rcpt = async () => reply(250, '2.1.5', 'x\r\n250 y\0\xe4');
    const { send, said } = start({ session });
    await send(ENVELOPE);
    assert.match(said(), /250 2\.1\.5 x\?\?250 y\?\?\r\n$/);
  });

  test('content that never ends is cut once it is twice too big', async () => {
    const { wire, send, said } = start({ sizeLimit: 1000 });
    await send(`${ENVELOPE}DATA\r\n`);
    for (let i = 0; i < 10 && wire.state === 'open'; i++) await send('x'.repeat(20_000));
    assert.equal(wire.state, 'ended');
    assert.match(said(), /421 4\.3\.4 .*\r\n$/);
  });
});

describe('TLS', () => {
  test('what comes in clear behind STARTTLS is dropped, a failed handshake ends the dialog', async () => {
    const { send, session, wire, done } = start({ tls: { context: () => assert.fail() } });
    await send('STARTTLS\r\nHELO injected.example\r\n');
    await done;
    assert.deepEqual(session.calls, ['connect', 'closed']);
    assert.equal(wire.state, 'ended');
  });

  test('the session learns version and cipher with the next EHLO', async () => {
    const { send, session, wire } = start({ tls: { context: () => assert.fail() } });
    wire.tls = { version: 'TLSv1.3', cipher: 'X' };
    await send('EHLO one.example\r\nSTARTTLS\r\n');
    await send('EHLO two.example\r\n');
    assert.deepEqual(session.manner, { helo: 'two.example', esmtp: true, tls: wire.tls });
  });
});

test('the greeting comes only once the session allows it', async () => {
  const session = new TestSession();
  let allow = () => {};
  session.connect = () =>
    new Promise((resolve) => {
      allow = () => resolve(null);
    });
  const { clock, send, said } = start({ session });
  await send('HELO early.example\r\n');
  await clock.advance(30 * SECOND);
  assert.equal(said(), '');
  allow();
  await clock.settle();
  assert.match(said(), /^220 .*\r\n250 .*\r\n$/);
});

describe('before the greeting', () => {
  const late = () => {
    const session = new TestSession();
    session.waits = true;
    return start({ session });
  };

  test('what comes is told to the session, which refuses; none of it is looked at', async () => {
    const { send, said, wire, done, session } = late();
    await send('EHLO x\r\nQUIT\r\n');
    assert.match(said(), /^554 5\.5\.1 [^\r]*\r\n$/);
    assert.equal(wire.state, 'ended');
    await done;
    assert.deepEqual(session.calls, ['connect', 'closed']);
  });

  test('a stop is answered instead of it', async () => {
    const session = new TestSession();
    let greet: () => void = () => {};
    session.connect = () => new Promise((resolve) => (greet = () => resolve(null)));
    const { dialog, said, done } = start({ session });
    dialog.stop();
    greet();
    await done;
    assert.match(said(), /^421 4\.3\.2 [^\r]*\r\n$/);
  });
});
