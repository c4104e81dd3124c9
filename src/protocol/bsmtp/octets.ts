/** Octets that come in chunks, taken by line or as they are. Bounded: no more than a line or a chunk is held. */
const LF = 0x0a;

export class Octets {
  readonly #from: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #over = false;

  constructor(from: AsyncIterable<Uint8Array>) {
    this.#from = from[Symbol.asyncIterator]();
  }

  /** What is there next, at least one octet; empty at the end. */
  async take(): Promise<Buffer> {
    while (this.#chunk.length === 0 && !this.#over) {
      const next = await this.#from.next();
      if (next.done) this.#over = true;
      else this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    }
    const chunk = this.#chunk;
    this.#chunk = Buffer.alloc(0);
    return chunk;
  }

  /** The rest of what was taken. */
  putBack(rest: Buffer): void {
    this.#chunk = this.#chunk.length === 0 ? rest : Buffer.concat([rest, this.#chunk]);
  }

  /** The next line with its LF; the last one may have none. Null at the end. A line over `limit` comes in pieces without an LF. */
  async line(limit: number): Promise<Buffer | null> {
    let line: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.take();
      if (chunk.length === 0) return line.length > 0 ? line : null;
      const lf = chunk.indexOf(LF);
      const end = Math.min(lf < 0 ? chunk.length : lf + 1, limit - line.length);
      line = line.length === 0 ? chunk.subarray(0, end) : Buffer.concat([line, chunk.subarray(0, end)]);
      if (end < chunk.length) this.putBack(chunk.subarray(end));
      if (line.at(-1) === LF || line.length >= limit) return line;
    }
  }
}
