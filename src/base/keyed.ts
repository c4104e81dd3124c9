/**
 * A small durable store of key → JSON value, for what is worth knowing again after a start: what a
 * primary said in EHLO, the last good MX. Off the mail's way: nothing that was promised to a peer
 * stands here, so no commit waits for the disk (a power cut may cost the last seconds), a damaged
 * file is set aside and begun anew, and a write that fails is logged and forgotten.
 */
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from './database.ts';
import { type Log, silent } from './log.ts';

export interface KeyedTable<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
  /** By key. */
  entries(): [string, V][];
}

export interface Keyed {
  /** `V` is what the caller alone writes there; it has to be JSON. */
  table<V>(name: string): KeyedTable<V>;
  close(): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS kept (
    tab TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tab, key)
  ) WITHOUT ROWID, STRICT;`;

/** Opens the store, made if it is missing. `:memory:` keeps nothing. */
export function openKeyed(path: string, log: Log = silent): Keyed {
  return new SqliteKeyed(openDatabase(path, SCHEMA, log), log);
}

class SqliteKeyed implements Keyed {
  readonly #db: DatabaseSync;
  readonly #log: Log;

  constructor(db: DatabaseSync, log: Log) {
    this.#db = db;
    this.#log = log;
  }

  table<V>(name: string): KeyedTable<V> {
    const db = this.#db;
    const get = db.prepare('SELECT value FROM kept WHERE tab = ? AND key = ?');
    // What is said again and again, as EHLO is, writes nothing.
    const set = db.prepare(
      `INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value
       WHERE value <> excluded.value`,
    );
    const remove = db.prepare('DELETE FROM kept WHERE tab = ? AND key = ?');
    const all = db.prepare('SELECT key, value FROM kept WHERE tab = ? ORDER BY key');
    const attempt = <T>(what: string, otherwise: T, fn: () => T): T => {
      try {
        return fn();
      } catch (error) {
        this.#log.warn('knowledge store failed', { what, table: name, why: String(error) });
        return otherwise;
      }
    };
    const parse = (row: Record<string, unknown>): V => JSON.parse(String(row.value)) as V;
    return {
      get: (key) =>
        attempt('get', undefined, () => {
          const row = get.get(name, key);
          return row && parse(row);
        }),
      set: (key, value) => {
        attempt('set', undefined, () => void set.run(name, key, JSON.stringify(value)));
      },
      delete: (key) => {
        attempt('delete', undefined, () => void remove.run(name, key));
      },
      entries: () => attempt('entries', [], () => all.all(name).map((row) => [String(row.key), parse(row)])),
    };
  }

  close(): void {
    this.#db.close();
  }
}
