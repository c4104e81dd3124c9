/**
 * One limit of connections for each site, whoever wants them. Those who have to wait get their turn in
 * order, or give up with their signal. A place that becomes free is handed on, never put up for grabs.
 */
export class Limit {
  readonly #used = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Null: given up. Otherwise to be called once, when the connection is gone. */
  async acquire(key: string, most: number, signal: AbortSignal): Promise<(() => void) | null> {
    const used = this.#used.get(key) ?? 0;
    if (used < most) this.#used.set(key, used + 1);
    else if (!(await this.#turn(key, signal))) return null;
    let held = true;
    return () => {
      if (held) this.#release(key);
      held = false;
    };
  }

  #turn(key: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting);
      const end = (granted: boolean) => {
        signal.removeEventListener('abort', giveUp);
        waiting.delete(grant);
        if (waiting.size === 0) this.#waiting.delete(key);
        resolve(granted);
      };
      const grant = () => end(true);
      const giveUp = () => end(false);
      waiting.add(grant);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #release(key: string): void {
    const [next] = this.#waiting.get(key) ?? [];
    if (next) {
      next();
      return;
    }
    const used = (this.#used.get(key) ?? 1) - 1;
    if (used > 0) this.#used.set(key, used);
    else this.#used.delete(key);
  }
}
