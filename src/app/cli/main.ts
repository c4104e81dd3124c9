/**
 * The program's entry: the real terminal, environment and version for `program.ts`. Compiled code is
 * kept beside the libraries, where only who installed them can write: a command starts in half the time.
 */
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Does nothing where the folder cannot be written.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/restante', import.meta.url)));
const { run } = await import('./program.ts');
const { realTerminal } = await import('./terminal.ts');

const terminal = realTerminal();
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

try {
  process.exitCode = await run(
    {
      terminal,
      env: process.env,
      version,
      get stdin() {
        return process.stdin;
      },
    },
    process.argv.slice(2),
  );
} catch (error) {
  // A fault of ours: one line for the user, the stack only for those who ask for it.
  const why =
    error instanceof Error ? (process.env.RESTANTE_DEBUG ? error.stack : error.message) : String(error);
  process.stderr.write(`restante: a fault: ${why}\n`);
  process.exitCode = 1;
}
