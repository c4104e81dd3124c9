/**
 * Writes docs/reference.md from the schema of the configuration, so that it cannot lie. `--check`
 * compares instead, and exits 1 when they differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { schema } from '../src/config/schema.ts';

/** The part of JSON Schema that zod makes of ours; `form` is our own name for a kind of value. */
interface Shape {
  readonly description?: string;
  readonly form?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const HEAD = `# Reference of the configuration file

Made from the schema by \`node tools/reference.ts\`; do not edit.

The file is YAML. \`restante check -c FILE\` tells all that is wrong with it, with line and column. The shortest useful
file is \`hostname\`, and one site with its \`domains\`. Keys that are not known are errors. Host names and domains may be
written with any letters; they are compared as A-labels, in lower case. Relative paths begin at the folder of the file.

- **duration**: a number and \`s\`, \`m\`, \`h\`, \`d\` or \`w\`: \`90s\`, \`15m\`, \`4h\`, \`30d\`, \`2w\`.
- **size**: a number of octets, or a number and \`kB\`, \`MB\`, \`GB\`, \`TB\` (thousands) or \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\`.
- **host[:port]**: a name or an IP address; IPv6 addresses with a port stand in brackets: \`"[2001:db8::1]:25"\`.
- **network**: an IP address, or one with the number of its bits: \`192.0.2.0/24\`.
`;

export function reference(): string {
  const top = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
  const { sites, ...others } = top.properties ?? {};
  const site = sites?.additionalProperties;
  if (typeof site !== 'object') throw new Error('the schema has no sites');
  return [
    HEAD,
    '## The server\n',
    table(rows({ ...top, properties: others }, '')),
    '## A site\n',
    `\`sites\`: ${sites?.description}\n`,
    table(rows(site, 'sites.NAME.')),
  ].join('\n');
}

type Row = readonly [key: string, value: string, usual: string, meaning: string];

/** A map's keys, those of inner maps below them. */
function rows(map: Shape, above: string): Row[] {
  return Object.entries(map.properties ?? {}).flatMap(([key, shape]) => {
    const inner = innerMap(shape);
    const name = `${above}${key}${shape.items && inner ? '[]' : ''}`;
    const needed = map.required?.includes(key) === true;
    const own: Row = [`\`${name}\``, form(shape), usual(shape, needed), shape.description ?? ''];
    return [own, ...(inner ? rows(inner, `${name}.`) : [])];
  });
}

/** The map that a value is, or may be, or is a list of; forms that are told in one line are not opened. */
function innerMap(shape: Shape): Shape | undefined {
  if (shape.properties) return shape;
  if (shape.items) return innerMap(shape.items);
  return shape.form?.endsWith('or a map') ? shape.anyOf?.find((option) => option.properties) : undefined;
}

function form(shape: Shape): string {
  if (shape.form === 'number' && shape.minimum !== undefined)
    return `number, ${shape.minimum} to ${shape.maximum}`;
  if (shape.form) return shape.form;
  if (shape.enum) return shape.enum.map((word) => `\`${word}\``).join(', ');
  return shape.items ? 'list' : 'map';
}

function usual(shape: Shape, needed: boolean): string {
  if (needed) return '*needed*';
  const value = shape.default;
  if (value === undefined || shape.properties) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value).replaceAll('","', '", "')}\``;
}

function table(all: readonly Row[]): string {
  const cells = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[['key', 'value', 'default', 'meaning'], ['---', '---', '---', '---'], ...all].map(cells).join('\n')}\n`;
}

export const REFERENCE = join(import.meta.dirname, '../docs/reference.md');

if (import.meta.main) {
  const text = reference();
  if (!process.argv.includes('--check')) writeFileSync(REFERENCE, text);
  else if (readFileSync(REFERENCE, 'utf8') !== text) {
    console.error('docs/reference.md is not what the schema says: node tools/reference.ts');
    process.exitCode = 1;
  }
}
