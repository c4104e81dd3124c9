/**
 * Where the spool of a configuration is, for commands that talk to a server which runs already: they
 * work although somebody is editing the file, and start without the schema.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { DEFAULT_SPOOL } from './config.ts';

export function spoolPath(file: string): { readonly path: string } | { readonly why: string } {
  let spool: unknown;
  try {
    spool = parse(readFileSync(file, 'utf8'))?.spool ?? DEFAULT_SPOOL;
  } catch (error) {
    return { why: String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '' };
  }
  if (typeof spool !== 'string') return { why: 'spool is not a path' };
  return { path: resolve(dirname(resolve(file)), spool) };
}
