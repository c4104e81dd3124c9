/**
 * The shapes that the schema of the configuration is made of: maps, lists, choices, each with what is said
 * when something else stands there.
 */
import { z } from 'zod';
import { anyOf, nearest } from './suggest.ts';
import * as v from './values.ts';

/** What unknown keys are told: a line for each, in zod's order. `later` names what is not here yet. */
function unknownKeys(
  keys: readonly string[],
  known: readonly string[],
  later: Record<string, string>,
): string {
  const tell = (key: string) => {
    if (later[key]) return `"${key}" is not in this version: ${later[key]}`;
    const near = nearest(key, known);
    if (near) return `unknown key "${key}": did you mean "${near}"?`;
    return `unknown key "${key}": ${anyOf(known)} can stand here`;
  };
  return keys.map(tell).join('\n');
}

/** A map with these keys and no others. */
export const section = <S extends z.ZodRawShape>(shape: S, later: Record<string, string> = {}) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownKeys(issue.keys, Object.keys(shape), later)
        : v.expected(`a map with ${anyOf(Object.keys(shape))}`)(issue),
  });

export const list = <T extends z.ZodType>(of: T, wanted: string) =>
  z.array(of, { error: v.expected(wanted) });

/** One of some words. */
export const choice = <const W extends readonly [string, ...string[]]>(
  words: W,
  later: Record<string, string> = {},
) =>
  z.enum(words, {
    error: (issue) => {
      const word = String(issue.input);
      if (later[word]) return `"${word}" is not in this version: ${later[word]}`;
      if (typeof issue.input !== 'string') return v.expected(anyOf(words))(issue);
      const near = nearest(word, words);
      return `"${word}" is not known: ${near && words.length > 1 ? `did you mean "${near}"? ` : ''}${anyOf(words)} can stand here`;
    },
  });

/** One of several forms; `wanted` is what is said when none is near. */
export const either = <const O extends readonly [z.ZodType, ...z.ZodType[]]>(options: O, wanted: string) =>
  z.union(options, { error: v.expected(wanted) });

const prints = either(
  [
    v.fingerprint.transform((one) => [one]),
    list(v.fingerprint, 'a list of fingerprints').min(1, 'is empty: a fingerprint is expected'),
  ],
  'a fingerprint, or a list of them,',
);

export const tlsPolicy = either(
  [choice(['may', 'verify', 'none']), section({ fingerprint: prints })],
  'may, verify, none, or { fingerprint: … }',
).meta({ form: 'may, verify, none, or { fingerprint: SHA-256 }' });

export const TLS_WORDS =
  '`may`: any certificate, and cleartext if the handshake fails. `verify`: a certificate that a known ' +
  'authority signed for the name. `none`: never. A fingerprint: only the certificates with that SHA-256.';
