/** What is measured: the rows of the table, by name. */
import type { Row } from './bench.ts';
import { drain } from './compared/drain.ts';
import { forward } from './compared/forward.ts';
import { gate, hold } from './compared/hold.ts';
import { latency } from './compared/latency.ts';
import { restart } from './compared/restart.ts';
import type { Load } from './load.ts';

const SIZES = [4096, 65_536];

const LOADS: readonly Load[] = SIZES.flatMap((size) =>
  [20, 1, 100].flatMap((sessions) => [true, false].map((reused) => ({ size, sessions, reused }))),
);

export const ROWS: readonly Row[] = [
  ...LOADS.map((load) => hold(load)),
  gate({ size: 4096, sessions: 20, reused: true }),
  gate({ size: 4096, sessions: 20, reused: false }),
  ...LOADS.map(forward),
  ...SIZES.map(drain),
  restart(20_000),
  ...SIZES.map((size) => latency(size, false)),
  latency(4096, false, 100),
  latency(4096, true),
];

/** The rows that issue and documents speak of most. */
export const BARS = [
  'hold-4k-20-reused',
  'hold-4k-20-new',
  'gate-4k-20-reused',
  'gate-4k-20-new',
  'hold-64k-20-reused',
  'forward-4k-20-reused',
  'drain-4k',
  'latency-4k-down',
];

export const isNamed = (name: string, wanted: readonly string[]): boolean =>
  wanted.some((one) => name === one || name.startsWith(`${one}-`));

/** `wanted`: names, or their beginnings up to a hyphen; or `bars`. */
export function chosen(wanted: readonly string[]): readonly Row[] {
  const bars = wanted.includes('bars') ? BARS : [];
  return ROWS.filter(({ name }) => isNamed(name, wanted) || bars.includes(name));
}
