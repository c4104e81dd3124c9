/**
 * One mail's content on its way past those who look at it (`policy/inspect.ts`). Its header is kept back until
 * they have spoken, since they may change it; the body goes on into the draft as it comes.
 *
 * A header longer than HEADER_SCAN_LIMIT is not kept back: it is looked at, and can't be changed.
 */
import { headerEnd } from '../mail/header.ts';
import { editHeader } from '../mail/header-edit.ts';
import type { Inspection } from '../policy/inspect.ts';
import type { Refusal } from '../policy/verdict.ts';
import type { Draft } from '../spool/port.ts';

/** What stands above the body in the end. */
export interface Passed {
  readonly kind: 'passed';
  /** The mail's own header, edited; empty if it is in the draft already. */
  readonly header: Buffer;
  /** Some change could not be made: the header was too long. */
  readonly unchanged: boolean;
}

export class Inspections {
  readonly #inspections: readonly Inspection[];
  readonly #draft: Draft;
  #header: Uint8Array[] = [];
  #state: 'header' | 'body' | 'too long' = 'header';

  constructor(inspections: readonly Inspection[], draft: Draft) {
    this.#inspections = inspections;
    this.#draft = draft;
  }

  /** `inHeader`: with this chunk the header is not complete yet. */
  write(chunk: Uint8Array, inHeader: boolean): Promise<void> | void {
    const waits = this.#inspections.flatMap((inspection) => inspection.write?.(chunk) ?? []);
    const draft = this.#state === 'header' ? this.#gather(chunk, inHeader) : this.#draft.write(chunk);
    if (draft) waits.push(draft);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  /** The first refusal, or what stands above the body. Each sees what those before it have changed. */
  async end(): Promise<Refusal | Passed> {
    try {
      return await this.#ask();
    } finally {
      for (const inspection of this.#inspections) inspection.over?.();
    }
  }

  async #ask(): Promise<Refusal | Passed> {
    const kept = this.#state !== 'too long';
    let header: Buffer = Buffer.concat(this.#header);
    let unchanged = false;
    /** The number of the last one that changed something. */
    let changer = 0;
    const body = () => this.#draft.read();
    for (const [i, inspection] of this.#inspections.entries()) {
      const opinion = await inspection.end({ header: kept ? header : null, body });
      if (opinion.kind !== 'accept') return opinion;
      const { edits = [], body: another } = opinion;
      if (edits.length === 0 && !another) continue;
      unchanged = !kept;
      if (!kept) continue;
      changer = i;
      header = editHeader(header, edits);
      if (another) await this.#replace(another);
    }
    for (const inspection of this.#inspections.slice(0, changer))
      await inspection.rewritten?.({ header, body });
    return { kind: 'passed', header, unchanged };
  }

  async #replace(body: readonly Uint8Array[]): Promise<void> {
    await this.#draft.rewind();
    for (const piece of body) await this.#draft.write(piece);
  }

  abort(): void {
    for (const inspection of this.#inspections) inspection.abort();
  }

  /** The chunk with which the header ends, or is too long, goes on in part or whole. */
  #gather(chunk: Uint8Array, inHeader: boolean): Promise<void> | void {
    this.#header.push(chunk);
    if (inHeader) return;
    const gathered = Buffer.concat(this.#header);
    const end = headerEnd(gathered);
    this.#state = end === null ? 'too long' : 'body';
    this.#header = end === null ? [] : [gathered.subarray(0, end)];
    const rest = end === null ? gathered : gathered.subarray(end);
    if (rest.length > 0) return this.#draft.write(rest);
  }
}
