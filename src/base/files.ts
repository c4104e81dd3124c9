/**
 * The file port: every file operation of the spool passes it, so that a test can put a fault
 * under each one (`test/support/memory-files.ts`).
 *
 * Promises: only what POSIX does. `write` may be short. Written octets survive a power loss after
 * `datasync`; a name (made, renamed, removed) after `syncDir` of its folder. Nothing is retried here.
 */
import * as fs from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface FileHandle {
  /** May be short; 0 at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Octets written: may be fewer than given. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /** `why`: what is promised by it. Only tests look at it: they leave one out and see the promise break. */
  datasync(why: string): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface FileLock {
  release(): void;
}

export interface Files {
  /** `create`: must not exist; `read` and `write`: must exist. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileHandle>;
  /** Names in a folder, unsorted. */
  list(dir: string): Promise<string[]>;
  /** With parents; none of it is an error if it exists. */
  makeDir(dir: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDir(dir: string, why: string): Promise<void>;
  /** Octets that this user may still write there. */
  free(dir: string): Promise<number>;
  /** An exclusive lock that ends with the process, however it ends. Null: somebody else has it. */
  lock(path: string): FileLock | null;
}

/** The code of a system error ('ENOSPC'), or ''. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export const isNoSpace = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error));

/** Writes all of `buffers` at `position`; goes on after short writes. */
export async function writeAll(
  file: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let left = buffers;
  for (;;) {
    const total = left.reduce((sum, b) => sum + b.byteLength, 0);
    if (total === 0) return;
    let done = await file.write(left, position);
    if (done === total) return;
    if (done === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' });
    position += done;
    const rest: Uint8Array[] = [];
    for (const b of left) {
      if (done >= b.byteLength) done -= b.byteLength;
      else {
        rest.push(b.subarray(done));
        done = 0;
      }
    }
    left = rest;
  }
}

/** Reads until `into` is full or the file ends; octets read. */
export async function readFull(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const n = await file.read(done === 0 ? into : into.subarray(done), position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

/** What was read is read, whatever becomes of the close. */
export async function reading<T>(
  files: Files,
  path: string,
  read: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await files.open(path, 'read');
  try {
    return await read(file);
  } finally {
    await file.close().catch(() => {});
  }
}

/** The whole of a file. */
export function readWhole(files: Files, path: string): Promise<Buffer> {
  return reading(files, path, async (file) => {
    const buffer = Buffer.allocUnsafeSlow(await file.size());
    return buffer.subarray(0, await readFull(file, buffer, 0));
  });
}

// Callbacks rather than fs.promises: each write and sync of the spool passes here, and a
// FileHandle of fs.promises costs several times as much CPU.
type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;
const call = <T>(start: (done: Callback<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));

const FLAGS = { read: 'r', write: 'r+', create: 'wx+' } as const;

class SystemFile implements FileHandle {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return call((done) => fs.read(this.#fd, into, 0, into.byteLength, position, done));
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    // writev takes IOV_MAX (1024) pieces; the rest is a short write.
    return call((done) => fs.writev(this.#fd, buffers.slice(0, 1024), position, done));
  }

  datasync(): Promise<void> {
    return call<void>((done) => fs.fdatasync(this.#fd, (e) => done(e, undefined)));
  }

  truncate(size: number): Promise<void> {
    return call<void>((done) => fs.ftruncate(this.#fd, size, (e) => done(e, undefined)));
  }

  async size(): Promise<number> {
    return (await call<fs.Stats>((done) => fs.fstat(this.#fd, done))).size;
  }

  close(): Promise<void> {
    return call<void>((done) => fs.close(this.#fd, (e) => done(e ?? null, undefined)));
  }
}

export const systemFiles: Files = {
  async open(path, mode) {
    // Mail is read by its owner only.
    return new SystemFile(await call<number>((done) => fs.open(path, FLAGS[mode], 0o600, done)));
  },
  list: (dir) => fs.promises.readdir(dir),
  async makeDir(dir) {
    await fs.promises.mkdir(dir, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.unlink(path),
  async syncDir(dir) {
    const handle = await fs.promises.open(dir, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async free(dir) {
    const stat = await fs.promises.statfs(dir);
    return stat.bavail * stat.bsize;
  },
  lock(path) {
    // Node has no flock; SQLite's exclusive transaction is a lock of the kernel on the file, which
    // goes with the process, holds between containers, and also refuses a second one in this process.
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return { release: () => db.close() };
    } catch (error) {
      db.close();
      const busy = error instanceof Error && 'errcode' in error && error.errcode === 5; // SQLITE_BUSY
      if (busy) return null;
      throw error;
    }
  },
};
