/** The pool before threads that a test plays: too much to do, threads that die, and such as stand still. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Line, listLog } from '../../../test/scenario/receive-harness.ts';
import { SimClock } from '../../../test/support/sim-clock.ts';
import { SECOND } from '../../base/clock.ts';
import { MemoryResolver } from '../../dns/memory.ts';
import type { Examined, Looking } from './examine.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { type Examination, type Skipped, Workers } from './workers.ts';

const FOUND: Examined = {
  authentication: { dkim: { result: 'none', domains: [] } },
  results: '',
  seal: [],
  doubtful: false,
  marks: [],
};
const LOOKING: Looking = { dmarc: 'off', arc: false, authservId: 'mx2.restante.example' };
const FACTS = { sender: '', now: 0 };

/** Hears all and answers nothing by itself. */
interface Played {
  readonly heard: ToWorker[];
  readonly say: (message: FromWorker) => void;
  readonly die: (why: string) => void;
  ended: boolean;
}

class World {
  readonly clock = new SimClock();
  readonly lines: Line[] = [];
  readonly threads: Played[] = [];
  readonly workers: Workers;
  onStart: (thread: Played) => void = () => {};

  constructor(threads = 1) {
    this.workers = new Workers({
      looking: () => LOOKING,
      threads: () => threads,
      resolver: new MemoryResolver(),
      clock: this.clock,
      log: listLog(this.lines),
      start: (say, die) => {
        const thread: Played = { heard: [], say, die, ended: false };
        this.threads.push(thread);
        // As a real one: not before its starter has it.
        this.clock.after(0, () => this.onStart(thread));
        return {
          say: (message) => void thread.heard.push(message),
          end: () => {
            thread.ended = true;
          },
        };
      },
    });
  }

  mail(): Examination {
    const begun = this.workers.begin();
    assert.ok('write' in begun, JSON.stringify(begun));
    return begun;
  }

  thread(i = 0): Played {
    const thread = this.threads[i];
    assert.ok(thread, `there is no thread ${i}`);
    return thread;
  }

  get lost(): unknown[] {
    return this.lines.filter((line) => line.event === 'authentication thread lost').map((l) => l.fields.why);
  }
}

describe('too much to do', () => {
  test('300 mails wait for a thread; the next is skipped at once, and the one after an answer is not', async () => {
    const world = new World();
    const waiting = Array.from({ length: 300 }, () => world.mail().end(FACTS));
    assert.deepEqual(world.workers.begin(), { skipped: 'too much to do' });
    const { heard, say } = world.thread();
    assert.equal(heard.filter((one) => one.kind === 'end').length, 300);
    say({ kind: 'examined', mail: 0, examined: FOUND });
    assert.equal(await waiting[0], FOUND);
    const next = world.mail().end(FACTS);
    assert.deepEqual(world.workers.begin(), { skipped: 'too much to do' });
    // Nobody waits for longer than the deadline, and no timer is left.
    await world.clock.advance(16 * SECOND);
    const skipped = await Promise.all([...waiting.slice(1), next]);
    assert.equal(skipped.filter((one) => 'skipped' in one).length, 300);
    assert.equal(world.clock.armed, 0);
  });

  test('mails that began before it was too much are skipped when they end', async () => {
    const world = new World();
    const late = world.mail();
    for (let i = 0; i < 300; i++) void world.mail().end(FACTS);
    assert.deepEqual(await late.end(FACTS), { skipped: 'too much to do' });
    assert.equal(world.thread().heard.filter((one) => one.kind === 'end').length, 300);
  });

  test('16 MiB are on their way to a thread; more is sent when it has taken some', async () => {
    const world = new World();
    const mail = world.mail();
    const piece = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 16; i++) mail.write(piece);
    const sent = () => world.thread().heard.filter((one) => one.kind === 'piece').length;
    assert.equal(sent(), 16);
    assert.deepEqual(world.workers.begin(), { skipped: 'too much to do' });
    mail.write(piece);
    assert.equal(sent(), 16);
    assert.equal(world.thread().heard.at(-1)?.kind, 'abort');
    assert.deepEqual(await mail.end(FACTS), { skipped: 'too much to do' });
    world.thread().say({ kind: 'taken', octets: piece.byteLength });
    world.mail().write(piece);
    assert.equal(sent(), 17);
  });

  test('who can wait has room while half of that is on its way, and goes on when the thread took some, died or stands still', async () => {
    const world = new World();
    const mail = world.mail();
    const piece = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 8; i++) {
      assert.equal(mail.room(), undefined);
      mail.write(piece);
    }
    let goneOn = 0;
    const wait = () => void mail.room()?.then(() => goneOn++);
    wait();
    await world.clock.settle();
    assert.equal(goneOn, 0);
    world.thread().say({ kind: 'taken', octets: piece.byteLength });
    await world.clock.settle();
    assert.equal(goneOn, 1);
    mail.write(piece);
    wait();
    await world.clock.advance(15 * SECOND);
    assert.equal(goneOn, 2);
    wait();
    world.thread().die('boom');
    await world.clock.settle();
    assert.equal(goneOn, 3);
    assert.equal(mail.room(), undefined);
    assert.equal(world.clock.armed, 0);
  });
});

describe('a thread that dies', () => {
  test('leaves its mails skipped, and a new one starts', async () => {
    const world = new World();
    const ended = world.mail().end(FACTS);
    const begun = world.mail();
    await world.clock.advance(2 * SECOND);
    world.thread().die('out of memory');
    assert.deepEqual(world.workers.begin(), { skipped: 'no thread runs' });
    await world.clock.advance(SECOND);
    assert.deepEqual(await ended, { skipped: 'the thread was lost' });
    assert.deepEqual(await begun.end(FACTS), { skipped: 'the thread was lost' });
    assert.deepEqual(world.lost, ['out of memory']);
    const next = world.mail().end(FACTS);
    assert.equal(world.threads.length, 2);
    // What the dead one still says is nothing to the new one's mails.
    world.thread(1).say({ kind: 'examined', mail: 0, examined: FOUND });
    assert.equal(await next, FOUND);
    await world.clock.advance(0);
    assert.equal(world.clock.armed, 0);
  });

  test('at once, again and again, is started once a second at most', async () => {
    const world = new World();
    world.onStart = ({ die }) => die('it cannot start');
    const seen: (Examined | Skipped)[] = [];
    for (let i = 0; i < 100; i++) {
      const begun = world.workers.begin();
      const end = 'write' in begun ? begun.end(FACTS) : begun;
      await world.clock.advance(SECOND / 10);
      seen.push(await end);
    }
    assert.ok(seen.every((one) => 'skipped' in one));
    assert.ok(world.threads.length >= 9 && world.threads.length <= 11, `${world.threads.length} starts`);
  });

  test('beside one that lives is no oftener started', async () => {
    const world = new World(2);
    // At work: each of those behind it would like another thread.
    const waiting = [world.mail().end(FACTS)];
    await world.clock.advance(0);
    world.onStart = ({ die }) => die('it cannot start');
    const before = world.threads.length;
    for (let i = 0; i < 50; i++) {
      waiting.push(world.mail().end(FACTS));
      await world.clock.advance(SECOND / 10);
    }
    const starts = world.threads.length - before;
    assert.ok(starts >= 4 && starts <= 6, `${starts} starts`);
    await world.clock.advance(16 * SECOND);
    await Promise.all(waiting);
  });

  test('of two leaves the other at work', async () => {
    const world = new World(2);
    const [first, second] = [world.mail().end(FACTS), world.mail().end(FACTS)];
    assert.equal(world.threads.length, 2);
    world.thread(0).die('gone');
    assert.deepEqual(await first, { skipped: 'the thread was lost' });
    world.thread(1).say({ kind: 'examined', mail: 0, examined: FOUND });
    assert.equal(await second, FOUND);
  });

  test('or stands still, is given up; one that is only slow is not', async () => {
    const world = new World();
    const slow = world.mail().end(FACTS);
    await world.clock.advance(10 * SECOND);
    world.thread().say({ kind: 'taken', octets: 0 });
    await world.clock.advance(6 * SECOND);
    assert.deepEqual(await slow, { skipped: 'no answer within 15 s' });
    assert.equal(world.thread().ended, false);
    const stuck = world.mail().end(FACTS);
    await world.clock.advance(16 * SECOND);
    assert.deepEqual(await stuck, { skipped: 'no answer within 15 s' });
    assert.equal(world.thread().ended, true);
    assert.deepEqual(world.lost, ['it stands still']);
  });
});
