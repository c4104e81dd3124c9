/**
 * The program's entry: the real terminal, environment and version for `program.ts`.
 */
import { readFileSync } from 'node:fs';
import { run } from './program.ts';
import { realTerminal } from './terminal.ts';

// Said by bin/restante to node, and not meant for programs that we start.
for (const name of ['NODE_COMPILE_CACHE', 'MALLOC_ARENA_MAX']) delete process.env[name];

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
