/**
 * Password hashes cost memory and a thread each: so they are made one after the other, and only so many
 * wait. Of node's four threads one is taken at most; the others stay with the spool.
 */
const WAITING = 32;

export class Turns {
  readonly #most: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(most = WAITING) {
    this.#most = most;
  }

  /** Null: too many wait already. */
  take<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.#waiting >= this.#most) return null;
    this.#waiting++;
    const done = this.#last.then(work).finally(() => {
      this.#waiting--;
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
