/**
 * One bit flips, at every octet of side files and at a dense sample of segments and large bodies. It is found by
 * checksum and counted; at most one mail is hurt; all else is as it was promised, what was acknowledged behind the
 * damage too. And no content passes for a record.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SECOND } from '../../src/base/clock.ts';
import { entryFor, idsOf, octetsOf, put, putOne } from '../../src/spool/contract-support.ts';
import type { EntryId, Spool } from '../../src/spool/port.ts';
import { seeded } from '../support/fates.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SimClock } from '../support/sim-clock.ts';
import { Actor, openOn } from './actor.ts';
import { Book, View } from './book.ts';
import { during, rest } from './history.ts';

/** Every so many-th octet of a segment or large body. */
const STEP = Math.max(1, Math.floor(7 / Number(process.env.FAULT_SEEDS ?? 1)));

interface Made {
  readonly files: MemoryFiles;
  readonly view: View;
}

async function make(inOrder: boolean): Promise<Made> {
  const clock = new SimClock();
  const files = new MemoryFiles();
  const book = new Book(new View(new Map()), () => files.now);
  const spool = await openOn(files, clock, { seed: 3 });
  const actor = new Actor(spool, clock, book, 3);
  await during({ clock, files }, actor.steps(6));
  await actor.commit(2000);
  await actor.commit(100);
  await rest({ clock, files }, 5 * SECOND);
  if (inOrder) await spool.close();
  return { files, view: book.view };
}

/** What a start makes of it: the mails that are hurt, how many have risen, and what is counted. */
async function look(
  { view }: Made,
  files: MemoryFiles,
): Promise<{ hurt: string[]; risen: number; counted: number }> {
  const spool = await openOn(files, new SimClock(), { seed: 9 });
  const hurt = new Set<string>();
  let risen = 0;
  for (const [name, state] of view.states) {
    if (name.startsWith('notice')) continue;
    const same = await isWhole(spool, name, view.contents.get(name) ?? Buffer.alloc(0));
    if (state !== null && !same) hurt.add(name.replace(/\..*/, ''));
    if (state === null && !('kind' in (await spool.read(name)))) risen++;
  }
  return { hurt: [...hurt], risen, counted: spool.health().corrupt };
}

async function isWhole(spool: Spool, id: EntryId, content: Buffer): Promise<boolean> {
  try {
    return (await octetsOf(await spool.open(id))).equals(content);
  } catch {
    return false;
  }
}

async function flip(made: Made, path: string, at: number): Promise<Awaited<ReturnType<typeof look>>> {
  const files = made.files.killed(made.files.now, () => true);
  const octets = Buffer.from(files.octets(path));
  octets[at] = (octets[at] ?? 0) ^ (1 << (at % 8));
  octets.copy(files.octets(path));
  return look(made, files);
}

for (const inOrder of [true, false]) {
  describe(inOrder ? 'after an orderly end' : 'after a kill at rest', () => {
    test('a flipped bit in a side file costs nothing', async () => {
      const made = await make(inOrder);
      const sides = made.files.paths().filter((path) => path.endsWith('.idx'));
      for (const path of sides) {
        for (let at = 0; at < made.files.octets(path).length; at++) {
          const found = await flip(made, path, at);
          assert.deepEqual(found, { hurt: [], risen: 0, counted: 0 }, `${path} at ${at}`);
        }
      }
    });

    test('a flipped bit in a segment or a large body hurts one mail at most, and is counted', async (t) => {
      const made = await make(inOrder);
      let flips = 0;
      const paths = made.files.paths().filter((path) => path.endsWith('.log') || path.includes('/large/'));
      for (const path of paths) {
        for (let at = flips % STEP; at < made.files.octets(path).length; at += STEP) {
          flips++;
          const { hurt, risen, counted } = await flip(made, path, at);
          const where = `${path} at ${at}: ${hurt.join()} hurt, ${risen} risen`;
          assert.ok(hurt.length <= 1, where);
          // Damage that takes a death lets its mail be repeated: never silently.
          assert.ok(hurt.length + risen === 0 || counted > 0, where);
        }
      }
      t.diagnostic(`${flips} flips`);
    });
  });
}

test('with its side file gone too, damage in the last group of a segment that was closed in order is damage', async () => {
  const files = new MemoryFiles();
  const spool = await openOn(files, new SimClock());
  await putOne(spool, 'acme', 'the last');
  await spool.close();
  const again = files.kill();
  const path = again.paths().find((p) => p.endsWith('.log')) ?? '';
  await again.remove(path.replace('.log', '.idx'));
  const octets = again.octets(path);
  octets[5] = (octets[5] ?? 0) ^ 1;
  assert.equal((await openOn(again, new SimClock())).health().corrupt, 1);
});

/*
 * What is guaranteed: a record is valid only with its segment's salt (64 bits that nobody is told and that are new
 * for each segment) and only at its own offset. So whoever cannot read the spool's folder cannot make one.
 */
test('no content passes for a record, be it made of records of another segment or of its own', async () => {
  const random = seeded(11);
  const limits = { segment: 1e6, gathered: 1e6 };
  for (let round = 0; round < 30; round++) {
    const files = new MemoryFiles();
    const spool = await openOn(files, new SimClock(), { limits });
    const own = files.paths().find((p) => p.endsWith('.log')) ?? '';
    const victim = await putOne(spool, 'acme', 'victim');
    // An attacker who has got hold of all that was written so far, here and elsewhere.
    const foreign = new MemoryFiles();
    await putOne(await openOn(foreign, new SimClock(), { limits }), 'acme', 'forged');
    const captured = [
      files.octets(own),
      foreign.octets(foreign.paths().find((p) => p.endsWith('.log')) ?? ''),
    ];
    const pieces = Array.from({ length: 6 }, () => {
      const from = captured[Math.floor(random() * 2)] ?? Buffer.alloc(0);
      return Buffer.concat([Buffer.alloc(Math.floor(random() * 40)), from]);
    });
    const content = Buffer.concat(pieces);
    const [carrier = ''] = await put(spool, [entryFor('acme')], content);
    const last = await putOne(spool, 'acme', 'last');
    // Its own frame is damaged, so that recovery looks for records inside.
    const rest = files.kill();
    const octets = rest.octets(own);
    const start = captured[0]?.length ?? 0;
    octets[start + 4] = (octets[start + 4] ?? 0) ^ 1;
    assert.ok(octets.indexOf(content) > start);
    const again = await openOn(rest, new SimClock(), { limits });
    assert.deepEqual(await idsOf(again.find({})), [victim, last], `${carrier}, round ${round}`);
    assert.equal(again.health().corrupt, 1);
  }
});

test('a record that was made elsewhere is none here, at its very own place', async () => {
  const limits = { segment: 1e6, gathered: 1e6 };
  const made = async (): Promise<{ files: MemoryFiles; spool: Spool; path: string }> => {
    const files = new MemoryFiles();
    const spool = await openOn(files, new SimClock(), { limits });
    const path = files.paths().find((p) => p.endsWith('.log')) ?? '';
    await putOne(spool, 'acme', 'victim');
    return { files, spool, path };
  };
  // Whoever knows how long our records are knows where his content will stand.
  const twin = await made();
  const before = twin.files.octets(twin.path).length;
  await put(twin.spool, [entryFor('acme')], Buffer.from('#here#'));
  const here = twin.files.octets(twin.path).indexOf('#here#');
  const foreign = await made();
  // So many that the forged mail has a name that is not given here.
  for (let i = 0; i < 4; i++) await putOne(foreign.spool, 'acme', 'filler'.repeat(300));
  const place = foreign.files.octets(foreign.path).length;
  await putOne(foreign.spool, 'acme', 'forged');
  const forged = Buffer.from(foreign.files.octets(foreign.path).subarray(place));
  const own = await made();
  const ids = await idsOf(own.spool.find({}));
  await put(own.spool, [entryFor('acme')], Buffer.concat([Buffer.alloc(place - here), forged]));
  ids.push(await putOne(own.spool, 'acme', 'last'));
  const rest = own.files.kill();
  const octets = rest.octets(own.path);
  assert.equal(octets.indexOf(forged), place);
  octets[before + 4] = (octets[before + 4] ?? 0) ^ 1;
  const again = await openOn(rest, new SimClock(), { limits });
  assert.deepEqual(await idsOf(again.find({})), ids);
});
