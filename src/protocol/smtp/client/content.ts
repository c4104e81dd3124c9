/**
 * Content on its way out: is it clean, and the dots that DATA needs.
 *
 * Promises: what leaves under DATA ends in CRLF and holds CRLF.CRLF only where we put it; a chunk
 * without a line that begins with a dot is passed on without a copy. Bare CR, bare LF and NUL never
 * leave: content came in clean, so finding one means damage, and the mail is not sent.
 *
 * RFC 5321 §2.3.8 (line ends), §4.5.2 (transparency).
 */

const LF = 10;
const CR = 13;
const DOT = 46;
const LINE_DOT = Buffer.from('\r\n.');
const ONE_DOT = Buffer.from('.');
const END = Buffer.from('.\r\n');
const CRLF_END = Buffer.from('\r\n.\r\n');

/** Looks at the chunks of one content in order. */
export class Inspector {
  #last = 0;
  #dirty = false;

  /** False once anything bare was seen; for good. */
  clean(chunk: Uint8Array): boolean {
    let last = this.#last;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number;
      // One comparison for nearly every octet of mail.
      if (c > CR && last !== CR) {
        last = c;
        continue;
      }
      if (c === 0 || (c === LF) !== (last === CR)) {
        this.#dirty = true;
        return false;
      }
      last = c;
    }
    this.#last = last;
    return !this.#dirty;
  }

  /** Asked after the last chunk: a CR at the very end is bare too. */
  get cleanEnd(): boolean {
    return !this.#dirty && this.#last !== CR;
  }
}

/** Doubles the dots at the beginnings of lines, chunk by chunk, and knows how the content has to end. */
export class DotStuffer {
  /** Where the octets so far end: inside a line, behind a CR, or where a line begins. */
  #tail: 'inside' | 'cr' | 'start' = 'start';

  /** Writes the same octets in one piece or more, with a dot between pieces where a line begins with one. */
  stuff(chunk: Uint8Array, write: (octets: Uint8Array) => void): void {
    if (chunk.length === 0) return;
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let from = 0;
    // A line that began with the end of an earlier chunk.
    if (this.#tail === 'start' && octets[0] === DOT) write(ONE_DOT);
    if (this.#tail === 'cr' && octets[0] === LF && octets[1] === DOT) {
      write(octets.subarray(0, 1));
      write(ONE_DOT);
      from = 1;
    }
    for (let at = octets.indexOf(LINE_DOT, from); at >= 0; at = octets.indexOf(LINE_DOT, from)) {
      write(octets.subarray(from, at + 2));
      write(ONE_DOT);
      from = at + 2;
    }
    write(from === 0 ? octets : octets.subarray(from));
    this.#remember(octets);
  }

  /** What ends the content: CRLF if it did not end a line, and the dot (RFC 5321 §4.1.1.4). */
  end(): Buffer {
    return this.#tail === 'start' ? END : CRLF_END;
  }

  #remember(octets: Buffer): void {
    const last = octets[octets.length - 1];
    const before = octets.length > 1 ? octets[octets.length - 2] === CR : this.#tail === 'cr';
    this.#tail = last === CR ? 'cr' : last === LF && before ? 'start' : 'inside';
  }
}
