/**
 * A recorded workload: lives of the process, each over the disk that the one before has left, with the book
 * of what was promised at each moment. It has in it: small mail and large, for one queue and two; settles
 * with notices, deferrals, holds, moves, splits, removals; sealing, side files, compaction, removal of segments;
 * room kept back and its use on a full disk; a segment that became doubtful; an orderly end, a kill.
 */
import { SECOND } from '../../src/base/clock.ts';
import type { Spool } from '../../src/spool/port.ts';
import { seeded } from '../support/fates.ts';
import { type Fault, MemoryFiles, type Operation } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { Actor, openOn } from './actor.ts';
import { Book, View } from './book.ts';

export interface Life {
  readonly files: MemoryFiles;
  readonly book: Book;
  readonly clock: SimClock;
  /** When each kind of operation has ended; syncs by what they are for. */
  readonly marks: Map<string, number[]>;
}

export interface HistoryOptions {
  readonly seed: number;
  /** A sync that is left out. */
  readonly without?: string;
}

/** Lives: one that is killed in the middle of its work, one that ends in order, one that finds it so. */
export async function record({ seed, without }: HistoryOptions): Promise<Life[]> {
  const clock = new SimClock();
  const first = newLife(new MemoryFiles(), new View(new Map()), clock, without);
  const spool = await openOn(first.files, clock, { seed });
  await first.book.shown(spool);
  await workFully(new Actor(spool, clock, first.book, seed), first);
  await killIn(first, new Actor(spool, clock, first.book, seed + 1), seed);

  const second = await nextLife(
    first,
    first.files.killed(first.files.now, () => seed % 2 === 0),
    without,
  );
  // A full disk: not even a new segment can be made at first.
  const blocked = seed % 2 === 1;
  if (blocked)
    second.files.fault = (op) => (op.kind === 'create' ? { kind: 'error', code: 'ENOSPC' } : undefined);
  const again = await openOn(second.files, clock, { seed: seed + 2 });
  await second.book.shown(again);
  await rest(second, 3 * SECOND);
  second.files.fault = () => undefined;
  await rest(second, 40 * SECOND);
  const actor = new Actor(again, clock, second.book, seed + 3);
  await during(second, actor.steps(5));
  await rest(second, 3 * SECOND);
  await again.close();

  const third = await nextLife(second, second.files.kill(), without);
  const last = await openOn(third.files, clock, { seed: seed + 4 });
  await third.book.shown(last);
  await during(third, new Actor(last, clock, third.book, seed + 5).steps(3));
  await drain(new Actor(last, clock, third.book, seed + 6), third);
  await last.close();
  return [first, second, third];
}

const QUEUES = ['acme', 'beta', '>example.net'];

/** One short life of plain work, for many seeds. */
export async function recordShort(seed: number): Promise<Life> {
  const clock = new SimClock();
  const life = newLife(new MemoryFiles(), new View(new Map()), clock, undefined);
  const spool = await openOn(life.files, clock, { seed });
  await life.book.shown(spool);
  const actor = new Actor(spool, clock, life.book, seed);
  await during(life, actor.steps(8));
  await rest(life, 3 * SECOND);
  await during(life, actor.steps(4));
  await drain(actor, life);
  await spool.close();
  return life;
}

function newLife(files: MemoryFiles, view: View, clock: SimClock, without: string | undefined): Life {
  files.without = without ?? null;
  const book = new Book(view, () => files.now);
  const marks = new Map<string, number[]>();
  const begun = new Set<number>();
  files.moment = (now, op) => {
    const isEnd = begun.has(op.number);
    begun.add(op.number);
    const name = op.why ?? op.kind;
    if (isEnd) marks.set(name, [...(marks.get(name) ?? []), now]);
    watchReserves(book, files, op, isEnd);
  };
  return { files, book, clock, marks };
}

async function nextLife(before: Life, files: MemoryFiles, without: string | undefined): Promise<Life> {
  before.book.close();
  files.capacity = Infinity;
  return newLife(files, before.book.view, before.clock, without);
}

/** Room is kept from when its name is safe until somebody takes it. */
function watchReserves(book: Book, files: MemoryFiles, op: Operation, isEnd: boolean): void {
  const path = /^\/var\/spool\/reserve\.\w+$/;
  if (op.kind === 'rename' && path.test(op.path) && !isEnd) book.kept(op.path, false);
  if (op.why !== 'reserve name' || !isEnd) return;
  for (const there of files.paths()) if (path.test(there)) book.kept(there, true);
}

async function workFully(actor: Actor, life: Life): Promise<void> {
  await during(life, actor.steps(6));
  await rest(life, 3 * SECOND);
  await during(life, actor.steps(8));
  await becomeDoubtful(actor, life);
  await during(life, actor.steps(3));
  await failCompaction(actor, life);
  await fillUp(actor, life);
  await during(life, actor.steps(4));
  await drain(actor, life);
  await during(life, actor.steps(4));
}

/** A sync fails under mail and outcomes. */
async function becomeDoubtful(actor: Actor, life: Life): Promise<void> {
  await actor.commit(100);
  once(life, (op) => op.why === 'group', { kind: 'error', code: 'EIO' });
  await during(life, Promise.all([actor.commit(300), actor.handOver('acme'), actor.commit(2000)]));
  await during(life, actor.commit(200));
  await rest(life, 20 * SECOND);
}

/** A sync fails under compaction, and no mail is on its way. */
async function failCompaction(actor: Actor, life: Life): Promise<void> {
  for (let i = 0; i < 4; i++) await actor.commit(700);
  await during(life, actor.handOver('acme', 'delivered'));
  once(life, (op) => op.why === 'group', { kind: 'error', code: 'EIO' });
  await rest(life, 3 * SECOND);
  life.files.fault = () => undefined;
  await rest(life, 20 * SECOND);
}

/** Somebody else takes all the room: a group is cut in the middle, outcomes go to the room kept back. */
async function fillUp(actor: Actor, life: Life): Promise<void> {
  const { files } = life;
  await Promise.all([actor.commit(200), actor.commit(300)]);
  await rest(life, 3 * SECOND);
  const used = files.paths().reduce((sum, path) => sum + files.octets(path).length, 0);
  // One record of the group fits, the others do not.
  files.capacity = used + 900;
  await Promise.all([actor.commit(50), actor.commit(600), actor.commit(700)]);
  files.capacity = used;
  // Room returns when what was kept back may be used up.
  life.clock.after(30 * SECOND, () => {
    files.capacity = Infinity;
  });
  for (let i = 0; i < 2; i++) {
    await during(life, Promise.all(QUEUES.map((queue) => actor.handOver(queue))));
    await rest(life, 5 * SECOND);
  }
  await rest(life, 60 * SECOND);
  await actor.commit();
}

/** Nearly all goes, so that segments do. */
async function drain(actor: Actor, life: Life): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await during(life, Promise.all(QUEUES.map((queue) => actor.handOver(queue, 'delivered'))));
  }
  await rest(life, 10 * SECOND);
}

/** Ends it at some operation while mail comes in, or while segments are being removed. */
async function killIn(life: Life, actor: Actor, seed: number): Promise<void> {
  const { files } = life;
  const random = seeded(seed);
  let left = 1 + Math.floor(random() * 8);
  let ended: () => void = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const inRemoval = seed % 2 === 1;
  files.fault = (op) => {
    const counts = inRemoval ? op.kind === 'remove' && op.path.endsWith('.log') : op.kind !== 'read';
    if (!counts || --left > 0) return undefined;
    life.book.close();
    ended();
    return { kind: 'crash', when: 'after' };
  };
  if (inRemoval) left = 1;
  const work = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      await Promise.all([actor.commit(), actor.handOver('acme'), actor.handOver('beta'), actor.commit()]);
      await rest(life, 3 * SECOND);
    }
  };
  await Promise.race([end, work().catch(() => end)]);
}

function once(life: Life, matches: (op: Operation) => boolean, fault: Fault): void {
  let isDone = false;
  life.files.fault = (op) => {
    if (isDone || !matches(op)) return undefined;
    isDone = true;
    return fault;
  };
}

/** Lets time pass, and what follows from it be done. */
export async function rest(life: { clock: SimClock; files: MemoryFiles }, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= SECOND) {
    await life.clock.advance(Math.min(left, SECOND));
    for (let before = -1; before !== life.files.operations; ) {
      before = life.files.operations;
      await life.clock.settle();
    }
  }
}

/** Lets time go on until it is done: what is to be tried again is. */
export async function during<T>(life: Pick<Life, 'clock' | 'files'>, work: Promise<T>): Promise<void> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  for (let i = 0; !isDone; i++) {
    if (i > 1000) throw new Error('it never ends');
    await life.clock.settle();
    if (!isDone) await life.clock.advance(100);
  }
  await done;
}

/** What a spool does with a disk that it is given: is what was promised there, and does it work on? */
export async function verify(files: MemoryFiles, view: View, seed: number, worksOn: boolean): Promise<void> {
  const clock = new SimClock(Date.UTC(2026, 1, 1));
  let spool: Spool = await openOn(files, clock, { seed });
  await view.check(spool, files);
  if (!worksOn) return;
  const book = new Book(view, () => files.now);
  const actor = new Actor(spool, clock, book, seed);
  await Promise.all([actor.commit(), actor.commit(1700)]);
  // No split: what the suffix of a split would be is not known here.
  await actor.operate(5);
  await Promise.all([actor.handOver('acme'), actor.handOver('>example.net'), actor.commit()]);
  await rest({ clock, files }, 2 * SECOND);
  await spool.close();
  spool = await openOn(files, clock, { seed: seed + 1 });
  await book.view.check(spool);
  await spool.close();
}
