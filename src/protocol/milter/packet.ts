/**
 * Packets: a length (four octets, without itself), a letter, and data. Strings in the data end in a NUL.
 *
 * Promises: nothing that comes in makes it keep more than LONGEST octets; what is no packet is said to be so.
 */

/** The longest that libmilter sends (its "MDS" of a megabyte), with room for what stands around it. */
export const LONGEST = 1024 * 1024 + 4096;

const EMPTY = Buffer.alloc(0);

export interface Packet {
  /** One ASCII character. */
  readonly code: string;
  readonly data: Buffer;
}

/** A part of the data: octets as they are, or text (UTF-8), which gets its NUL. */
export type Part = Uint8Array | string;

export function encodePacket(code: string, ...parts: readonly Part[]): Buffer {
  const octets = parts.map((part) => (typeof part === 'string' ? cString(part) : part));
  const length = octets.reduce((sum, part) => sum + part.byteLength, 1);
  const head = Buffer.allocUnsafe(5);
  head.writeUInt32BE(length, 0);
  head.write(code, 4, 'latin1');
  return Buffer.concat([head, ...octets]);
}

/** With its NUL. One inside of it would end it early: it is left out. */
export const cString = (text: string): Buffer => Buffer.from(`${text.replaceAll('\0', '')}\0`, 'utf8');

export function uint32(value: number): Buffer {
  const octets = Buffer.allocUnsafe(4);
  octets.writeUInt32BE(value >>> 0, 0);
  return octets;
}

/** Cuts what comes into packets. */
export class PacketReader {
  #pieces: Buffer[] = [];
  #size = 0;
  /** Length of the packet at hand, its length field included; 0 until that is there. */
  #wanted = 0;

  /** Gives each whole packet to `packet`; a sentence if it cannot be one, after which nothing may be given to it. */
  push(chunk: Uint8Array, packet: (packet: Packet) => void): string | undefined {
    this.#pieces.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#size += chunk.byteLength;
    for (;;) {
      if (this.#wanted === 0) {
        if (this.#size < 4) return undefined;
        const length = this.#gathered().readUInt32BE(0);
        if (length < 1) return 'a packet without a code';
        if (length > LONGEST) return `a packet of ${length} octets; at most ${LONGEST} are read`;
        this.#wanted = 4 + length;
      }
      if (this.#size < this.#wanted) return undefined;
      const octets = this.#gathered();
      const data = octets.subarray(5, this.#wanted);
      packet({ code: octets.toString('latin1', 4, 5), data });
      this.#pieces = [octets.subarray(this.#wanted)];
      this.#size -= this.#wanted;
      this.#wanted = 0;
    }
  }

  #gathered(): Buffer {
    const [first, second] = this.#pieces;
    if (first && !second) return first;
    const all = this.#pieces.length === 0 ? EMPTY : Buffer.concat(this.#pieces);
    this.#pieces = [all];
    return all;
  }
}

/** Takes the data of a packet apart; undefined where there is none left of what was asked for. */
export class Fields {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isOver(): boolean {
    return this.#at >= this.#data.length;
  }

  uint32(): number | undefined {
    if (this.#at + 4 > this.#data.length) return undefined;
    this.#at += 4;
    return this.#data.readUInt32BE(this.#at - 4);
  }

  /** Up to a NUL, without it. */
  string(): Buffer | undefined {
    const end = this.#data.indexOf(0, this.#at);
    if (end < 0) return undefined;
    const text = this.#data.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }
}
