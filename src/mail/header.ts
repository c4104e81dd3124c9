/**
 * Looks into the header block of a mail without changing it: how many Received fields it has,
 * which recipients it had when it passed us before, and whether the header is ASCII.
 *
 * Promises: reads at most HEADER_SCAN_LIMIT octets, in time linear to them; never throws,
 * whatever the bytes are; never decides (what to do about a loop is policy's business).
 * RFC 5322 §2.2, §3.6.7; RFC 5321 §6.3 (loops); RFC 6532 (UTF-8 in headers).
 */
import { isUtf8 } from 'node:buffer';

/** A header that is longer is judged by its first part. */
export const HEADER_SCAN_LIMIT = 256 * 1024;

export interface HeaderScan {
  /** Octets up to and with the empty line; null if it did not come within what was scanned. */
  readonly end: number | null;
  /** Number of Received fields. */
  readonly received: number;
  /** For each Received field that a Restante wrote: the tags of its recipients (`received.ts`). */
  readonly passes: readonly ReadonlySet<string>[];
  readonly charset: 'ascii' | 'utf8' | 'other';
}

/** How often the recipient with this tag has passed us before. */
export function passesOf(scan: HeaderScan, tag: string): number {
  let count = 0;
  for (const pass of scan.passes) if (pass.has(tag)) count++;
  return count;
}

/** The length of the header in `content`, its empty line included; null if there is no empty line. */
export function headerEnd(content: Buffer): number | null {
  if (content[0] === 0x0d && content[1] === 0x0a) return 2;
  const at = content.indexOf('\r\n\r\n', 0, 'latin1');
  return at < 0 ? null : at + 4;
}

/** `content` begins with the first octet of the mail and holds its header, or as much of it as is there. */
export function scanHeader(content: Uint8Array): HeaderScan {
  const bytes = Buffer.from(
    content.buffer,
    content.byteOffset,
    Math.min(content.byteLength, HEADER_SCAN_LIMIT),
  );
  const end = headerEnd(bytes);
  const header = end === null ? bytes : bytes.subarray(0, end);
  const text = header.toString('latin1');
  const passes: ReadonlySet<string>[] = [];
  let received = 0;
  for (let at = 0; at < text.length; at = nextLine(text, at)) {
    const first = text.charCodeAt(at) | 0x20;
    if (first !== 0x72 /* r */ || !/^received[ \t]*:/i.test(text.slice(at, at + 64))) continue;
    received++;
    const pass = tagsOf(text.slice(at, fieldEnd(text, at)));
    if (pass) passes.push(pass);
  }
  return { end, received, passes, charset: charsetOf(header, text) };
}

/**
 * Gathers the first chunks of a mail until its header is complete or too long to be scanned.
 * Keeps references, copies nothing until `scan`.
 */
export class HeaderCollector {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #tail = '';
  #complete = false;

  /** False once no more is wanted. */
  add(chunk: Uint8Array): boolean {
    if (this.#complete) return false;
    const start = this.#size === 0 ? '\r\n' : this.#tail;
    this.#chunks.push(chunk);
    this.#size += chunk.byteLength;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    // The empty line may lie across chunks: the last three octets are looked at again.
    this.#complete =
      this.#size >= HEADER_SCAN_LIMIT ||
      bytes.indexOf('\r\n\r\n', 0, 'latin1') >= 0 ||
      (start + bytes.toString('latin1', 0, 3)).includes('\r\n\r\n');
    this.#tail = (start + bytes.toString('latin1', Math.max(0, bytes.length - 3))).slice(-3);
    return !this.#complete;
  }

  /** What was gathered, whole. */
  gathered(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  scan(): HeaderScan {
    const [first] = this.#chunks;
    return scanHeader(this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks));
  }
}

function nextLine(text: string, at: number): number {
  const lf = text.indexOf('\r\n', at);
  return lf < 0 ? text.length : lf + 2;
}

/** RFC 5322 §2.2.3: lines that begin with white space belong to the field. */
function fieldEnd(text: string, at: number): number {
  let end = nextLine(text, at);
  while (end < text.length && (text[end] === ' ' || text[end] === '\t')) end = nextLine(text, end);
  return end;
}

function tagsOf(field: string): ReadonlySet<string> | undefined {
  const open = field.indexOf('(Restante');
  if (open < 0) return undefined;
  const close = field.indexOf(')', open);
  if (close < 0) return undefined;
  return new Set(
    field
      .slice(open + '(Restante'.length, close)
      .split(/[ \t\r\n]+/)
      .filter(Boolean),
  );
}

function charsetOf(bytes: Buffer, text: string): HeaderScan['charset'] {
  if (!/[\x80-\xff]/.test(text)) return 'ascii';
  return isUtf8(bytes) ? 'utf8' : 'other';
}
