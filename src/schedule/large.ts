/**
 * Mail that is larger than a thin link wants it (`largest`): it stays here, held, and the site gets a note of it, once. An
 * operator may let it go.
 */
import type { Entry, Lease, Spool } from '../spool/port.ts';
import type { Outcomes } from './outcomes.ts';

/** Mails below this go in any case: a note about one is as large. */
const LEAST = 4096;

export class Large {
  readonly #spool: Pick<Spool, 'read'>;
  readonly #outcomes: Outcomes;
  readonly #largest: () => number | undefined;

  constructor(spool: Pick<Spool, 'read'>, outcomes: Outcomes, largest: () => number | undefined) {
    this.#spool = spool;
    this.#outcomes = outcomes;
    this.#largest = largest;
  }

  /** May it be handed over? If not, it is seen to. */
  admit(entry: Entry, lease: Lease): boolean {
    if (!this.#exceeds(entry.size) || this.#outcomes.isLetGo(entry)) return true;
    void this.#outcomes.tooLarge(entry, lease, this.#largest() ?? 0);
    return false;
  }

  /**
   * All of them at once, in a queue that another is going to list: he sees the notes instead. Resolves once that is
   * durable.
   */
  async keepBack(lease: Lease): Promise<void> {
    if (this.#largest() === undefined) return;
    const kept: Promise<void>[] = [];
    for await (const { id, size } of lease.list()) {
      const entry = this.#exceeds(size) ? await this.#spool.read(id) : null;
      if (!entry || 'kind' in entry || this.#outcomes.isLetGo(entry)) continue;
      kept.push(this.#outcomes.tooLarge(entry, lease, this.#largest() ?? 0));
    }
    await Promise.all(kept);
  }

  #exceeds(size: number): boolean {
    const largest = this.#largest();
    return largest !== undefined && size > Math.max(largest, LEAST);
  }
}
