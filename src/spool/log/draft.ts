/**
 * A mail on its way in. Up to a bound its body is gathered in memory and becomes one record; a larger
 * one, or one that finds the memory for all drafts used up, goes to a file of its own as it comes. So
 * nobody's slow upload holds a segment, and the number of drafts does not decide about memory.
 */

import { isNoSpace } from '../../base/files.ts';
import type { Soon } from '../../base/soon.ts';
import type { Committed, Draft, MailId, NewEntry, QueueName, Refused } from '../port.ts';
import { entryText, mailText } from './ids.ts';
import type { LargeBody, LargeDraft } from './large.ts';
import type { LogStore } from './store.ts';

export interface DraftLimits {
  /** Octets of a body that are gathered in memory. */
  readonly gathered: number;
  /** Octets gathered by all drafts together. */
  readonly memory: number;
  /** Drafts in files of their own at once. */
  readonly files: number;
}

/** What all drafts of a spool share. */
export class Drafts {
  readonly store: LogStore;
  readonly limits: DraftLimits;
  gathered = 0;

  constructor(store: LogStore, limits: DraftLimits) {
    this.store = store;
    this.limits = limits;
  }

  begin(room: { size?: number; queues: readonly QueueName[] }): Soon<Draft | Refused> {
    const { store } = this;
    if (store.room.isStale) return store.room.refresh().then(() => this.#begin(room));
    return this.#begin(room);
  }

  #begin(room: { size?: number; queues: readonly QueueName[] }): Soon<Draft | Refused> {
    const { store } = this;
    const refused = this.refuses(room.size ?? 0, room.queues);
    if (refused) return refused;
    const mail = store.numbers.next();
    if (mail === null) return this.#withoutNumber(room);
    return new LogDraft(this, mail, room.size ?? 0, room.queues);
  }

  /** The start found no room for a segment, and numbers come from one. */
  async #withoutNumber(room: { size?: number; queues: readonly QueueName[] }): Promise<Draft | Refused> {
    const { store } = this;
    const result = await store.writer.ready(false);
    if (result.kind === 'refused') return result;
    const mail = store.numbers.next();
    if (mail === null) return refusal('io', 'mail numbers have run out');
    return new LogDraft(this, mail, room.size ?? 0, room.queues);
  }

  refuses(size: number, queues: readonly QueueName[]): Refused | null {
    const { store, limits } = this;
    const { broken } = store.writer;
    if (broken) return refusal(broken.why, broken.text);
    // In memory nothing is left, and neither are file descriptors.
    if (this.gathered >= limits.memory && store.large.drafts >= limits.files) {
      return refusal('memory', `${store.large.drafts} drafts in files, ${this.gathered} octets in memory`);
    }
    const refused = store.room.refuses(size, queues);
    if (refused) store.wake();
    return refused;
  }
}

const refusal = (why: Refused['why'], text: string): Refused => ({ kind: 'refused', why, text });

/** A small part of a large buffer (of pipelined mails, say) must not keep all of it in memory. */
const compact = (body: Uint8Array): Uint8Array =>
  body.byteLength * 2 < body.buffer.byteLength ? Uint8Array.from(body) : body;

/** Octets by which a claim on room grows when more comes than was declared. */
const CLAIM_STEP = 64 * 1024;

class LogDraft implements Draft {
  readonly kind = 'draft';
  readonly id: MailId;
  written = 0;
  readonly #all: Drafts;
  readonly #mail: number;
  readonly #queues: readonly QueueName[];
  #claimed: number;
  #pieces: Uint8Array[] = [];
  #gathered = 0;
  /** It goes to a file; `#file` follows when that is open. */
  #spilled = false;
  #file: LargeDraft | null = null;
  #refused: Refused | null = null;
  #ended = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(all: Drafts, mail: number, declared: number, queues: readonly QueueName[]) {
    this.#all = all;
    this.#mail = mail;
    this.id = mailText(mail);
    this.#queues = queues;
    this.#claimed = declared;
    all.store.room.claim(declared);
  }

  write(body: Uint8Array): Promise<void> | void {
    if (this.#ended) return;
    this.written += body.byteLength;
    if (this.#refused) return;
    if (this.written > this.#claimed) this.#claimMore();
    if (!this.#spilled && this.#fits(body.byteLength)) {
      this.#pieces.push(compact(body));
      this.#gathered += body.byteLength;
      this.#all.gathered += body.byteLength;
      this.#all.store.passage.passed(body.byteLength);
      return;
    }
    this.#spilled = true;
    this.#writing = this.#writing.then(() => this.#toFile(body));
    return this.#writing;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    await this.#writing;
    if (this.#file) yield* this.#file.read();
    else yield* [...this.#pieces];
  }

  async rewind(): Promise<void> {
    if (this.#ended) return;
    await this.#writing;
    this.#forgetPieces();
    await this.#file?.discard();
    this.#file = null;
    this.#spilled = false;
    this.written = 0;
  }

  async commit(head: Uint8Array, to: readonly NewEntry[]): Promise<Committed | Refused> {
    if (this.#ended) return refusal('io', 'the draft has ended');
    if (this.#spilled) await this.#writing;
    const { store } = this.#all;
    if (this.#refused || to.length === 0) {
      await this.abort();
      return this.#refused ?? refusal('io', 'no queue to commit to');
    }
    let body: LargeBody | undefined;
    try {
      if (this.#file) body = await this.#file.finish();
    } catch (error) {
      this.#fail(error);
      await this.abort();
      return this.#refused ?? refusal('io', String(error));
    }
    this.#ended = true;
    const entries = to.map((entry, i) => ({ ...entry, suffix: i + 1 }));
    const result = await store.commit({
      mail: this.#mail,
      entries,
      arrived: store.clock.now(),
      head: [head, ...this.#pieces],
      top: to.length,
      ...(body ? { body } : {}),
    });
    this.#release(result === null ? this.written + head.byteLength : 0);
    if (result === null)
      return { kind: 'committed', entries: entries.map((e) => entryText(this.#mail, e.suffix)) };
    await (result.why === 'io' ? this.#file?.leave() : this.#file?.discard());
    return result;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#writing;
    this.#release(0);
    await this.#file?.discard();
  }

  #fits(octets: number): boolean {
    const { gathered, memory } = this.#all.limits;
    return this.#gathered + octets <= gathered && this.#all.gathered + octets <= memory;
  }

  #claimMore(): void {
    const { store } = this.#all;
    const more = Math.max(this.written - this.#claimed, CLAIM_STEP);
    // What was claimed before is counted in the room already.
    const refused =
      this.#claimed === 0 && this.written <= CLAIM_STEP ? null : store.room.refuses(more, this.#queues);
    if (refused) {
      this.#refused = refused;
      return;
    }
    this.#claimed += more;
    store.room.claim(more);
  }

  async #toFile(body: Uint8Array): Promise<void> {
    if (this.#refused || this.#ended) return;
    try {
      this.#file ??= await this.#all.store.large.create(this.#mail);
      const pieces = [...this.#pieces, body];
      this.#forgetPieces();
      await this.#file.write(pieces);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { room } = this.#all.store;
    if (isNoSpace(error)) room.spent();
    this.#refused = refusal(isNoSpace(error) ? 'full' : 'io', String(error));
  }

  #forgetPieces(): void {
    this.#all.gathered -= this.#gathered;
    this.#gathered = 0;
    this.#pieces = [];
  }

  #release(stored: number): void {
    this.#forgetPieces();
    this.#all.store.room.unclaim(this.#claimed, stored);
    this.#claimed = 0;
  }
}
