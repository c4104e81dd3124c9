/**
 * What the control API works on: the faces of the running server, plugged in by `app/wiring.ts`.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { KeyedTable } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { Config, Problem } from '../config/config.ts';
import type { ListView } from '../policy/blocklist/list.ts';
import type { Rosters } from '../policy/roster/rosters.ts';
import type { Session } from '../protocol/smtp/session.ts';
import type { KeepersView } from '../schedule/view.ts';
import type { Spool } from '../spool/port.ts';

export interface ListenerView {
  readonly protocol: keyof Config['listen'];
  /** As it is bound, so with the real port. */
  readonly address: string;
  readonly port: number;
}

export type Reloaded =
  | {
      readonly kind: 'ok';
      /** Entries that followed their domain to another queue. */
      readonly moved: number;
      /** Entries that are held because their domain has no site any more. */
      readonly held: number;
    }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] };

/** The running server. */
export interface Running {
  readonly version: string;
  readonly started: Instant;
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Spool;
  readonly keepers: KeepersView;
  blocklists(): readonly ListView[];
  readonly rosters: Pick<Rosters, 'view' | 'alarm' | 'import' | 'forget'>;
  /** The one in force. */
  config(): Config;
  listeners(): readonly ListenerView[];
  reload(): Promise<Reloaded>;
  /** For mail that a courier of this name brings. */
  courier(name: string): Session;
  /** Mails of batches that are not over: key → when it was taken. */
  readonly brought: KeyedTable<Instant>;
}
