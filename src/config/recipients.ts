/**
 * `recipients` of a site: from what was written to where its roster comes from, and what contradicts itself.
 */
import { readFileSync } from 'node:fs';
import { DAY, HOUR, MINUTE } from '../base/clock.ts';
import type { ListSource, RecipientSource, Verify } from '../site/site.ts';
import type { Finding } from './load.ts';
import type { WrittenSite } from './schema.ts';

export interface Paths {
  absolute(path: string): string;
  /** The path itself; a finding if nothing can be read there. */
  readable(path: string, at: readonly PropertyKey[], found: Finding[]): string;
}

const USUAL_EVERY = HOUR;
const USUAL: Omit<Verify, 'unknown'> = { good: 31 * DAY, bad: 3 * HOUR };
const USUAL_DELIMITER = '+';

type Written = Exclude<NonNullable<WrittenSite['recipients']>, string>;
type Say = (text: string, ...path: PropertyKey[]) => void;

export function buildRecipients(
  name: string,
  site: WrittenSite,
  paths: Paths,
  found: Finding[],
): RecipientSource {
  const at = ['sites', name, 'recipients'];
  const say: Say = (text, ...path) => found.push({ path: [...at, ...path], text });
  const written = site.recipients ?? (site.collect === 'push' ? 'verify' : 'any');
  if (written === 'any') return { kind: 'any' };
  const asked = written === 'verify' || (written.verify !== undefined && written.verify !== false);
  // Odmr, mailbox and batch: there is no host that could be asked, and no reply to RCPT to learn from.
  if (asked && site.collect !== 'push' && site.collect !== 'etrn') {
    say(`verify is for sites with a primary that can be asked, not for "collect: ${site.collect}"`);
  }
  if (written === 'verify') {
    return { kind: 'roster', lists: [], verify: { ...USUAL, unknown: 'return' }, delimiter: USUAL_DELIMITER };
  }
  const lists: ListSource[] = [];
  if (written.file !== undefined) {
    const path = paths.readable(paths.absolute(written.file), [...at, 'file'], found);
    lists.push({ kind: 'file', path });
  }
  const http = httpOf(written, paths, say, found, at);
  if (http) lists.push(http);
  if (lists.length === 0 && !asked) say('says nothing: file, http or verify is expected');
  const verify = asked ? verifyOf(written) : undefined;
  if (!verify && written.unknown !== undefined) {
    say('is for "verify: true": to a complete list nobody is unknown', 'unknown');
  }
  return { kind: 'roster', lists, ...(verify && { verify }), delimiter: written.delimiter };
}

function verifyOf({ verify, unknown }: Written): Verify {
  const keys = typeof verify === 'object' ? verify : USUAL;
  return { ...keys, unknown: unknown ?? 'return' };
}

function httpOf(
  written: Written,
  paths: Paths,
  say: Say,
  found: Finding[],
  at: readonly PropertyKey[],
): ListSource | undefined {
  const { http: url, token, token_file, every } = written;
  if (url === undefined) {
    for (const key of ['token', 'token_file', 'every'] as const) {
      if (written[key] !== undefined) say('goes with "http"', key);
    }
    return undefined;
  }
  if (token !== undefined && token_file !== undefined) say('stands beside token: one of both', 'token_file');
  if (every !== undefined && every < MINUTE) say('is too often: at least 1m', 'every');
  const shown = token ?? (token_file === undefined ? undefined : tokenIn(token_file, paths, found, at));
  return { kind: 'http', url, every: every ?? USUAL_EVERY, ...(shown !== undefined && { token: shown }) };
}

function tokenIn(file: string, paths: Paths, found: Finding[], at: readonly PropertyKey[]): string {
  const path = paths.absolute(file);
  const before = found.length;
  paths.readable(path, [...at, 'token_file'], found);
  if (found.length > before) return '';
  const [line = ''] = readFileSync(path, 'utf8').split(/\r?\n/, 1);
  if (line === '') found.push({ path: [...at, 'token_file'], text: `${path} has no first line` });
  return line;
}
