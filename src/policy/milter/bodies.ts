/**
 * The memory for bodies that filters write in place of those that came: a bound for one mail, and one for all mails
 * together. A body is in memory from the filter's end of the mail until it is in the draft.
 *
 * Promises: what a mail took is given back once, whatever became of it.
 */
import type { BodyRoom } from '../../protocol/milter/client.ts';

/** Octets for one mail. */
export const MOST_BODY = 32 * 1024 * 1024;
/** Octets for all: bare line ends may double them. */
export const MOST_BODIES = 64 * 1024 * 1024;

/** What one mail has of it. */
export interface Share extends BodyRoom {
  /** Idempotent. */
  giveBack(): void;
}

export class Bodies {
  #left = MOST_BODIES;

  share(): Share {
    let taken = 0;
    return {
      most: MOST_BODY,
      take: (octets) => {
        if (octets > this.#left) return false;
        this.#left -= octets;
        taken += octets;
        return true;
      },
      giveBack: () => {
        this.#left += taken;
        taken = 0;
      },
    };
  }
}
