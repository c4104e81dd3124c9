/**
 * Records that were just written or read, in memory, within a bound: new mail is handed over from here,
 * not read back. First in, first out.
 */
import type { MessageItem } from './record.ts';
import type { MessageDetail } from './store.ts';

export interface CachedRecord {
  readonly segment: number;
  readonly offset: number;
  readonly item: MessageItem;
  readonly detail: MessageDetail;
  /** Checked. Null: not read yet. */
  readonly data: Buffer | null;
}

/** What a record costs besides its content. */
const OVERHEAD = 2048;

export class RecordCache {
  readonly #limit: number;
  readonly #records = new Map<number, CachedRecord>();
  #octets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  put(segment: number, offset: number, item: MessageItem, detail: MessageDetail, data: Buffer | null): void {
    this.#drop(item.mail);
    this.#octets += OVERHEAD + (data?.length ?? 0);
    this.#records.set(item.mail, { segment, offset, item, detail, data });
    for (const mail of this.#records.keys()) {
      if (this.#octets <= this.#limit) return;
      this.#drop(mail);
    }
  }

  get(mail: number, segment: number, offset: number): CachedRecord | undefined {
    const record = this.#records.get(mail);
    return record?.segment === segment && record.offset === offset ? record : undefined;
  }

  #drop(mail: number): void {
    const record = this.#records.get(mail);
    if (!record) return;
    this.#octets -= OVERHEAD + (record.data?.length ?? 0);
    this.#records.delete(mail);
  }
}
