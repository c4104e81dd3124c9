/**
 * A batch as it was sent: plain, or compressed by gzip or zstd, told by its first octets. A bomb is cut:
 * what comes out is bounded by a factor of what went in, and altogether.
 *
 * RFC 1952 (gzip), RFC 8878 (zstd).
 */
import { pipeline, Readable, Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Octets } from './octets.ts';

export class UnpackFault extends Error {}

export interface UnpackBounds {
  /** Octets that may come out in any case. */
  readonly free: number;
  /** Beyond that: so many for each that went in. */
  readonly factor: number;
  readonly most: number;
}
export const UNPACK_BOUNDS: UnpackBounds = { free: 64 * 2 ** 20, factor: 100, most: 16 * 2 ** 30 };

const MAGIC: readonly (readonly [string, 'gzip' | 'zstd' | 'compress'])[] = [
  ['1f8b', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['1f9d', 'compress'],
];

/** `packed` is told what it was. Throws UnpackFault where it is damaged or too large. */
export async function* unpack(
  input: AsyncIterable<Uint8Array>,
  bounds: UnpackBounds = UNPACK_BOUNDS,
): AsyncGenerator<Uint8Array> {
  const octets = new Octets(input);
  let head = await octets.take();
  for (let more = head; head.length < 4 && more.length > 0; ) {
    more = await octets.take();
    head = Buffer.concat([head, more]);
  }
  octets.putBack(head);
  const hex = head.subarray(0, 4).toString('hex');
  const kind = MAGIC.find(([magic]) => hex.startsWith(magic))?.[1];
  if (kind === 'compress') throw new UnpackFault('compress (.Z) is not understood: use gzip or zstd');
  if (kind) yield* inflate(octets, kind, bounds);
  else for (let chunk = await octets.take(); chunk.length > 0; chunk = await octets.take()) yield chunk;
}

async function* inflate(
  octets: Octets,
  kind: 'gzip' | 'zstd',
  bounds: UnpackBounds,
): AsyncGenerator<Uint8Array> {
  let into = 0;
  let out = 0;
  const source = async function* () {
    for (let chunk = await octets.take(); chunk.length > 0; chunk = await octets.take()) {
      into += chunk.length;
      yield chunk;
    }
  };
  const watch = new Transform({
    transform(chunk: Buffer, _, done) {
      out += chunk.length;
      const most = Math.min(bounds.most, Math.max(bounds.free, into * bounds.factor));
      if (out > most) done(new UnpackFault(`more than ${most} octets come out of ${into}`));
      else done(null, chunk);
    },
  });
  const inflater = kind === 'gzip' ? createGunzip() : createZstdDecompress();
  pipeline(Readable.from(source()), inflater, watch, () => {});
  try {
    yield* watch as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof UnpackFault) throw error;
    throw new UnpackFault(
      `the ${kind} is damaged: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    watch.destroy();
  }
}
