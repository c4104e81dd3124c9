/**
 * Line ends between the two worlds: UUCP's files have LF, mail has CRLF. Chunk by chunk, bytes otherwise
 * untouched.
 */
const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

/** CRLF becomes LF. A CR that stands alone stays. */
export class ToLf {
  #cr = false;

  convert(chunk: Uint8Array): Buffer {
    const from = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const to = Buffer.allocUnsafe(from.length + 1);
    let length = 0;
    for (const octet of from) {
      if (this.#cr && octet !== LF) to[length++] = CR;
      this.#cr = octet === CR;
      if (!this.#cr) to[length++] = octet;
    }
    return to.subarray(0, length);
  }

  /** What is still held back. */
  end(): Buffer {
    return this.#cr ? CRLF.subarray(0, 1) : Buffer.alloc(0);
  }
}

/** LF becomes CRLF; CRLF stays. A CR that stands alone stays, and is refused by those who look. */
export class ToCrlf {
  #last = LF;

  convert(chunk: Uint8Array): Buffer {
    const from = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const parts: Buffer[] = [];
    let start = 0;
    for (let at = from.indexOf(LF); at >= 0; at = from.indexOf(LF, at + 1)) {
      if ((at > 0 ? from[at - 1] : this.#last) === CR) continue;
      if (at > start) parts.push(from.subarray(start, at));
      parts.push(CRLF);
      start = at + 1;
    }
    if (start < from.length) parts.push(from.subarray(start));
    this.#last = from.at(-1) ?? this.#last;
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /** What the last line lacks. */
  end(): Buffer {
    return this.#last === LF ? Buffer.alloc(0) : CRLF;
  }
}
