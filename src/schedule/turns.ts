/**
 * A bound of connections over all queues, with fair turns: who waits longest is next, each asks for
 * one at a time, and who has more than one gives one back after a few mails while somebody waits.
 * Idle connections are lent: the first to be closed when another queue wants a turn.
 */

/** The right to one connection. */
export interface Turn {
  /** Idempotent. */
  end(): void;
  /** The connection is idle: `reclaim` is called when somebody waits; it has to lead to `end`. */
  lend(reclaim: () => void): void;
  /** In use again. */
  use(): void;
}

export class Turns {
  readonly #limit: number;
  #taken = 0;
  readonly #waiting: ((turn: Turn) => void)[] = [];
  readonly #lent = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Does anybody wait? */
  get wanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls `granted` at once or when it is this one's turn. The result takes the wish back. */
  ask(granted: (turn: Turn) => void): () => void {
    if (this.#taken < this.#limit) {
      granted(this.#grant());
      return () => {};
    }
    this.#waiting.push(granted);
    // One idle connection for one wish.
    const [reclaim] = this.#lent;
    if (reclaim) {
      this.#lent.delete(reclaim);
      reclaim();
    }
    return () => {
      const i = this.#waiting.indexOf(granted);
      if (i >= 0) this.#waiting.splice(i, 1);
    };
  }

  #grant(): Turn {
    this.#taken++;
    let over = false;
    let lent: (() => void) | null = null;
    const use = () => {
      if (lent) this.#lent.delete(lent);
      lent = null;
    };
    return {
      end: () => {
        use();
        if (over) return;
        over = true;
        this.#taken--;
        this.#waiting.shift()?.(this.#grant());
      },
      lend: (reclaim) => {
        if (over) return;
        use();
        if (this.wanted) return reclaim();
        lent = reclaim;
        this.#lent.add(reclaim);
      },
      use,
    };
  }
}
