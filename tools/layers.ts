/**
 * The layer check of the gate: a folder of src/ imports only from folders with a lower number,
 * never sideways (DESIGN.md §6, ARCHITECTURE.md). Prints each import that breaks the rule; exits 1.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const LAYERS: Record<string, number> = {
  base: 0,
  mail: 1,
  dns: 2,
  site: 2,
  protocol: 3,
  config: 3,
  spool: 4,
  primary: 4,
  auth: 4,
  policy: 5,
  receive: 6,
  handover: 6,
  notify: 6,
  schedule: 7,
  operate: 8,
  app: 9,
};

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');
const room = (file: string): string => relative(src, file).split('/')[0] ?? '';
const broken: string[] = [];
let files = 0;
let imports = 0;

for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.ts')) continue;
  const file = join(src, name);
  const from = room(file);
  files++;
  if (!(from in LAYERS)) broken.push(`${relative(root, file)}: the folder src/${from} has no layer`);
  const test = name.endsWith('.test.ts') || name.endsWith('contract.ts');
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.forEach((line, i) => {
    const target = /(?:from|import)\s*\(?\s*'(\.[^']+)'/.exec(line)?.[1];
    if (!target) return;
    imports++;
    const path = resolve(dirname(file), target);
    const where = `${relative(root, file)}:${i + 1}`;
    if (!path.startsWith(`${src}/`)) {
      if (!test) broken.push(`${where}: imports ${relative(root, path)}, outside of src/`);
      return;
    }
    const to = room(path);
    if (to === from) return;
    const [a, b] = [LAYERS[from], LAYERS[to]];
    if (a === undefined || b === undefined || b >= a) {
      broken.push(`${where}: ${from} (${a}) may not import ${to} (${b})`);
    }
  });
}

for (const line of broken) console.error(line);
console.log(`layers: ${files} files, ${imports} imports, ${broken.length} broken`);
process.exitCode = broken.length ? 1 : 0;
