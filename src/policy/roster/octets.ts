/**
 * A file by chunks that share one buffer: each is good until the next is asked for. A list of 25 MB read by a stream
 * leaves 25 MB of buffers to the garbage collector, which is in no hurry.
 */
import { open } from 'node:fs/promises';

const CHUNK = 64 * 1024;

export async function* octetsOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
