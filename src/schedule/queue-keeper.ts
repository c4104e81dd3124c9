/**
 * What the supervisor asks of a keeper, whichever way its queue is collected: `keeper.ts` keeps queues that
 * are pushed, `called.ts` those whose site calls.
 */
import type { Instant } from '../base/clock.ts';
import type { Handover } from '../handover/port.ts';
import type { QueueName } from '../spool/port.ts';
import type { Leaving } from './leaving.ts';
import type { QueuePolicy, Way } from './policy.ts';
import type { KeeperView } from './view.ts';

export interface QueueKeeper {
  readonly queue: QueueName;
  /** Never changes: another way is another keeper. */
  readonly way: Way;
  start(): void;
  view(): KeeperView;
  /** Mail came, or may be tried again: a hint. */
  arrived(): void;
  /** An operator's word: everything, now. False when it is held, or cannot be done from our side. */
  flush(): boolean;
  /** The site does something that only its operator can mend. */
  trouble(why: string): void;
  hold(reason: string, until: Instant | null): void;
  release(): void;
  /** A reload: other routes, other limits; the same way. */
  change(handover: Handover, policy: QueuePolicy): void;
  clockJumped(): void;
  /** In order: nothing new (`leaving.ts`). Called once. */
  stop(): Leaving;
  /** At once: what is out comes back broken. */
  cut(): void;
}
