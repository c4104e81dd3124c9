/**
 * One mail's content on its way past those who look at it (`policy/inspect.ts`). Its header is kept back until
 * they have spoken, since they may change it; the body goes on into the draft as it comes.
 *
 * A header longer than HEADER_SCAN_LIMIT is not kept back: it is looked at, and can't be changed.
 */
import { headerEnd } from '../mail/header.ts';
import { editHeader, type HeaderEdit } from '../mail/header-edit.ts';
import type { Changes, Inspection } from '../policy/inspect.ts';
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
    const waits = this.#inspections.flatMap((inspection) => inspection.write(chunk) ?? []);
    const draft = this.#state === 'header' ? this.#gather(chunk, inHeader) : this.#draft.write(chunk);
    if (draft) waits.push(draft);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  /** The first refusal, or what stands above the body. */
  async end(): Promise<Refusal | Passed> {
    const opinions = await Promise.all(this.#inspections.map((inspection) => inspection.end()));
    const changes: Changes[] = [];
    for (const opinion of opinions) {
      if (opinion.kind !== 'accept') return opinion;
      changes.push(opinion);
    }
    const body = changes.findLast((change) => change.body)?.body;
    if (body && this.#state !== 'too long') {
      await this.#draft.rewind();
      for (const piece of body) await this.#draft.write(piece);
    }
    const edits: HeaderEdit[] = changes.flatMap((change) => change.edits ?? []);
    const unchanged = this.#state === 'too long' && (edits.length > 0 || body !== undefined);
    return { kind: 'passed', header: editHeader(Buffer.concat(this.#header), edits), unchanged };
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
