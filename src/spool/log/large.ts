/**
 * Bodies too large for a record: each in a file of its own in `large/`, named by its mail. The record
 * that names it is written when file and name are durable; until then the file is an orphan, which the
 * next start sweeps away. Checksums are kept by block, so that reading can begin anywhere.
 */
import { crc32 } from 'node:zlib';
import { type FileHandle, type Files, readFull, writeAll } from '../../base/files.ts';
import type { Passage } from '../../base/passage.ts';
import { mailText } from './ids.ts';
import { DamagedRecord } from './segment.ts';
import { SYNC } from './syncs.ts';

export const BLOCK = 256 * 1024;

/** What the record says of the body. */
export interface LargeBody {
  readonly size: number;
  /** crc32 of each BLOCK octets. */
  readonly blocks: readonly number[];
}

export class LargeFiles {
  readonly #files: Files;
  readonly dir: string;
  readonly passage: Passage;
  /** Octets of bodies, drafts included. */
  bytes = 0;
  /** Files being written. */
  drafts = 0;

  constructor(files: Files, dir: string, passage: Passage) {
    this.#files = files;
    this.dir = dir;
    this.passage = passage;
  }

  path(mail: number): string {
    return `${this.dir}/${mailText(mail)}`;
  }

  async create(mail: number): Promise<LargeDraft> {
    const file = await this.#files.open(this.path(mail), 'create');
    this.drafts++;
    return new LargeDraft(this, this.#files, mail, file);
  }

  async remove(mail: number, size: number): Promise<void> {
    this.bytes -= size;
    // Left over, it is swept at the next start.
    await this.#files.remove(this.path(mail)).catch(() => {});
  }

  /** The octets from `from` on. Throws DamagedRecord where a block is not what it was. */
  async *read(mail: number, body: LargeBody, from: number): AsyncGenerator<Uint8Array> {
    const file = await this.#files.open(this.path(mail), 'read');
    try {
      for (let i = Math.floor(from / BLOCK); i < body.blocks.length; i++) {
        const block = Buffer.allocUnsafeSlow(Math.min(BLOCK, body.size - i * BLOCK));
        const have = await readFull(file, block, i * BLOCK);
        if (have < block.length || crc32(block) !== body.blocks[i]) {
          throw new DamagedRecord(`bad checksum in ${this.path(mail)} at ${i * BLOCK}`);
        }
        yield block.subarray(Math.max(0, from - i * BLOCK));
        this.passage.passed(block.length);
      }
    } finally {
      await file.close().catch(() => {});
    }
  }
}

export class LargeDraft {
  readonly #owner: LargeFiles;
  readonly #files: Files;
  readonly #mail: number;
  readonly #file: FileHandle;
  readonly #blocks: number[] = [];
  #size = 0;
  #crc = 0;
  #open = true;

  constructor(owner: LargeFiles, files: Files, mail: number, file: FileHandle) {
    this.#owner = owner;
    this.#files = files;
    this.#mail = mail;
    this.#file = file;
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    const before = this.#size;
    await writeAll(this.#file, pieces, this.#size);
    for (let piece of pieces) {
      this.#owner.bytes += piece.byteLength;
      while (piece.byteLength > 0) {
        const part = piece.subarray(0, BLOCK - (this.#size % BLOCK));
        this.#crc = crc32(part, this.#crc);
        this.#size += part.byteLength;
        if (this.#size % BLOCK === 0) this.#endBlock();
        piece = piece.subarray(part.byteLength);
      }
    }
    this.#owner.passage.passed(this.#size - before);
  }

  /** What was written so far. */
  async *read(): AsyncGenerator<Uint8Array> {
    const file = await this.#files.open(this.#owner.path(this.#mail), 'read');
    try {
      for (let at = 0; at < this.#size; at += BLOCK) {
        const block = Buffer.allocUnsafeSlow(Math.min(BLOCK, this.#size - at));
        const have = await readFull(file, block, at);
        if (have < block.length)
          throw new DamagedRecord(`${this.#owner.path(this.#mail)} ends at ${at + have}`);
        yield block;
      }
    } finally {
      await file.close().catch(() => {});
    }
  }

  /** Makes content and name durable. */
  async finish(): Promise<LargeBody> {
    if (this.#size % BLOCK !== 0) this.#endBlock();
    await this.#file.datasync(SYNC.body);
    await this.#close();
    await this.#files.syncDir(this.#owner.dir, SYNC.bodyName);
    return { size: this.#size, blocks: this.#blocks };
  }

  /** Its record may still turn up: the next start sweeps the file away, or needs it. */
  async leave(): Promise<void> {
    await this.#close();
  }

  async discard(): Promise<void> {
    await this.#close();
    await this.#owner.remove(this.#mail, this.#size);
  }

  #endBlock(): void {
    this.#blocks.push(this.#crc);
    this.#crc = 0;
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#owner.drafts--;
    await this.#file.close().catch(() => {});
  }
}
