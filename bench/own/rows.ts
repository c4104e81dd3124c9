/** Rows of our own: what has no counterpart in Postfix, or is not worth one. */
import type { Bench } from '../bench.ts';
import { big } from './big.ts';
import { manyDead, oneDead } from './dead.ts';
import { GATES } from './gate.ts';
import { mailbox } from './mailbox.ts';
import { million } from './million.ts';
import { starttls } from './starttls.ts';

export interface OwnLine {
  readonly what: string;
  readonly text: string;
}

export interface OwnRow {
  readonly name: string;
  /** Not in a run that names no rows. */
  readonly long: boolean;
  readonly run: (bench: Bench) => Promise<readonly OwnLine[]>;
}

export const OWN: readonly OwnRow[] = [starttls, big, oneDead, manyDead, mailbox, ...GATES, million];
