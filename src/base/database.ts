/**
 * An SQLite file for knowledge: what would be learned again if it were lost. No commit waits for the disk (a power
 * cut may cost the last seconds), and a damaged file is set aside and begun anew.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Log, silent } from './log.ts';

const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 1000;`;

function open(path: string, schema: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(SETTINGS + schema);
    const found = db.prepare('PRAGMA quick_check(1)').get();
    if (found?.quick_check !== 'ok') throw new Error(`damaged: ${String(found?.quick_check)}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens it, made if it is missing. `schema` is run each time. `:memory:` keeps nothing. */
export function openDatabase(path: string, schema: string, log: Log = silent): DatabaseSync {
  if (path === ':memory:') return open(path, schema);
  mkdirSync(dirname(path), { recursive: true });
  try {
    return open(path, schema);
  } catch (error) {
    log.warn('knowledge store damaged, begun anew', { file: path, why: String(error) });
    renameSync(path, `${path}.damaged`);
    for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true });
    return open(path, schema);
  }
}
