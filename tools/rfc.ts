/**
 * Compares the RFCs that the code cites with `rfc/index.tsv`: each cited one has its line there, and
 * nothing stands there that is not cited. Prints each difference; exits 1.
 * A citation is "RFC 5321 §4.4", also in lists: "RFC 3463, 2034", "RFC 3464 and 6522".
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const INDEX = 'rfc/index.tsv';
const CITED = /RFCs? \d+(?:(?:,| and|;) \d{3,4}\b(?! [a-z]))*/g;

/** Number → the first place that cites it. */
function cited(): Map<number, string> {
  const places = new Map<number, string>();
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const file = join(root, 'src', name);
    readFileSync(file, 'utf8')
      .split('\n')
      .forEach((line, i) => {
        for (const [text] of line.matchAll(CITED)) {
          for (const [number] of text.matchAll(/\d+/g)) {
            if (!places.has(Number(number))) places.set(Number(number), `${relative(root, file)}:${i + 1}`);
          }
        }
      });
  }
  return places;
}

const wrong: string[] = [];
const listed = new Set<number>();
let last = 0;
const [head, ...lines] = readFileSync(join(root, INDEX), 'utf8').trimEnd().split('\n');
if (head !== 'number\tstate\ttitle') wrong.push(`${INDEX}:1: the first line names the columns`);
lines.forEach((line, i) => {
  const [number, state, title, ...more] = line.split('\t');
  const where = `${INDEX}:${i + 2}`;
  if (!Number(number) || !state || !title || more.length > 0)
    wrong.push(`${where}: number, state, title expected`);
  if (Number(number) <= last) wrong.push(`${where}: not in order, or twice`);
  last = Number(number);
  listed.add(last);
});

const places = cited();
for (const [number, where] of places) {
  if (!listed.has(number)) wrong.push(`${where}: RFC ${number} is not in ${INDEX}`);
}
for (const number of listed) {
  if (!places.has(number)) wrong.push(`${INDEX}: RFC ${number} is cited nowhere in src`);
}

for (const line of wrong) console.error(line);
console.log(`rfc: ${places.size} cited, ${listed.size} listed, ${wrong.length} wrong`);
process.exitCode = wrong.length ? 1 : 0;
