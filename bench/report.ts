/** Samples become lines: each figure as its median (least–most), and the ratio of the medians. */
import Table from 'cli-table3';
import { NO_BORDERS } from '../src/app/cli/format.ts';
import type { Line, Row, Sample } from './bench.ts';
import { seenText } from './seen.ts';

export interface Measured {
  readonly row: Row;
  /** By server, Restante first; then Postfix, and Postfix with `defer_transports` if it was run. */
  readonly samples: readonly { readonly server: string; readonly samples: readonly Sample[] }[];
}

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  const middle = sorted.length / 2;
  const median = sorted.length % 2 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
  return { median, least: at(0), most: at(sorted.length - 1) };
}

export const number = (n: number): string => {
  if (Number.isNaN(n)) return '';
  if (Math.abs(n) >= 100) return Math.round(n).toLocaleString('en');
  return n.toFixed(Math.abs(n) >= 10 ? 1 : 2);
};

export const spreadText = (values: readonly number[]): string => {
  const { median, least, most } = spread(values);
  return `${number(median)} (${number(least)}–${number(most)})`;
};

const HEAD = [
  '',
  'Restante',
  'Postfix',
  'ratio',
  'CPU µs a mail',
  'ratio',
  'PSS MiB',
  'source+sink µs',
  'least s',
];

export const table = (head: readonly string[]) =>
  new Table({
    head: [...head],
    // Columns that line up, without borders.
    chars: NO_BORDERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });

const pick = (samples: readonly Sample[], key: string) => samples.map((s) => s.values[key] ?? Number.NaN);
const median = (samples: readonly Sample[], of: (sample: Sample) => number | undefined) =>
  spread(samples.map((s) => of(s) ?? Number.NaN)).median;
const pair = (a: number, b: number) =>
  Number.isNaN(a) && Number.isNaN(b) ? '' : `${number(a)} / ${number(b)}`;

function ratio(ours: number, theirs: number, better: Line['better']): string {
  if (better === 'more') return `${number(ours / theirs)} ×`;
  return `1/${number(theirs / ours)}`;
}

function linesOf({ row, samples }: Measured): string[][] {
  const [ours, ...others] = samples;
  const main = row.lines[0];
  if (!ours || !main) return [];
  const sign = main.better === 'more' ? -1 : 1;
  const of = (s: readonly Sample[], key: string) => spread(pick(s, key)).median;
  // Compared is Postfix at its better.
  const ranked = others.toSorted((a, b) => sign * (of(a.samples, main.key) - of(b.samples, main.key)));
  const theirs = ranked[0];
  if (!theirs) return [];
  const cpu = (of_: readonly Sample[]) => median(of_, (s) => s.cpu);
  const harness = (of_: readonly Sample[]) => median(of_, (s) => s.source && s.source + (s.sink ?? 0));
  const least = (of_: readonly Sample[]) => Math.min(...of_.map((s) => s.seconds ?? Number.NaN));
  const memory = (of_: readonly Sample[]) => median(of_, (s) => s.memory);
  const all = [ours.samples, theirs.samples] as const;
  const both = (f: (s: readonly Sample[]) => number) => pair(f(all[0]), f(all[1]));
  const marked = theirs.server === 'Postfix' ? '' : ' *';
  const lines = row.lines.map((line, i) => [
    i === 0 ? `${row.title}, ${line.unit}` : `  ${line.unit}`,
    spreadText(pick(ours.samples, line.key)),
    `${spreadText(pick(theirs.samples, line.key))}${marked}`,
    ratio(of(ours.samples, line.key), of(theirs.samples, line.key), line.better),
    ...(i > 0
      ? []
      : [
          both(cpu),
          Number.isNaN(cpu(all[0])) ? '' : `1/${number(cpu(all[1]) / cpu(all[0]))}`,
          both(memory),
          both(harness),
          both(least),
        ]),
  ]);
  for (const other of ranked.slice(1)) {
    const cost = `/ ${number(cpu(other.samples))}`;
    lines.push([`  ${other.server}`, '', spreadText(pick(other.samples, main.key)), '', cost]);
  }
  return lines.map((line) => [...line, ...HEAD.slice(line.length).map(() => '')]);
}

export function tableOf(all: readonly Measured[]): string {
  const lines = table(HEAD);
  for (const measured of all) for (const line of linesOf(measured)) lines.push(line);
  return lines.toString();
}

/** What was compared mail by mail. */
export function idsOf(all: readonly Measured[]): string {
  const lines = table(['ids compared at the sink', '', 'sent', 'lost', 'doubled']);
  let any = false;
  for (const { row, samples } of all) {
    for (const { server, samples: found } of samples) {
      for (const { ids } of found) {
        if (!ids) continue;
        any = true;
        lines.push([row.name, server, ids.sent, ids.lost, ids.doubled].map(String));
      }
    }
  }
  return any ? lines.toString() : '';
}

/** What our log says of the mails of each timed part. */
export function seenOf(all: readonly Measured[]): string {
  const lines: string[] = [];
  for (const { row, samples } of all) {
    for (const { samples: found } of samples) {
      for (const { seen } of found) if (seen) lines.push(`${row.name}, by our log: ${seenText(seen)}`);
    }
  }
  return lines.join('\n');
}
