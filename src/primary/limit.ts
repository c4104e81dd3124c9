/**
 * One limit of connections for each site, whoever wants them. Those who have to wait get their turn in
 * order, or give up with their signal.
 */
export class Limit {
  readonly #used = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  /** Null: given up. Otherwise to be called once, when the connection is gone. */
  async acquire(key: string, most: number, signal: AbortSignal): Promise<(() => void) | null> {
    while (!signal.aborted) {
      const used = this.#used.get(key) ?? 0;
      if (used < most) {
        this.#used.set(key, used + 1);
        return this.#releaser(key);
      }
      await this.#turn(key, signal);
    }
    // A turn that came together with the signal goes to the next one.
    this.#wake(key);
    return null;
  }

  #turn(key: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? [];
      this.#waiting.set(key, waiting);
      const go = () => {
        signal.removeEventListener('abort', go);
        const at = waiting.indexOf(go);
        if (at >= 0) waiting.splice(at, 1);
        if (waiting.length === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
        resolve();
      };
      waiting.push(go);
      signal.addEventListener('abort', go, { once: true });
    });
  }

  #releaser(key: string): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const used = (this.#used.get(key) ?? 1) - 1;
      if (used > 0) this.#used.set(key, used);
      else this.#used.delete(key);
      this.#wake(key);
    };
  }

  #wake(key: string): void {
    this.#waiting.get(key)?.[0]?.();
  }
}
