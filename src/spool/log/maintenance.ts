/**
 * What goes on beside the mail: segments that nobody needs are removed, mostly dead ones copied, room
 * kept back is made again. Runs when there is a reason to, a second after it, and not by a fixed beat.
 */
import { SECOND, type Timer } from '../../base/clock.ts';
import { Compactor } from './compaction.ts';
import type { LogStore } from './store.ts';

/** While the disk is full or doubtful there is always a reason. */
const TROUBLED = 5 * SECOND;

export class Maintenance {
  readonly #store: LogStore;
  readonly #compactor: Compactor;
  readonly #stop = new AbortController();
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #again = false;

  constructor(store: LogStore, segmentLimit: number) {
    this.#store = store;
    this.#compactor = new Compactor(store, segmentLimit, this.#stop.signal);
  }

  start(): void {
    this.#store.wake = () => this.#soon(SECOND);
    this.#soon(SECOND);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#store.wake = () => {};
    this.#timer?.cancel();
    await this.#running;
    await this.#compactor.close();
  }

  #soon(ms: number): void {
    if (this.#stop.signal.aborted) return;
    if (this.#running) this.#again = true;
    else {
      this.#timer ??= this.#store.clock.after(ms, () => {
        this.#timer = null;
        this.#running = this.#run().finally(() => {
          this.#running = null;
          if (this.#again) this.#soon(SECOND);
        });
      });
    }
  }

  async #run(): Promise<void> {
    const { room, segments } = this.#store;
    const remove = (): Promise<boolean> => this.#try(() => segments.removeUnneeded());
    this.#again = false;
    let isDone = await remove();
    // What cannot be removed does not keep others from being copied.
    while (!this.#stop.signal.aborted && (await this.#compactor.run())) isDone = await remove();
    await room.refresh();
    isDone = (await this.#try(() => room.keep())) && isDone;
    if (!isDone || this.#isTroubled()) this.#later();
  }

  async #try(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#store.log.warn('spool maintenance failed', { why: String(error) });
      return false;
    }
  }

  #isTroubled(): boolean {
    const { room, segments, writer } = this.#store;
    return !room.isOpen() || writer.broken !== null || segments.all().some((s) => s.state === 'doubtful');
  }

  #later(): void {
    this.#timer ??= this.#store.clock.after(TROUBLED, () => {
      this.#timer = null;
      this.#soon(0);
    });
  }
}
