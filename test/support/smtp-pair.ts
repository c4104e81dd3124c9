/**
 * Two streams in memory that are each other's peer. Unlike node's duplexPair it hands over in a turn
 * of its own: TLS on both ends of a synchronous pair runs into itself.
 */
import { Duplex } from 'node:stream';

class Half extends Duplex {
  other: Half | null = null;
  #wanted: (() => void) | null = null;

  override _read(): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    setImmediate(() => this.other?.receive(chunk, done));
  }

  override _final(done: () => void): void {
    setImmediate(() => this.other?.receive(null, done));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    setImmediate(() => {
      if (this.other && !this.other.destroyed && !this.other.readableEnded) this.other.push(null);
    });
    done(error);
  }

  /** `taken` is called when there is room again: back-pressure goes through. */
  receive(chunk: Buffer | null, taken: () => void): void {
    if (this.destroyed || this.readableEnded || this.push(chunk) || chunk === null) taken();
    else this.#wanted = taken;
  }
}

export function memoryPair(): readonly [Duplex, Duplex] {
  const near = new Half();
  const far = new Half();
  near.other = far;
  far.other = near;
  return [near, far];
}
