/**
 * Replies of a server, out of octets. Bounded: a line, the number of lines. Tolerant where it
 * costs nothing (a bare LF ends a line, the last line's code counts), strict where it matters
 * (what is no reply ends the conversation).
 *
 * RFC 5321 §4.2, 2034 §4 and 3463 (enhanced codes).
 */
import type { Reply } from '../../../mail/reply.ts';

/** RFC 5321 §4.5.3.1.5 says 512; some say more. */
const LONGEST_LINE = 4096;
const MOST_LINES = 256;

const LF = 10;
const CR = 13;

export class ReplyParser {
  #rest: Buffer | null = null;
  #lines: string[] = [];

  /** Has a reply begun that has not ended? */
  get inside(): boolean {
    return this.#rest !== null || this.#lines.length > 0;
  }

  /** Calls `emit` for each whole reply. Returns what is wrong, or null. */
  push(chunk: Buffer, emit: (reply: Reply) => void): string | null {
    const octets = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = null;
    let from = 0;
    for (let end = octets.indexOf(LF); end >= 0; end = octets.indexOf(LF, from)) {
      const wrong = this.#line(octets, from, end, emit);
      if (wrong) return wrong;
      from = end + 1;
    }
    if (octets.length - from > LONGEST_LINE) return 'a line of a reply is too long';
    // Copied: the chunk may be a part of a large buffer of the socket.
    if (from < octets.length) this.#rest = Buffer.from(octets.subarray(from));
    return null;
  }

  #line(octets: Buffer, from: number, lf: number, emit: (reply: Reply) => void): string | null {
    const end = lf > from && octets[lf - 1] === CR ? lf - 1 : lf;
    if (end - from > LONGEST_LINE) return 'a line of a reply is too long';
    const code = codeAt(octets, from, end);
    if (code === null) return `not a reply: ${printable(octets.subarray(from, Math.min(end, from + 80)))}`;
    this.#lines.push(end - from > 4 ? printable(octets.subarray(from + 4, end)) : '');
    if (octets[from + 3] === 0x2d && end - from > 3) {
      return this.#lines.length < MOST_LINES ? null : 'a reply has too many lines';
    }
    const lines = this.#lines;
    this.#lines = [];
    emit(withEnhanced(code, lines));
    return null;
  }
}

/** Three digits, then a hyphen, a space or the end. 1yz is not used in SMTP. */
function codeAt(octets: Buffer, from: number, end: number): number | null {
  if (end - from < 3) return null;
  const [a, b, c] = [octets[from] ?? 0, octets[from + 1] ?? 0, octets[from + 2] ?? 0];
  if (a < 0x32 || a > 0x35 || b < 0x30 || b > 0x39 || c < 0x30 || c > 0x39) return null;
  const mark = octets[from + 3];
  if (end - from > 3 && mark !== 0x20 && mark !== 0x2d) return null;
  return (a - 0x30) * 100 + (b - 0x30) * 10 + (c - 0x30);
}

function printable(octets: Buffer): string {
  return octets.toString('utf8').replace(/[\x00-\x1f\x7f-\x9f]/g, ' ');
}

const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?: +|$)/;

/** Takes the enhanced code off each line that shows the first line's. RFC 2034 §4: same class as the reply. */
function withEnhanced(code: number, lines: readonly string[]): Reply {
  const enhanced = ENHANCED.exec(lines[0] ?? '')?.[1];
  if (enhanced === undefined || enhanced[0] !== String(code)[0]) return { code, text: lines };
  return { code, enhanced, text: lines.map((line) => line.replace(ENHANCED, '')) };
}
