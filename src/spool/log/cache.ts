/**
 * Records that were just written or read, in memory, within a bound: new mail is handed over from here,
 * not read back. First in, first out; what has gone is dropped at once.
 */
import type { MessageItem } from './record.ts';
import type { MessageDetail } from './store.ts';

export interface CachedRecord {
  readonly segment: number;
  readonly offset: number;
  readonly item: MessageItem;
  readonly detail: MessageDetail;
  /** Checked, in pieces. Null: not read yet. */
  readonly data: readonly Uint8Array[] | null;
}

/** What a record costs besides its content. */
const OVERHEAD = 2048;

const weightOf = ({ item, data }: CachedRecord): number => OVERHEAD + (data ? item.dataLength : 0);

export class RecordCache {
  readonly #limit: number;
  /** In boxes, which are emptied: the tables that a Map has outgrown name its values for a while (decisions/young.md). */
  readonly #boxes = new Map<number, { record: CachedRecord | null }>();
  #octets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  put(record: CachedRecord): void {
    const { mail } = record.item;
    this.drop(mail);
    this.#octets += weightOf(record);
    this.#boxes.set(mail, { record });
    for (const oldest of this.#boxes.keys()) {
      if (this.#octets <= this.#limit) return;
      this.drop(oldest);
    }
  }

  get(mail: number, segment: number, offset: number): CachedRecord | undefined {
    const record = this.#boxes.get(mail)?.record;
    return record?.segment === segment && record.offset === offset ? record : undefined;
  }

  drop(mail: number): void {
    const box = this.#boxes.get(mail);
    if (!box?.record) return;
    this.#octets -= weightOf(box.record);
    box.record = null;
    this.#boxes.delete(mail);
  }
}
