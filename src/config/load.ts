/**
 * Reads the configuration file. All that is wrong with it is found in one go and told with its
 * line and column; nothing here throws for what stands in a file.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { build } from './build.ts';
import type { Loaded, Problem } from './config.ts';
import { schema } from './schema.ts';

type Path = readonly PropertyKey[];
/** What is wrong, and the keys and indexes that lead there. */
export interface Finding {
  readonly path: Path;
  readonly text: string;
  /** Shown at the key rather than at its value. */
  readonly atKey?: boolean;
}

const MOST_OCTETS = 16 * 1024 * 1024;

export function loadConfig(name: string): Loaded {
  const file = resolve(name);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return bad([{ file, line: 1, column: 1, text: `cannot be read: ${reason(error)}` }]);
  }
  if (text.length > MOST_OCTETS) {
    return bad([{ file, line: 1, column: 1, text: 'is too large for a configuration' }]);
  }
  return parseConfig(text, file);
}

/** `file` is absolute; relative paths in `text` begin at its folder. */
export function parseConfig(text: string, file: string): Loaded {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, text: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), text };
  };
  const flaws = [...document.errors, ...document.warnings];
  if (flaws.length > 0) return bad(flaws.map((flaw) => at(flaw.pos[0], yamlFlaw(flaw.code, flaw.message))));
  if (document.contents === null) return bad([at(0, 'is empty: hostname and sites are expected')]);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    return bad([at(0, reason(error))]); // an alias without its anchor, or too many
  }
  const show = (f: Finding) =>
    at(offsetOf(document, f), f.path.length ? `${showPath(f.path)}: ${f.text}` : f.text);
  const checked = schema.safeParse(value, { reportInput: true });
  if (!checked.success) return bad(checked.error.issues.flatMap((issue) => findings(issue, [])).map(show));
  const built = build(checked.data, file);
  return built.kind === 'ok' ? { ...built, locate: show } : bad(built.findings.map(show));
}

function bad(problems: Problem[]): Loaded {
  return { kind: 'bad', problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

const showPath = (path: Path): string =>
  path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
    .join('');

/** The YAML library's words, where they would leave an operator helpless. */
function yamlFlaw(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key stands here twice: one of them has to go';
  if (code === 'TAB_AS_INDENT') return 'a tab: YAML is indented with spaces';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: one is expected';
  return `not YAML: ${message.split('\n', 1)[0]}`;
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error instanceof Error ? error.message : String(error);
}

/** A zod issue as findings. A union's are those of the form that was meant. */
function findings(issue: z.core.$ZodIssue, above: Path): Finding[] {
  const path = [...above, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const texts = issue.message.split('\n');
      return issue.keys.map((key, i) => ({
        path: [...path, key],
        text: texts[i] ?? 'unknown key',
        atKey: true,
      }));
    }
    case 'invalid_key':
      return issue.issues.map((inner) => ({ path, text: inner.message, atKey: true }));
    case 'invalid_union': {
      const meant =
        issue.errors.find((option) => option.length > 0 && !option.some(isWrongKind)) ?? nearWord(issue);
      return meant ? meant.flatMap((inner) => findings(inner, path)) : [{ path, text: issue.message }];
    }
    default:
      return [{ path, text: issue.message }];
  }
}

/** The value was not of this form at all. */
const isWrongKind = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');

/** A word that is none of several: the words' own message says which is near. */
const nearWord = (union: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined =>
  typeof union.input === 'string'
    ? union.errors.find((option) => option.some((issue) => issue.code === 'invalid_value'))
    : undefined;

/** Where in the text a finding is: its value, its key, or the nearest thing above that exists. */
function offsetOf(document: Document.Parsed, { path, atKey }: Finding): number {
  let node: unknown = document.contents;
  let offset = (document.contents as Node | null)?.range?.[0] ?? 0;
  for (const [i, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        (p) => isPair(p) && String(isScalar(p.key) ? p.key.value : p.key) === String(step),
      );
      if (!pair) break;
      const key = isNode(pair.key) ? pair.key.range?.[0] : undefined;
      const value = isNode(pair.value) ? pair.value.range?.[0] : undefined;
      const empty = !isNode(pair.value) || (isScalar(pair.value) && pair.value.value === null);
      const last = i === path.length - 1;
      offset = (last && (atKey || empty) ? key : (value ?? key)) ?? offset;
      node = pair.value;
    } else if (typeof step === 'number' && isNode(document.getIn(path.slice(0, i + 1), true))) {
      node = document.getIn(path.slice(0, i + 1), true);
      offset = (node as Node).range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
