/**
 * Files in memory that forget like real ones. What was written survives `crash` for certain only after
 * `datasync`; names only after `syncDir`. What was not synced survives wholly, partly (at 512 octets) or
 * not at all, as the random source says. After a failed `datasync` the octets it was to sync are lost for
 * ever, though they can still be read (as Linux does it).
 *
 * `fault` is asked before each operation; it may let it fail, cut a write short, or end the world.
 */
import type { FileHandle, FileLock, Files } from '../../src/base/files.ts';

export interface Operation {
  /** Counted from 1. */
  readonly number: number;
  readonly kind:
    | 'open'
    | 'create'
    | 'read'
    | 'write'
    | 'datasync'
    | 'truncate'
    | 'rename'
    | 'remove'
    | 'syncDir'
    | 'list'
    | 'makeDir';
  readonly path: string;
  readonly octets: number;
}

export type Fault =
  | { readonly kind: 'error'; readonly code: string }
  /** Only so many octets are written, then the call fails with the code (if any). */
  | { readonly kind: 'short'; readonly octets: number; readonly code?: string }
  /** The power goes. `after`: the operation itself still took place. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' };

interface Write {
  readonly at: number;
  readonly octets: Buffer;
  /** A truncation to `at`. */
  readonly cut: boolean;
}

class Inode {
  /** As a reader sees it now. */
  now: Buffer = Buffer.alloc(0);
  /** What is on the platter for certain. */
  durable: Buffer = Buffer.alloc(0);
  /** What is not synced yet. */
  pending: Write[] = [];

  apply(write: Write): void {
    this.now = applied(this.now, write);
    this.pending.push(write);
  }
}

/** One entry of the journal: takes place wholly or not. */
interface NameChange {
  readonly set?: { readonly path: string; readonly inode: Inode };
  readonly unset?: string;
}

type Act = (fault: Fault | undefined) => void;

export class PowerLoss extends Error {}

export class MemoryFiles implements Files {
  /** Octets that the disk holds. */
  capacity = Infinity;
  fault: (op: Operation) => Fault | undefined = () => undefined;
  /** Operations so far. */
  operations = 0;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: NameChange[] = [];
  #locks = new Set<string>();
  #dead = false;

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    await this.#step(mode === 'create' ? 'create' : 'open', path, 0, () => {
      const exists = this.#names.has(path);
      if (mode === 'create' && exists) throw systemError('EEXIST', path);
      if (mode !== 'create' && !exists) throw systemError('ENOENT', path);
      if (mode === 'create') this.#change({ set: { path, inode: new Inode() } });
    });
    return new MemoryFile(this, path, this.#inode(path));
  }

  async list(dir: string): Promise<string[]> {
    await this.#step('list', dir, 0, () => {});
    const prefix = `${dir}/`;
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
      .map((path) => path.slice(prefix.length));
  }

  async makeDir(dir: string): Promise<void> {
    await this.#step('makeDir', dir, 0, () => {});
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step('rename', from, 0, () => {
      const inode = this.#inode(from);
      this.#change({ set: { path: to, inode }, unset: from });
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step('remove', path, 0, () => {
      this.#inode(path);
      this.#change({ unset: path });
    });
  }

  async syncDir(dir: string): Promise<void> {
    await this.#step('syncDir', dir, 0, () => {
      const here = (c: NameChange): boolean => (c.set?.path ?? c.unset ?? '').startsWith(`${dir}/`);
      for (const change of this.#pendingNames.filter(here)) applyName(this.#durableNames, change);
      this.#pendingNames = this.#pendingNames.filter((c) => !here(c));
    });
  }

  async free(): Promise<number> {
    return Math.max(0, this.capacity - this.#used());
  }

  lock(path: string): FileLock | null {
    if (this.#locks.has(path)) return null;
    this.#locks.add(path);
    return { release: () => this.#locks.delete(path) };
  }

  /** Ends this world; what is left of it is a new one. */
  crash(random: () => number): MemoryFiles {
    this.#dead = true;
    const rest = new MemoryFiles();
    rest.capacity = this.capacity;
    const names = new Map(this.#durableNames);
    // Names become durable in the order of the journal: up to some point.
    const kept = Math.floor(random() * (this.#pendingNames.length + 1));
    for (const change of this.#pendingNames.slice(0, kept)) applyName(names, change);
    const survivors = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? survive(inode, random);
      survivors.set(inode, survivor);
      rest.#names.set(path, survivor);
      rest.#durableNames.set(path, survivor);
    }
    return rest;
  }

  /** A process that is killed: all that was written is still there, and the lock is free. */
  kill(): MemoryFiles {
    this.#dead = true;
    const rest = new MemoryFiles();
    rest.capacity = this.capacity;
    rest.#names = this.#names;
    rest.#durableNames = this.#durableNames;
    rest.#pendingNames = this.#pendingNames;
    return rest;
  }

  /** For tests that damage: the octets of a file, to be changed in place. */
  octets(path: string): Buffer {
    return this.#inode(path).now;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  async #step(kind: Operation['kind'], path: string, octets: number, act: Act): Promise<void> {
    // Always another turn, as with a real disk.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#dead) throw new PowerLoss(`${kind} ${path} after the end`);
    const fault = this.fault({ number: ++this.operations, kind, path, octets });
    if (fault?.kind === 'error') throw systemError(fault.code, path);
    if (fault?.kind === 'crash' && fault.when === 'before') this.#die(kind, path);
    try {
      act(fault);
    } finally {
      if (fault?.kind === 'crash') this.#die(kind, path);
    }
  }

  /** For MemoryFile. */
  step(kind: Operation['kind'], path: string, octets: number, act: Act): Promise<void> {
    return this.#step(kind, path, octets, act);
  }

  async write(path: string, inode: Inode, octets: Buffer, at: number): Promise<number> {
    let done = octets.length;
    await this.#step('write', path, octets.length, (fault) => {
      let failed: string | undefined;
      if (fault?.kind === 'short') {
        done = Math.min(done, fault.octets);
        failed = fault.code;
      }
      const grows = Math.max(0, at + done - inode.now.length);
      const room = Math.max(0, this.capacity - this.#used());
      if (grows > room) done = Math.max(0, done - (grows - room));
      if (done > 0) inode.apply({ at, octets: Buffer.from(octets.subarray(0, done)), cut: false });
      if (done === 0 && octets.length > 0) failed ??= 'ENOSPC';
      if (failed !== undefined) throw systemError(failed, path);
    });
    return done;
  }

  #die(kind: string, path: string): never {
    this.#dead = true;
    throw new PowerLoss(`${kind} ${path}`);
  }

  #used(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.now.length;
    return used;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw systemError('ENOENT', path);
    return inode;
  }

  #change(change: NameChange): void {
    applyName(this.#names, change);
    this.#pendingNames.push(change);
  }
}

class MemoryFile implements FileHandle {
  readonly #files: MemoryFiles;
  readonly #path: string;
  readonly #inode: Inode;

  constructor(files: MemoryFiles, path: string, inode: Inode) {
    this.#files = files;
    this.#path = path;
    this.#inode = inode;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let n = 0;
    await this.#files.step('read', this.#path, into.byteLength, () => {
      n = this.#inode.now.copy(into, 0, Math.min(position, this.#inode.now.length));
    });
    return n;
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    return this.#files.write(this.#path, this.#inode, Buffer.concat(buffers), position);
  }

  async datasync(): Promise<void> {
    try {
      await this.#files.step('datasync', this.#path, 0, () => {
        for (const write of this.#inode.pending) this.#inode.durable = applied(this.#inode.durable, write);
        this.#inode.pending = [];
      });
    } catch (error) {
      // What could not be written is taken for clean: no later sync tries it again.
      if (!(error instanceof PowerLoss)) this.#inode.pending = [];
      throw error;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#files.step('truncate', this.#path, 0, () => {
      this.#inode.apply({ at: size, octets: Buffer.alloc(0), cut: true });
    });
  }

  async size(): Promise<number> {
    return this.#inode.now.length;
  }

  async close(): Promise<void> {}
}

function survive(inode: Inode, random: () => number): Inode {
  const rest = new Inode();
  let octets = inode.durable;
  for (const write of inode.pending) {
    const fate = random();
    if (fate < 0.3) continue;
    if (fate < 0.6 || write.cut) octets = applied(octets, write);
    else octets = applied(octets, { ...write, octets: torn(write.octets, random) });
  }
  rest.now = octets;
  rest.durable = Buffer.from(octets);
  return rest;
}

/** Some of its sectors; the others hold zeros, or the write ends early. */
function torn(octets: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(octets);
  if (random() < 0.5) return copy.subarray(0, Math.floor(random() * copy.length));
  for (let at = 0; at < copy.length; at += 512)
    if (random() < 0.5) copy.fill(0, at, Math.min(at + 512, copy.length));
  return copy;
}

function applied(octets: Buffer, write: Write): Buffer {
  if (write.cut) {
    const cut = Buffer.alloc(write.at);
    octets.copy(cut, 0, 0, write.at);
    return cut;
  }
  const end = write.at + write.octets.length;
  const grown =
    end > octets.length ? Buffer.concat([octets, Buffer.alloc(end - octets.length)]) : Buffer.from(octets);
  write.octets.copy(grown, write.at);
  return grown;
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.unset !== undefined) names.delete(change.unset);
  if (change.set) names.set(change.set.path, change.set.inode);
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
