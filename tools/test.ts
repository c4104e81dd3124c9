/**
 * Runs the tests below the folders (or files) that are named, with node's own runner on the Node that
 * runs this. `--serial` runs one file at a time, for tests that measure or share the lab.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const args = process.argv.slice(2);
const files = args
  .filter((a) => !a.startsWith('--'))
  .flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' })
          .filter((f) => f.endsWith('.test.ts'))
          .map((f) => join(path, f))
      : [path],
  )
  .sort();
if (files.length === 0) {
  console.error(`no tests in ${args.join(' ')}`);
  process.exit(1);
}
const serial = args.includes('--serial');
// A test that waits for ever fails, and says which it is.
const timeout = serial ? 20 * 60_000 : 5 * 60_000;
// What tests leave behind goes with it.
const folder = mkdtempSync(join(tmpdir(), 'restante-test-'));
// Real programs run as users of their own, and have to come through.
chmodSync(folder, 0o711);
const run = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${serial ? 1 : 2}`,
    `--test-timeout=${timeout}`,
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, TMPDIR: folder } },
);
rmSync(folder, { recursive: true, force: true });
process.exit(run.status ?? 1);
