/**
 * What a server costs, from outside: CPU time of its whole tree of processes (those that ended are in the
 * account of the parent that waited for them) and its share of memory (PSS: forking servers share pages).
 */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_A_SECOND = 100;

interface Stat {
  readonly parent: number;
  /** Seconds, ended children included. */
  readonly cpu: number;
}

function stat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: state ppid … utime stime cutime cstime are 14 to 17.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const cpu = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) / TICKS_A_SECOND;
    return { parent: Number(fields[1]), cpu };
  } catch {
    return null;
  }
}

/** `root` and all below it. */
function tree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const found = Number.isInteger(pid) ? stat(pid) : null;
    if (found) parents.set(pid, found.parent);
  }
  const all = [root];
  for (const pid of all) for (const [child, parent] of parents) if (parent === pid) all.push(child);
  return all;
}

/** Seconds of CPU that the tree has used so far. */
export const cpuOf = (root: number): number =>
  tree(root).reduce((sum, pid) => sum + (stat(pid)?.cpu ?? 0), 0);

/** MiB of memory of the tree. */
export function memoryOf(root: number): number {
  let kib = 0;
  for (const pid of tree(root)) {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has just ended.
    }
  }
  return kib / 1024;
}
