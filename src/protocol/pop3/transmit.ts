/**
 * Content on its way out: dots doubled, ended by a dot, under the peer's back-pressure.
 *
 * Promises: no more than one chunk and what the wire has not sent yet is in memory; with TOP nothing is
 * read behind the last line that was asked for. RFC 1939 §3 (byte-stuffing), §5 (RETR), §7 (TOP).
 */
import { DotStuffer } from '../smtp/client/content.ts';
import type { Dialog } from './dialog.ts';
import type { Message } from './maildrop.ts';

const LF = 0x0a;

/** The header, its empty line, and so many lines of the body. */
export class Top {
  #left: number;
  #inBody = false;
  /** Octets of the present line so far. */
  #line = 0;

  constructor(lines: number) {
    this.#left = lines;
  }

  /** All that was asked for has been there. */
  get done(): boolean {
    return this.#inBody && this.#left === 0;
  }

  /** As much of the chunk as is asked for. */
  take(chunk: Uint8Array): Uint8Array {
    for (let at = 0; !this.done; ) {
      const lf = chunk.indexOf(LF, at);
      if (lf < 0) {
        this.#line += chunk.length - at;
        return chunk;
      }
      const length = this.#line + lf + 1 - at;
      this.#line = 0;
      at = lf + 1;
      if (this.#inBody) this.#left--;
      else if (length === 2) this.#inBody = true;
      if (this.done) return chunk.subarray(0, at);
    }
    return chunk.subarray(0, 0);
  }
}

/** False: the peer is gone, or takes nothing. */
export async function transmit(talk: Dialog, message: Message, top?: Top): Promise<boolean> {
  const dots = new DotStuffer();
  try {
    for await (const chunk of message.chunks()) {
      dots.stuff(top ? top.take(chunk) : chunk, (octets) => talk.say(octets));
      if (!(await talk.written())) return false;
      if (top?.done) break;
    }
    talk.say(dots.end());
    return true;
  } catch (fault) {
    // Half a message has no end, and nothing that we say could be told from it.
    talk.destroy();
    throw fault;
  } finally {
    await message.close();
  }
}
