/**
 * Content as it comes over the wire, made into content as it is kept: DATA with its dots undone
 * and its end found, BDAT by count. Pure state machines over chunks, one pass, no copies.
 *
 * Promises: only CRLF.CRLF ends DATA. A bare CR, a bare LF or a NUL anywhere makes the content
 * `foul`; from then on nothing more is given out, and the end is still only CRLF.CRLF, so that
 * content is never taken for commands (SMTP smuggling).
 * RFC 5321 §2.3.8, §4.1.1.4, §4.5.2; RFC 3030 §2.
 */
const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** The chunk four octets at a time, from where these are aligned. */
function wordsOf(chunk: Buffer): Int32Array {
  const before = chunk.byteOffset & 3;
  return new Int32Array(chunk.buffer, chunk.byteOffset - before, (before + chunk.length) >> 2);
}

/**
 * Where the next octet up to CR stands, from `i` on; the chunk's length if there is none. Nothing above CR means anything
 * within a line, so this is where the time goes. Four octets at once: one below 14 borrows, and shows in its highest bit.
 */
function nextControl(chunk: Buffer, words: Int32Array, i: number): number {
  const length = chunk.length;
  const before = chunk.byteOffset & 3;
  for (; i < length && ((i + before) & 3) !== 0; i++) if ((chunk[i] as number) <= CR) return i;
  // Not aligned: to go on from its word would be to go back.
  if (i === length) return i;
  let at = (i + before) >> 2;
  for (; at < words.length; at++) {
    const word = words[at] as number;
    if (((word - 0x0e0e0e0e) & ~word & 0x80808080) !== 0) break;
  }
  i = (at << 2) - before;
  while (i < length && (chunk[i] as number) > CR) i++;
  return i;
}

/** Takes a part of a chunk that belongs to the content. */
export type Give = (part: Buffer) => void;

/*
 * LINE     at the beginning of a line
 * TEXT     within a line
 * CRSEEN   after a CR
 * DOTTED   after a dot that began a line
 * DOTCR    after that dot and a CR
 */
const LINE = 0;
const TEXT = 1;
const CRSEEN = 2;
const DOTTED = 3;
const DOTCR = 4;

export class DataDecoder {
  #state = LINE;
  /** A bare CR, a bare LF or a NUL has been seen. */
  foul = false;

  /** Returns the number of octets used when the end is within `chunk`, else -1. */
  decode(chunk: Buffer, give: Give): number {
    const length = chunk.length;
    const words = wordsOf(chunk);
    let state = this.#state;
    let start = 0;
    let i = 0;
    while (i < length) {
      if (state === TEXT) {
        i = nextControl(chunk, words, i);
        if (i === length) break;
      }
      const c = chunk[i++] as number;
      if (c === CR) {
        if (state === CRSEEN || state === DOTCR) this.foul = true;
        if (state === DOTTED) start = i;
        state = state === DOTTED ? DOTCR : CRSEEN;
      } else if (c === LF) {
        if (state === DOTCR) {
          this.#state = LINE;
          return i;
        }
        if (state !== CRSEEN) this.foul = true;
        // A bare LF does not begin a line: what follows it is no end, dotted or not.
        state = state === CRSEEN ? LINE : TEXT;
      } else {
        if (state === CRSEEN || state === DOTCR || c === 0) this.foul = true;
        if (c === DOT && state === LINE) {
          if (i - 1 > start && !this.foul) give(chunk.subarray(start, i - 1));
          start = i;
          state = DOTTED;
        } else state = TEXT;
      }
    }
    this.#state = state;
    if (length > start && !this.foul) give(chunk.subarray(start, length));
    return -1;
  }
}

/** Looks at the octets of BDAT chunks: the same rules for line ends, no dots. */
export class LineCheck {
  #afterCr = false;
  #lastLf = true;
  foul = false;

  look(chunk: Buffer): void {
    const length = chunk.length;
    const words = wordsOf(chunk);
    let afterCr = this.#afterCr;
    let i = 0;
    while (i < length && !this.foul) {
      if (!afterCr) {
        i = nextControl(chunk, words, i);
        if (i === length) break;
      }
      const c = chunk[i++] as number;
      if ((c === LF) !== afterCr || c === 0) this.foul = true;
      afterCr = c === CR;
    }
    this.#afterCr = afterCr;
    if (length > 0) this.#lastLf = chunk[length - 1] === LF;
  }

  /** At the end of content. Returns what the last line lacks. */
  finish(): 'nothing' | 'crlf' {
    if (this.#afterCr) this.foul = true;
    return this.#lastLf ? 'nothing' : 'crlf';
  }
}
