/**
 * Errors of a disk that works again later: EIO at each kind of operation, short reads and writes, a file system
 * that is read-only for a while. Each at many places of a life by seed, and again at a start. Nothing that was
 * acknowledged is lost; nothing that is settled rises; it is told, in health or in the log; and without a restart
 * all is well again.
 *
 * FAULT_SEEDS=n tries n times as many places.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MINUTE, SECOND } from '../../src/base/clock.ts';
import type { Log } from '../../src/base/log.ts';
import type { Spool } from '../../src/spool/port.ts';
import { seeded } from '../support/fates.ts';
import { type Fault, MemoryFiles, type Operation } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { Actor, openOn } from './actor.ts';
import { Book, View } from './book.ts';
import { during, rest } from './history.ts';

const TIMES = Number(process.env.FAULT_SEEDS ?? 1);
/** Places that are tried of each kind. */
const PLACES = 2 * TIMES;
/** Many times what it takes: a busy machine is no failure. */
const TIMEOUT = 10 * 60_000 * TIMES;

interface World {
  readonly files: MemoryFiles;
  readonly clock: SimClock;
  readonly book: Book;
  readonly spool: Spool;
  readonly actor: Actor;
  /** What was told to people. */
  readonly told: string[];
}

async function world(seed: number, files = new MemoryFiles(), view = new View(new Map())): Promise<World> {
  const clock = new SimClock();
  const told: string[] = [];
  const book = new Book(view, () => files.now);
  const spool = await openOn(files, clock, { seed, log: telling(told), limits: { cache: 0 } });
  return { files, clock, book, spool, actor: new Actor(spool, clock, book, seed), told };
}

function telling(told: string[]): Log {
  const tell = (event: string): void => void told.push(event);
  const log: Log = { debug() {}, info() {}, warn: tell, error: tell, child: () => log };
  return log;
}

/** Mails small and large, outcomes, notices, moves, sealing, compaction, removal of segments. */
async function live(w: World): Promise<void> {
  const { actor } = w;
  await during(w, actor.steps(6));
  await rest(w, 3 * SECOND);
  await during(w, Promise.all([actor.commit(2000), actor.commit(300)]));
  await during(w, actor.steps(5));
  await rest(w, 5 * SECOND);
  for (const queue of ['acme', 'beta', '>example.net']) await during(w, actor.handOver(queue, 'delivered'));
  await rest(w, 5 * SECOND);
}

/** All is well by itself, and what was promised is there: now, and for the next process. */
async function allIsWell(w: World, seed: number): Promise<void> {
  w.files.fault = () => undefined;
  await rest(w, 2 * MINUTE);
  const { state, corrupt } = w.spool.health();
  assert.deepEqual({ state, corrupt }, { state: 'ok', corrupt: 0 });
  await w.book.view.check(w.spool);
  assert.ok(await takes(w), 'mail is taken');
  const next = await world(seed + 1, w.files.kill(), w.book.view);
  await next.book.view.check(next.spool, next.files);
}

/** What another process would find, were this one killed before all is well. */
async function killedAtOnce({ files, book }: World, seed: number): Promise<void> {
  const next = await world(
    seed + 2,
    files.killed(files.now, () => true),
    book.view.copy(),
  );
  await next.book.view.check(next.spool, next.files);
}

async function takes({ actor }: World): Promise<boolean> {
  const before = actor.refused.length;
  await actor.commit(100);
  return actor.refused.length === before;
}

type Which = (op: Operation) => boolean;

/** How often it takes place when nothing fails. */
async function count(which: Which, seed: number): Promise<number> {
  const w = await world(seed);
  let n = 0;
  w.files.fault = (op) => {
    if (which(op)) n++;
    return undefined;
  };
  await live(w);
  return n;
}

function* places(total: number, seed: number): Generator<number> {
  const random = seeded(seed);
  yield 0;
  for (let i = 1; i < Math.min(PLACES, total); i++) yield Math.floor(random() * total);
}

/** From the `at`-th on, `times` times. */
function failing(which: Which, at: number, times: number, fault: (op: Operation) => Fault) {
  let n = 0;
  return (op: Operation): Fault | undefined => {
    if (!which(op)) return undefined;
    const i = n++;
    return i >= at && i < at + times ? fault(op) : undefined;
  };
}

const EIO: Fault = { kind: 'error', code: 'EIO' };
const half =
  (code?: string) =>
  (op: Operation): Fault => ({
    kind: 'short',
    octets: op.octets >> 1,
    ...(code !== undefined && { code }),
  });

interface Kind {
  readonly name: string;
  readonly which: Which;
  readonly fault: (op: Operation) => Fault;
  /** Somebody hears of each. Others may be of what is only a help: read ahead, tidying up, a mark. */
  readonly told?: boolean;
}

const TOLD = new Set<Operation['kind']>(['create', 'datasync', 'rename', 'syncDir']);
const kindOf = (kind: Operation['kind'], code: string): Kind => ({
  name: `${code} at ${kind}`,
  which: (op) => op.kind === kind,
  fault: () => ({ kind: 'error', code }),
  told: TOLD.has(kind),
});

const isLong = (kind: Operation['kind']) => (op: Operation) => op.kind === kind && op.octets > 1;

const KINDS: readonly Kind[] = [
  ...(
    ['read', 'open', 'create', 'close', 'write', 'datasync', 'rename', 'remove', 'list', 'syncDir'] as const
  ).map((kind) => kindOf(kind, 'EIO')),
  ...(['create', 'write', 'datasync', 'syncDir'] as const).map((kind) => kindOf(kind, 'ENOSPC')),
  { name: 'a short read', which: isLong('read'), fault: half() },
  { name: 'a short write', which: isLong('write'), fault: half() },
  { name: 'EIO after half a write', which: isLong('write'), fault: half('EIO') },
  { name: 'ENOSPC after half a write', which: isLong('write'), fault: half('ENOSPC') },
  {
    name: 'ENOSPC after half a write, and EIO when it is cut off',
    which: (op) => op.kind === 'truncate' || (isLong('write')(op) && op.path.endsWith('.log')),
    fault: (op) => (op.kind === 'truncate' ? EIO : half('ENOSPC')(op)),
  },
];

describe('an error that goes by', { timeout: TIMEOUT }, () => {
  for (const { name, which, fault, told } of KINDS) {
    test(`${name}, while it works: nothing is lost, and all is well without a restart`, async (t) => {
      let tried = 0;
      for (const seed of [41, 42]) {
        const total = await count(which, seed);
        for (const at of places(total, seed)) {
          for (const times of [1, 6]) {
            const where = `seed ${seed}, ${times} from ${at} of ${total}`;
            const w = await world(seed);
            w.files.fault = failing(which, at, times, fault);
            try {
              await live(w);
              const isTold = w.told.length > 0 || w.actor.refused.length > 0;
              assert.ok(isTold || !told || total === 0, 'nobody was told');
              await killedAtOnce(w, seed);
              await allIsWell(w, seed);
            } catch (error) {
              throw new Error(`${where}: ${String(error)}`, { cause: error });
            }
            tried++;
          }
        }
      }
      t.diagnostic(`${tried} lives`);
    });

    test(`${name}, at a start: it starts, or the next one does, and nothing is lost`, async () => {
      for (const seed of [43, 44]) {
        const made = await world(seed);
        await live(made);
        await during(made, made.actor.steps(2));
        for (let at = 0; at < 30; at++) {
          const files = made.files.killed(made.files.now, () => true);
          let hit = 0;
          files.fault = failing(which, at, 1 + (at % 3), (op) => {
            hit++;
            return fault(op);
          });
          const where = `seed ${seed}, from ${at}`;
          const view = made.book.view.copy();
          try {
            const w = await world(seed + 5, files, view).catch(() => null);
            if (w) {
              const { corrupt } = w.spool.health();
              await rest(w, 10 * SECOND);
              files.fault = () => undefined;
              // What a start cannot read is counted; if nothing is, all is there.
              if (corrupt === 0) await w.book.view.check(w.spool);
              await rest(w, 40 * SECOND);
              await w.actor.commit(50);
            }
            const last = await world(seed + 9, files.kill(), w ? w.book.view : view);
            await last.book.view.check(last.spool, last.files);
          } catch (error) {
            throw new Error(`${where}: ${String(error)}`, { cause: error });
          }
          if (hit === 0) break;
        }
      }
    });
  }
});

const WRITES = new Set<Operation['kind']>(['create', 'write', 'truncate', 'rename', 'remove', 'makeDir']);

test('read-only for a while: refused and told; outcomes wait; then all goes on', {
  timeout: TIMEOUT,
}, async () => {
  for (const seed of [51, 52, 53]) {
    const total = await count((op) => WRITES.has(op.kind), seed);
    for (const at of places(total, seed)) {
      const w = await world(seed);
      let began = false;
      w.files.fault = (op) => {
        if (!WRITES.has(op.kind) || !(began ||= op.number >= at * 3)) return undefined;
        return { kind: 'error', code: 'EROFS' };
      };
      w.clock.after(20 * SECOND, () => {
        w.files.fault = () => undefined;
      });
      try {
        await live(w);
        await allIsWell(w, seed);
      } catch (error) {
        throw new Error(`seed ${seed}, from ${at}: ${String(error)}`, { cause: error });
      }
    }
  }
});

describe('what fails for long is told', () => {
  const lasting = async (kinds: readonly Operation['kind'][], code: string): Promise<World> => {
    const w = await world(61);
    await during(w, w.actor.steps(6));
    w.told.length = 0;
    w.files.fault = (op) => (kinds.includes(op.kind) ? { kind: 'error', code } : undefined);
    await during(w, Promise.all([w.actor.commit(1900), w.actor.commit(100)]));
    await rest(w, 10 * SECOND);
    return w;
  };

  test('EIO at each write: health says readonly, with the error', async () => {
    const w = await lasting(['create', 'write', 'datasync', 'rename', 'truncate'], 'EIO');
    const { state, why } = w.spool.health();
    assert.equal(state, 'readonly');
    assert.match(why ?? '', /EIO/);
    assert.ok(w.told.includes('spool cannot be written'));
  });

  test('EIO at each read: mails are set aside and counted', async () => {
    const w = await lasting(['read'], 'EIO');
    for (const queue of ['acme', 'beta']) await w.actor.handOver(queue);
    assert.ok(w.spool.health().corrupt > 0);
    assert.ok(w.told.includes('mail cannot be read'));
  });

  test('EIO at each removal: it is logged, and segments go when it is over', async () => {
    const w = await lasting(['remove'], 'EIO');
    for (let i = 0; i < 8; i++) await w.actor.commit(900);
    for (let i = 0; i < 6; i++) await during(w, w.actor.handOver('acme', 'delivered'));
    await w.actor.commit(900);
    await rest(w, 30 * SECOND);
    assert.ok(w.told.includes('spool maintenance failed'));
    const logs = (): number => w.files.paths().filter((path) => path.endsWith('.log')).length;
    const before = logs();
    w.files.fault = () => undefined;
    await rest(w, 30 * SECOND);
    assert.ok(logs() < before, `${before} segments, then ${logs()}`);
  });
});
