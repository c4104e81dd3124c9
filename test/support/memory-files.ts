/**
 * The file port over a disk in memory that remembers its history (`memory-disk.ts`), so that power loss
 * and kills can be played at any moment of it, afterwards too.
 *
 * `fault` is asked before each operation; it may let it fail, cut a write short, or end the world.
 * `without` names a sync that is left out, as if the code did not ask for it.
 */
import type { FileHandle, FileLock, Files } from '../../src/base/files.ts';
import { fateOf } from './fates.ts';
import {
  afterKill,
  afterPowerLoss,
  applied,
  applyName,
  type Fate,
  Folder,
  Inode,
  type NameChange,
  type Op,
} from './memory-disk.ts';

export interface Operation {
  /** Counted from 1. */
  readonly number: number;
  readonly kind:
    | 'open'
    | 'create'
    | 'read'
    | 'close'
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
  /** Of a sync: what it is for. */
  readonly why?: string;
}

export type Fault =
  | { readonly kind: 'error'; readonly code: string }
  /** Only so many octets are written, then the call fails with the code (if any). */
  | { readonly kind: 'short'; readonly octets: number; readonly code?: string }
  /** The power goes. `after`: the operation itself still took place. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' };

/** Takes place at once, between the beginning and the end of the operation; adds what it changes to `touched`. */
type Act = (at: { began: number; fault: Fault | undefined; touched: { ended: number }[] }) => void;
type What = Pick<Operation, 'kind' | 'path' | 'why'> & { octets?: number };

export class PowerLoss extends Error {}

/** Operations that change nothing on the disk. */
const LOOKS = new Set<Operation['kind']>(['open', 'read', 'close', 'list']);

export class MemoryFiles implements Files {
  /** Octets that the disk holds. */
  capacity = Infinity;
  fault: (op: Operation) => Fault | undefined = () => undefined;
  without: string | null = null;
  /** Called when an operation that changes something has begun and when it has ended. */
  moment: (now: number, op: Operation) => void = () => {};
  /** Operations so far. */
  operations = 0;
  /** Counts beginnings and ends of operations. */
  now = 0;
  readonly root: Folder;
  #locks = new Set<string>();
  #dead = false;

  constructor(root = new Folder()) {
    this.root = root;
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle> {
    const inode = mode === 'create' ? new Inode() : null;
    const kind = mode === 'create' ? 'create' : 'open';
    await this.#step({ kind, path }, ({ began, touched }) => {
      const { folder, name } = this.#place(path);
      const exists = folder.names.has(name);
      if (inode && exists) throw systemError('EEXIST', path);
      if (!inode && !exists) throw systemError('ENOENT', path);
      if (inode) change(folder, { began, ended: Infinity, name, node: inode }, touched);
    });
    return new MemoryFile(this, path, inode ?? this.#inode(path));
  }

  async list(dir: string): Promise<string[]> {
    await this.#step({ kind: 'list', path: dir }, () => {});
    return [...this.#folder(dir).names].filter(([, n]) => n instanceof Inode).map(([name]) => name);
  }

  async makeDir(dir: string): Promise<void> {
    await this.#step({ kind: 'makeDir', path: dir }, ({ began, touched }) => {
      let at = this.root;
      for (const name of parts(dir)) {
        let next = at.names.get(name);
        if (!next) {
          next = new Folder();
          change(at, { began, ended: Infinity, name, node: next }, touched);
        }
        if (!(next instanceof Folder)) throw systemError('ENOTDIR', dir);
        at = next;
      }
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step({ kind: 'rename', path: from }, ({ began, touched }) => {
      const node = this.#inode(from);
      const [a, b] = [this.#place(from), this.#place(to)];
      const set = { began, ended: Infinity, name: b.name, node };
      if (a.folder === b.folder) return change(b.folder, { ...set, from: a.name }, touched);
      change(b.folder, set, touched);
      change(a.folder, { began, ended: Infinity, name: a.name, node: null, onlyWith: set }, touched);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step({ kind: 'remove', path }, ({ began, touched }) => {
      this.#inode(path);
      const { folder, name } = this.#place(path);
      change(folder, { began, ended: Infinity, name, node: null }, touched);
    });
  }

  async syncDir(dir: string, why: string): Promise<void> {
    await this.#step({ kind: 'syncDir', path: dir, why }, ({ began }) => {
      if (why !== this.without) this.#folder(dir).syncs.push({ began, ended: this.now + 1 });
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

  /** Ends this world; what is left of it after power loss, by chance. */
  crash(random: () => number): MemoryFiles {
    this.#dead = true;
    return this.lost(this.now, fateOf(Math.floor(random() * 2 ** 32), Buffer.alloc(0)));
  }

  /** What is left if the power went at that moment. */
  lost(moment: number, fate: Fate): MemoryFiles {
    const rest = new MemoryFiles(afterPowerLoss(this.root, moment, fate));
    rest.capacity = this.capacity;
    return rest;
  }

  /** A process that is killed: all that was written is still there, and the lock is free. */
  kill(): MemoryFiles {
    this.#dead = true;
    return this.killed(this.now, () => true);
  }

  /** The same at a moment that has been; `underWay`: did it still take place? */
  killed(moment: number, underWay: Parameters<typeof afterKill>[2]): MemoryFiles {
    const rest = new MemoryFiles(afterKill(this.root, moment, underWay));
    rest.capacity = this.capacity;
    return rest;
  }

  /** For tests that damage: the octets of a file, to be changed in place. */
  octets(path: string): Buffer {
    return this.#inode(path).now;
  }

  has(path: string): boolean {
    const { folder, name } = this.#place(path);
    return folder.names.get(name) instanceof Inode;
  }

  paths(): string[] {
    const of = (folder: Folder, path: string): string[] =>
      [...folder.names].flatMap(([name, node]) =>
        node instanceof Folder ? of(node, `${path}/${name}`) : [`${path}/${name}`],
      );
    return of(this.root, '').sort();
  }

  /** For MemoryFile. */
  step(what: What, act: Act): Promise<void> {
    return this.#step(what, act);
  }

  /** Octets that a file may still grow by. */
  get room(): number {
    return Math.max(0, this.capacity - this.#used());
  }

  async #step(what: What, act: Act): Promise<void> {
    const changes = !LOOKS.has(what.kind);
    const op = { octets: 0, ...what, number: ++this.operations };
    const began = changes ? ++this.now : this.now;
    if (changes) this.moment(began, op);
    // Always another turn, as with a real disk.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#dead) throw new PowerLoss(`${op.kind} ${op.path} after the end`);
    const fault = this.fault(op);
    if (fault?.kind === 'crash' && fault.when === 'before') this.#die(op);
    const touched: { ended: number }[] = [];
    try {
      if (fault?.kind === 'error') throw systemError(fault.code, op.path);
      act({ began, fault, touched });
    } finally {
      if (changes) this.now++;
      for (const one of touched) one.ended = this.now;
      if (fault?.kind === 'crash') this.#die(op);
    }
    if (changes) this.moment(this.now, op);
  }

  #die(op: Operation): never {
    this.#dead = true;
    throw new PowerLoss(`${op.kind} ${op.path}`);
  }

  /** Is there a file with octets that a failed sync has left unsafe for ever? */
  get isDoomed(): boolean {
    return this.#inodes().some((inode) => inode.ops.some((op) => op.doomed));
  }

  #used(): number {
    return this.#inodes().reduce((sum, inode) => sum + inode.now.length, 0);
  }

  #inodes(): Inode[] {
    const inodes = new Set<Inode>();
    const visit = (folder: Folder): void => {
      for (const node of folder.names.values()) node instanceof Folder ? visit(node) : inodes.add(node);
    };
    visit(this.root);
    return [...inodes];
  }

  #folder(path: string): Folder {
    let at: Folder | Inode | undefined = this.root;
    for (const name of parts(path)) at = at instanceof Folder ? at.names.get(name) : undefined;
    if (!(at instanceof Folder)) throw systemError('ENOENT', path);
    return at;
  }

  #place(path: string): { folder: Folder; name: string } {
    const at = path.lastIndexOf('/');
    return { folder: this.#folder(path.slice(0, at)), name: path.slice(at + 1) };
  }

  #inode(path: string): Inode {
    const { folder, name } = this.#place(path);
    const inode = folder.names.get(name);
    if (!(inode instanceof Inode)) throw systemError('ENOENT', path);
    return inode;
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
    await this.#files.step({ kind: 'read', path: this.#path, octets: into.byteLength }, ({ fault }) => {
      const most = fault?.kind === 'short' ? Math.min(fault.octets, into.byteLength) : into.byteLength;
      const start = Math.min(position, this.#inode.now.length);
      n = this.#inode.now.copy(into, 0, start, Math.min(this.#inode.now.length, start + most));
    });
    return n;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const octets = Buffer.concat(buffers);
    const inode = this.#inode;
    let done = octets.length;
    await this.#files.step({ kind: 'write', path: this.#path, octets: done }, ({ began, fault, touched }) => {
      if (fault?.kind === 'short') done = Math.min(done, fault.octets);
      const grows = Math.max(0, position + done - inode.now.length);
      done = Math.max(0, done - Math.max(0, grows - this.#files.room));
      if (done > 0)
        apply(inode, { began, at: position, octets: octets.subarray(0, done), cut: false }, touched);
      const code = fault?.kind === 'short' ? fault.code : undefined;
      if (code !== undefined) throw systemError(code, this.#path);
      if (done === 0 && octets.length > 0) throw systemError('ENOSPC', this.#path);
    });
    return done;
  }

  async datasync(why: string): Promise<void> {
    const inode = this.#inode;
    let began = 0;
    try {
      await this.#files.step({ kind: 'datasync', path: this.#path, why }, (at) => {
        began = at.began;
        if (why !== this.#files.without) inode.syncs.push({ began, ended: this.#files.now + 1 });
      });
    } catch (error) {
      // What could not be written is taken for clean: no later sync tries it again.
      const { unsafe } = inode.at(this.#files.now);
      if (!(error instanceof PowerLoss)) for (const op of unsafe) op.doomed = true;
      throw error;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#files.step({ kind: 'truncate', path: this.#path }, ({ began, touched }) => {
      apply(this.#inode, { began, at: size, octets: Buffer.alloc(0), cut: true }, touched);
    });
  }

  async size(): Promise<number> {
    return this.#inode.now.length;
  }

  close(): Promise<void> {
    return this.#files.step({ kind: 'close', path: this.#path }, () => {});
  }
}

function change(folder: Folder, what: NameChange, touched: { ended: number }[]): void {
  applyName(folder.names, what);
  folder.changes.push(what);
  touched.push(what);
}

function apply(inode: Inode, what: Omit<Op, 'ended' | 'doomed'>, touched: { ended: number }[]): void {
  const op: Op = { ...what, octets: Buffer.from(what.octets), ended: Infinity, doomed: false };
  inode.now = applied(inode.now, op);
  inode.ops.push(op);
  touched.push(op);
}

const parts = (path: string): string[] => path.split('/').filter((name) => name !== '');

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
