/**
 * What may become of that which is not safe when the power goes (`memory-disk.ts` is the model): the
 * extremes that an adversary would choose, and choices by seed.
 */
import { type Fate, type NameChange, type Op, SECTOR } from './memory-disk.ts';

/** A random source that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const zeros = (into: Buffer): void => void into.fill(0);
const none = { size: 0, sector: () => 0 };
const whole = (ops: readonly Op[]) => ({ size: ops.length, sector: () => ops.length });

/** Nothing that is not safe survives. */
export const NOTHING: Fate = { name: () => false, content: () => none, hole: zeros };
/** All does. */
export const ALL: Fate = { name: () => true, content: whole, hole: zeros };
/** Files are there and as long as they were made, with nothing in them. */
const NAMES_AND_LENGTHS: Fate = {
  name: () => true,
  content: (ops) => ({ size: ops.length, sector: () => 0 }),
  hole: zeros,
};
const NAMES: Fate = { name: () => true, content: () => none, hole: zeros };
const CONTENT: Fate = { name: () => false, content: whole, hole: zeros };
/** Of each folder and file, the last change only: the later without the earlier. */
const LAST: Fate = {
  name: (_, i, of) => i === of.length - 1,
  content: (ops) => {
    const last = ops.at(-1);
    const isIn = (sector: number): boolean =>
      last !== undefined && (sector + 1) * SECTOR > last.at && sector * SECTOR < last.at + last.octets.length;
    return { size: ops.length, sector: (i) => (isIn(i) ? ops.length : 0) };
  },
  hole: zeros,
};

/** All but the last change. */
const BUT_LAST: Fate = {
  name: (_, i, of) => i < of.length - 1,
  content: (ops) => ({ size: ops.length - 1, sector: () => ops.length - 1 }),
  hole: zeros,
};

export const EXTREMES: Readonly<Record<string, Fate>> = {
  'nothing survives': NOTHING,
  'all survives': ALL,
  'names without content': NAMES,
  'names and lengths without content': NAMES_AND_LENGTHS,
  'content without names': CONTENT,
  'only the last': LAST,
  'all but the last': BUT_LAST,
};

/** By seed. `stale`: what the disk held before, to be found where nothing was written. */
export function fateOf(seed: number, stale: Buffer): Fate {
  const random = seeded(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const mode = below(3);
  const until = new Map<readonly NameChange[], number>();
  return {
    name: (_, i, of) => {
      if (mode === 0) return random() < 0.5;
      const kept = until.get(of) ?? below(of.length + 1);
      until.set(of, kept);
      return i < kept;
    },
    content: (ops) => {
      const how = below(3);
      const all = below(ops.length + 1);
      if (how === 0) return { size: all, sector: () => all };
      const size = how === 1 ? ops.length : all;
      return { size, sector: () => below(ops.length + 1) };
    },
    hole: (into) => {
      if (stale.length === 0 || random() < 0.5) into.fill(0);
      else stale.copy(into, 0, below(stale.length));
    },
  };
}
