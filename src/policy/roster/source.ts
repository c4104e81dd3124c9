/**
 * Where a complete list comes from, as the roster sees it: a file, or an HTTPS server.
 */
import type { Instant } from '../../base/clock.ts';
import type { Soon } from '../../base/soon.ts';
import type { RecipientList } from './list.ts';

export interface Source {
  /** The list as it is now; undefined if there never was a good one. */
  current(): Soon<RecipientList | undefined>;
  /** For people. */
  view(): SourceView;
  /** Begins to keep it up to date. */
  start(): void;
  stop(): void;
  /** The last good copy is not to be used any more. */
  forget(): void;
}

export interface SourceView {
  /** Its path or URL. */
  readonly from: string;
  readonly recipients: number | null;
  /** When the list that is used was read, and when it was last looked at whether there is another. */
  readonly read: Instant | null;
  readonly looked: Instant | null;
  /** What is wrong with it at the moment. */
  readonly alarm: string | null;
}

/** About three million addresses; more is a mistake. */
export const LARGEST_LIST = 64 * 1024 * 1024;
