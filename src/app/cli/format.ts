/** How values look to people: ages, sizes, rates, tables. */
import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import type { Terminal } from './terminal.ts';

/** The two largest units of a span: "3d 4h", "12m 5s", "0s". */
export function span(ms: number): string {
  let left = Math.max(0, Math.round(ms / 1000));
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const n = Math.floor(left / seconds);
    left -= n * seconds;
    if (n > 0 || parts.length > 0) parts.push(`${n}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.filter((part) => !part.startsWith('0')).join(' ') || '0s';
}

export const age = (since: string | null, now: number): string =>
  since === null ? '-' : span(now - Date.parse(since));

export function octets(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit === 0 || n >= 99.5 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

export const perSecond = (rate: number): string =>
  rate <= 0
    ? '-'
    : rate >= 10
      ? `${Math.round(rate)}/s`
      : rate >= 0.1
        ? `${rate.toFixed(1)}/s`
        : `${(rate * 60).toFixed(1)}/min`;

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** Text from the wire, made harmless for a terminal. */
export const plain = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');

const COLOURS: Record<string, 'green' | 'red' | 'yellow' | 'magenta'> = {
  up: 'green',
  ok: 'green',
  good: 'green',
  aside: 'red',
  down: 'red',
  full: 'red',
  readonly: 'red',
  doubtful: 'red',
  undeliverable: 'red',
  draining: 'yellow',
  deferred: 'yellow',
  held: 'magenta',
};
export function state(terminal: Terminal, word: string): string {
  const colour = COLOURS[word];
  return terminal.colour && colour ? styleText(colour, word, { validateStream: false }) : word;
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** May be cut when the terminal is too narrow. */
  readonly gives?: boolean;
}

const GAP = 2;
const width = (text: string): number => [...stripVTControlCharacters(text)].length;

/**
 * Rows in columns that line up, without borders. On a terminal, columns that give are cut to fit.
 * `widths` is remembered by the caller for a table that comes in pieces; a piece behind the first has no head.
 */
export class Columns {
  readonly #columns: readonly Column[];
  readonly #terminal: Terminal;
  #widths: number[];
  #headed = false;

  constructor(terminal: Terminal, columns: readonly Column[]) {
    this.#terminal = terminal;
    this.#columns = columns;
    this.#widths = columns.map((column) => width(column.title));
  }

  print(rows: readonly (readonly string[])[]): void {
    for (const row of rows) {
      row.forEach((cell, i) => {
        this.#widths[i] = Math.max(this.#widths[i] ?? 0, width(cell));
      });
    }
    if (this.#terminal.tty) this.#fit();
    const table = new Table({
      head: this.#headed ? [] : this.#columns.map((column) => column.title),
      colWidths: this.#widths,
      colAligns: this.#columns.map((column) => (column.right ? 'right' : 'left')),
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
      chars: NO_BORDERS,
    });
    table.push(...rows.map((row) => [...row]));
    this.#headed = true;
    const lines = table.toString().split('\n');
    this.#terminal.out(`${lines.map((line) => line.trimEnd()).join('\n')}\n`);
  }

  /** Takes what is too wide from the widest column that gives, again and again. */
  #fit(): void {
    const gap = GAP * (this.#columns.length - 1);
    let over = this.#widths.reduce((sum, w) => sum + w, gap) - this.#terminal.columns;
    while (over > 0) {
      let widest = -1;
      this.#columns.forEach((column, i) => {
        const w = this.#widths[i] ?? 0;
        if (column.gives && w > 8 && w > (this.#widths[widest] ?? 0)) widest = i;
      });
      if (widest < 0) return;
      this.#widths[widest] = (this.#widths[widest] ?? 0) - 1;
      over--;
    }
  }
}

export const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
};

/** Names and values under each other. */
export function pairs(terminal: Terminal, rows: readonly (readonly [string, string])[]): void {
  const left = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) terminal.out(`${name.padEnd(left)}  ${value}\n`);
}

export const printJson = (terminal: Terminal, value: unknown): void =>
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
