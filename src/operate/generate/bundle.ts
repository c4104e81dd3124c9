/**
 * What a generator makes: files as values. The command line writes them; nothing here touches a disk.
 * Texts are templates in which `@NAME@` stands for a value, since `$` and braces belong to the shell.
 */

export interface GeneratedFile {
  /** Below the folder that the user named; with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

export interface Bundle {
  readonly files: readonly GeneratedFile[];
  /** What the user does next, in order. */
  readonly steps: readonly string[];
}

/** What was asked for cannot be made; the text is for the user. */
export interface Unusable {
  readonly kind: 'unusable';
  readonly why: string;
}

export type Generated = ({ readonly kind: 'ok' } & Bundle) | Unusable;

export const PLAIN = 0o644;
export const PROGRAM = 0o755;
/** Passwords and keys. */
export const SECRET = 0o600;

export const unusable = (why: string): Unusable => ({ kind: 'unusable', why });

/** Fills a template. A name without a value is a fault of ours: it throws. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for @${name}@`);
    return value;
  });
}

/** A file of whole lines, with the template's own margin. */
export const file = (path: string, mode: number, text: string): GeneratedFile => ({
  path,
  mode,
  text: `${text.replace(/^\n/, '').trimEnd()}\n`,
});

/** Absolute, and nothing in it that a configuration file, a shell or systemd reads as more than a path. */
export const isPlainPath = (path: string): boolean =>
  /^\/[A-Za-z0-9_./+-]*$/.test(path) && !path.includes('..');
