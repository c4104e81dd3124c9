/**
 * What a process costs, from outside: CPU time of its whole tree (those that ended are in the account of the
 * parent that waited for them) and its share of memory (PSS: forking servers share pages).
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_A_SECOND = 100;

interface Stat {
  readonly parent: number;
  /** Seconds, of itself. */
  readonly own: number;
  /** Seconds, of ended children. */
  readonly ended: number;
}

function stat(pid: number | 'self'): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: state ppid … utime stime cutime cstime are 14 to 17.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const seconds = (i: number) => Number(fields[i]) / TICKS_A_SECOND;
    return { parent: Number(fields[1]), own: seconds(11) + seconds(12), ended: seconds(13) + seconds(14) };
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
export function cpuOf(root: number): number {
  let sum = 0;
  for (const pid of tree(root)) {
    const found = stat(pid);
    if (found) sum += found.own + found.ended;
  }
  return sum;
}

/** Processes that serve the server: a resolver, a mail filter. By their ids. */
export class Beside extends Set<number> {
  /** Seconds of CPU so far. */
  get cpu(): number {
    return [...this].reduce((sum, pid) => sum + cpuOf(pid), 0);
  }
}

/** Seconds of CPU of our children that have ended. */
export const cpuOfEnded = (): number => stat('self')?.ended ?? 0;

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

/** Samples the memory of a tree while something runs; once a second, so that it costs little itself. */
export class Peak {
  readonly #root: number;
  readonly #timer: NodeJS.Timeout;
  #best: number;

  constructor(root: number, everyMs = 1000) {
    this.#root = root;
    this.#best = memoryOf(root);
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /** MiB at most so far. */
  end(): number {
    clearInterval(this.#timer);
    this.#sample();
    return this.#best;
  }

  #sample(): void {
    this.#best = Math.max(this.#best, memoryOf(this.#root));
  }
}

/** Resolves with what it wrote on a piped standard output when it has ended well. */
export function finished(child: ChildProcess, name: string): Promise<string> {
  return new Promise((done, fail) => {
    let out = '';
    let said = '';
    child.stdout?.on('data', (text) => (out += String(text)));
    child.stderr?.on('data', (text) => (said += String(text)));
    child.once('error', fail);
    child.once('close', (code, signal) => {
      if (code === 0) done(out);
      else fail(new Error(`${name}: ${said.trim() || (code ?? signal)}`));
    });
  });
}
