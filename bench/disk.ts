/** The disk's own rate: one writer that appends 4 KB and syncs, as a server would with one mail at a time. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Syncs a second, in each of `rounds`, on the file system of `folder`. */
export function syncRates(folder: string, seconds: number, rounds: number): number[] {
  const block = Buffer.alloc(4096, 'x');
  const path = join(folder, 'disk');
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const file = openSync(path, 'a');
    const begun = performance.now();
    const end = begun + seconds * 1000;
    let count = 0;
    for (; performance.now() < end; count++) {
      writeSync(file, block);
      fdatasyncSync(file);
    }
    rates.push((count * 1000) / (performance.now() - begun));
    closeSync(file);
    rmSync(path);
  }
  return rates;
}
