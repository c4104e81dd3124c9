/** What the log says that was found out about the mails of a timed part: so that nothing was spared by not being done. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** How many mails, by what was found: `spf pass`, `dkim skipped: too much to do`. */
export type Seen = Readonly<Record<string, number>>;

const PIECE = 1 << 20;

/** From where on the log is read. */
export function sizeOfLog(path: string): number {
  const file = openSync(path, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

export function seenIn(path: string, from: number): Seen {
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  for (const line of linesOf(path, from)) {
    if (!line.includes('"mail accepted"')) continue;
    const { authentication = {}, marks = [] } = JSON.parse(line);
    count('accepted');
    for (const [method, found] of Object.entries(authentication)) {
      count(`${method} ${(found as { result: string }).result}`);
    }
    for (const mark of marks) count(String(mark));
  }
  return counts;
}

function* linesOf(path: string, from: number): Generator<string> {
  const file = openSync(path, 'r');
  try {
    const piece = Buffer.alloc(PIECE);
    let rest = '';
    for (let at = from; ; ) {
      const got = readSync(file, piece, 0, PIECE, at);
      if (got === 0) return;
      at += got;
      const lines = (rest + piece.toString('latin1', 0, got)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(file);
  }
}

export const seenText = (seen: Seen): string =>
  Object.entries(seen)
    .map(([what, count]) => `${what} ${count.toLocaleString('en')}`)
    .join(', ');
