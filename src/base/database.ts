/**
 * An SQLite file for knowledge: what would be learned again if it were lost. No commit waits for the disk (a power
 * cut may cost the last seconds), and a damaged file is set aside and begun anew.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
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

/** SQLITE_CORRUPT, SQLITE_NOTADB; or what the check said. */
const isDamage = (error: unknown): boolean =>
  !(error instanceof Error && 'errcode' in error) || [11, 26].includes(Number(error.errcode) & 0xff);

/**
 * Opens it, made if it is missing. `schema` is run each time, and makes what is not there. `:memory:` keeps
 * nothing. A file that can't be opened for another reason than damage (no room on the disk) stays as it is: what it
 * says is known in memory, and what is learned is not kept.
 */
export function openDatabase(path: string, schema: string, log: Log = silent): DatabaseSync {
  if (path === ':memory:') return open(path, schema);
  try {
    mkdirSync(dirname(path), { recursive: true });
    try {
      return open(path, schema);
    } catch (error) {
      if (!isDamage(error)) throw error;
      log.warn('knowledge store damaged, begun anew', { file: path, why: String(error) });
      renameSync(path, `${path}.damaged`);
      for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true });
      return open(path, schema);
    }
  } catch (error) {
    const consequence = 'what is learned is not kept until a restart';
    log.error('knowledge store unusable', { file: path, why: String(error), consequence });
    return inMemory(path, schema);
  }
}

/** With what the file says, as far as it can be read without writing beside it. */
function inMemory(path: string, schema: string): DatabaseSync {
  const db = open(':memory:', schema);
  try {
    db.prepare('ATTACH ? AS disk').run(`${pathToFileURL(path)}?immutable=1`);
    for (const { name } of db.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'").all()) {
      db.exec(`INSERT INTO main."${name}" SELECT * FROM disk."${name}"`);
    }
    db.exec('DETACH disk');
  } catch {
    // It is not there, or says nothing that can be read.
  }
  return db;
}
