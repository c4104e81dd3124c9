/**
 * What the peer sent and the dialog has not used yet: lines while commands are expected, chunks
 * while content is.
 *
 * Promises: a command line ends with CRLF, or is given out as a bad one (RFC 5321 §2.3.8), and no line is
 * longer than what is asked for, LINE_LIMIT if nothing is. Bounding the whole is the wire's work: it pauses by `size`.
 */

/**
 * RFC 5321 §4.5.3.1.4 asks for 512 octets, and extensions add to it: RFC 3461 §5 alone 500 to
 * RCPT, RFC 4954 §3 500 to MAIL, RFC 6531 §3.4 and UTF-8 local parts double some.
 */
export const LINE_LIMIT = 4096;

export type Line =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  | { readonly kind: 'bad line'; readonly why: 'bare LF'; readonly bytes: Buffer }
  | { readonly kind: 'bad line'; readonly why: 'too long' };

const LF = 0x0a;
const CR = 0x0d;
const NONE = Buffer.alloc(0);

export class Input {
  #chunk: Buffer = NONE;
  readonly #later: Buffer[] = [];
  #size = 0;
  /** Octets of an overlong line are being thrown away. */
  #skipping = false;

  /** Octets that wait. */
  get size(): number {
    return this.#size;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#size += chunk.length;
    if (this.#chunk.length === 0) this.#chunk = chunk;
    else this.#later.push(chunk);
  }

  /** The first octet that waits, or -1. */
  peek(): number {
    return this.#chunk[0] ?? -1;
  }

  /** The next line of at most `limit` octets without its CRLF; undefined: it is not all there. */
  line(limit = LINE_LIMIT): Line | undefined {
    for (;;) {
      const at = this.#chunk.indexOf(LF);
      if (at >= 0) return this.#cut(at, limit);
      if (this.#skipping || this.#chunk.length > limit) {
        this.#skipping = true;
        this.#size -= this.#chunk.length;
        this.#chunk = this.#later.shift() ?? NONE;
        if (this.#chunk.length === 0) return undefined;
        continue;
      }
      const next = this.#later.shift();
      if (!next) return undefined;
      this.#chunk = Buffer.concat([this.#chunk, next]);
    }
  }

  #cut(at: number, limit: number): Line {
    const whole = this.#chunk;
    this.#use(at + 1);
    if (this.#skipping || at > limit) {
      this.#skipping = false;
      return { kind: 'bad line', why: 'too long' };
    }
    if (at === 0 || whole[at - 1] !== CR) {
      return { kind: 'bad line', why: 'bare LF', bytes: whole.subarray(0, at) };
    }
    return { kind: 'line', bytes: whole.subarray(0, at - 1) };
  }

  #use(octets: number): void {
    this.#size -= octets;
    this.#chunk =
      this.#chunk.length === octets ? (this.#later.shift() ?? NONE) : this.#chunk.subarray(octets);
  }

  /** The next octets, at most `limit`; empty if none wait. */
  take(limit: number): Buffer {
    const part = this.#chunk.length > limit ? this.#chunk.subarray(0, limit) : this.#chunk;
    if (part.length > 0) this.#use(part.length);
    return part;
  }

  /** All that waits. */
  takeAll(): Buffer {
    const all = Buffer.concat([this.#chunk, ...this.#later]);
    this.clear();
    return all;
  }

  /** Puts back what `take` gave too much. */
  untake(rest: Buffer): void {
    if (rest.length === 0) return;
    if (this.#chunk.length > 0) this.#later.unshift(this.#chunk);
    this.#chunk = rest;
    this.#size += rest.length;
  }

  /** Drops everything. RFC 3207 §4.2: what came before TLS must not be used after. */
  clear(): void {
    this.#chunk = NONE;
    this.#later.length = 0;
    this.#size = 0;
    this.#skipping = false;
  }
}
