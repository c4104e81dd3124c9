/**
 * Plays power loss at every moment of a recorded life and holds what a restart makes of it against the book.
 * The model of what survives stands in `test/support/memory-disk.ts`.
 */
import { createHash } from 'node:crypto';
import { ALL, EXTREMES, fateOf, NOTHING, seeded } from '../support/fates.ts';
import type { Fate } from '../support/memory-disk.ts';
import type { MemoryFiles } from '../support/memory-files.ts';
import type { View } from './book.ts';
import { type Life, verify } from './history.ts';

export interface Examined {
  /** Disks that were built, and how many of them were different. */
  states: number;
  different: number;
  /** Disks after a second loss, during the start. */
  second: number;
  /** What was found wrong. */
  readonly violations: string[];
}

export interface ExamineOptions {
  readonly seed: number;
  /** Choices by seed at each moment, beside the extremes. */
  readonly choices: number;
  /** One moment of so many, which one by seed. Default: all. */
  readonly every?: number;
  /** Ends at the first violation. */
  readonly once?: boolean;
  /** Only so many moments after an operation of this name has ended. */
  readonly after?: { readonly name: string; readonly moments: number };
}

export async function examine(life: Life, name: string, options: ExamineOptions): Promise<Examined> {
  const { seed, choices } = options;
  const isMeant = meant(life, options);
  const viewAt = life.book.reader();
  const result: Examined = { states: 0, different: 0, second: 0, violations: [] };
  const seen = new Set<string>();
  const stale = staleOctets(life.files);
  for (let moment = 1; moment <= life.files.now; moment++) {
    const view = viewAt(moment);
    if (!isMeant(moment)) continue;
    const fates: [string, Fate][] = Object.entries(EXTREMES);
    for (let i = 0; i < choices; i++) {
      const choice = seed * 1_000_000 + moment * 100 + i;
      fates.push([`choice ${choice}`, fateOf(choice, stale)]);
    }
    for (const [what, fate] of fates) {
      result.states++;
      const files = life.files.lost(moment, fate);
      const key = keyOf(files, view);
      if (seen.has(key)) continue;
      seen.add(key);
      result.different++;
      // Dear: two more starts for each of them.
      const deep = result.different % 4 === 0;
      try {
        await verify(life.files.lost(moment, sameFate(what, fate, stale)), view.copy(), moment, deep);
        if (deep) result.second += await secondLoss(files, view, moment);
      } catch (error) {
        result.violations.push(`${name}, moment ${moment}, ${what}: ${String(error)}`);
        if (options.once) return result;
      }
    }
  }
  return result;
}

function meant(life: Life, { after, every = 1, seed }: ExamineOptions): (moment: number) => boolean {
  if (!after) return (moment) => (moment + seed) % every === 0;
  const marks = life.marks.get(after.name) ?? [];
  return (moment) => marks.some((mark) => moment >= mark && moment < mark + after.moments);
}

/** The power goes again while the start is at work, at three moments of it. */
async function secondLoss(files: MemoryFiles, view: View, seed: number): Promise<number> {
  await verify(files, view.copy(), seed, false);
  const random = seeded(seed);
  const until = files.now;
  const moments = [until, 1 + Math.floor(random() * until), 1 + Math.floor(random() * until)];
  for (const [i, moment] of moments.entries()) {
    const fate = i === 0 ? NOTHING : i === 1 ? fateOf(seed, Buffer.alloc(0)) : ALL;
    await verify(files.lost(moment, fate), view.copy(), seed, false);
  }
  return moments.length;
}

/** A choice by seed is spent by its use. */
function sameFate(what: string, fate: Fate, stale: Buffer): Fate {
  const choice = /^choice (\d+)$/.exec(what)?.[1];
  return choice === undefined ? fate : fateOf(Number(choice), stale);
}

/** What may be found where nothing was written: octets of files that were there. */
function staleOctets(files: MemoryFiles): Buffer {
  const logs = files.paths().filter((path) => path.endsWith('.log'));
  return Buffer.concat(logs.map((path) => files.octets(path)));
}

/** Equal disks under equal promises need to be looked at once only. */
function keyOf(files: MemoryFiles, view: View): string {
  const hash = createHash('sha1');
  for (const path of files.paths()) hash.update(path).update('\0').update(files.octets(path)).update('\0');
  for (const [name, state] of view.states) hash.update(`${name}${state ? JSON.stringify(state) : ''}`);
  for (const deed of [...view.underWay, ...view.unsure]) hash.update([...deed.effects.keys()].join());
  hash.update([...view.reserves.keys()].join());
  return hash.digest('base64');
}
