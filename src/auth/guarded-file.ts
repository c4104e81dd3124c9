/**
 * Files that only we may read: reading one refuses what others could have read or written, writing
 * one replaces it as a whole.
 *
 * Promises: a reader sees the old file or the new one, also after a power loss in between; a new one is
 * never open to others, not for an instant; it belongs to whom the old one, or the folder, belongs to
 * (so that root may write for the server's user).
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '../base/files.ts';

export type Guarded =
  | { readonly kind: 'ok'; readonly octets: Buffer; readonly version: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly why: string };

const LARGEST = 16 * 1024 * 1024;

const versionOf = (stat: fs.BigIntStats): string =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;

/** Changes whenever the file does, its owner and mode included; null: nothing is there, or not for us. */
export function guardedVersion(path: string): string | null {
  const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat ? versionOf(stat) : null;
}

export function readGuarded(path: string): Guarded {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? { kind: 'none' } : { kind: 'bad', why: String(error) };
  }
  try {
    const stat = fs.fstatSync(fd, { bigint: true });
    const why = flaw(stat);
    if (why !== null) return { kind: 'bad', why };
    return { kind: 'ok', octets: fs.readFileSync(fd), version: versionOf(stat) };
  } catch (error) {
    return { kind: 'bad', why: String(error) };
  } finally {
    fs.closeSync(fd);
  }
}

function flaw(stat: fs.BigIntStats): string | null {
  const us = process.geteuid?.() ?? 0;
  const owner = Number(stat.uid);
  if (!stat.isFile()) return 'it is no file';
  if (stat.size > LARGEST) return `it is larger than ${LARGEST} octets`;
  if ((Number(stat.mode) & 0o077) !== 0) return 'others may read or write it: chmod 600';
  if (us !== 0 && owner !== us && owner !== 0) return 'it belongs to another user';
  return null;
}

/** Throws what the file system says. */
export function writeGuarded(path: string, octets: string | Buffer): void {
  const folder = dirname(path);
  const fresh = `${path}.new`;
  fs.rmSync(fresh, { force: true });
  const fd = fs.openSync(fresh, 'wx', 0o600);
  try {
    const model = fs.statSync(path, { throwIfNoEntry: false }) ?? fs.statSync(folder);
    if (process.geteuid?.() === 0) fs.fchownSync(fd, model.uid, model.gid);
    fs.fchmodSync(fd, 0o600);
    fs.writeFileSync(fd, octets);
    fs.fsyncSync(fd);
  } catch (error) {
    fs.rmSync(fresh, { force: true });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(fresh, path);
  const names = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(names);
  } finally {
    fs.closeSync(names);
  }
}
