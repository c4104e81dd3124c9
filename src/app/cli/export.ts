/**
 * `restante queue export`: mails as .eml files in a folder, each with its envelope beside it as .json;
 * a single one to standard output.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { EntryView } from '../../operate/api/contract.ts';
import { type Context, clientOf } from './context.ts';
import { count, printJson } from './format.ts';
import { entriesOf, entryPath, type SelectOptions, selectionOf } from './queue.ts';
import { type Exit, Stop } from './terminal.ts';

export interface ExportOptions extends SelectOptions {
  readonly output?: string;
  readonly all?: boolean;
}

export async function queueExport(
  context: Context,
  options: ExportOptions,
  ids: readonly string[],
): Promise<Exit> {
  const { terminal } = context;
  const client = clientOf(context, options);
  const which = selectionOf(options, ids);
  const [only, ...more] = which.ids ?? [];
  if (options.output === undefined) {
    if (only === undefined || more.length > 0)
      throw new Stop(2, 'several mails go to a folder: name it by -o FOLDER');
    for await (const chunk of await client.octets(entryPath(only, '/content'))) {
      terminal.out(chunk);
      await terminal.drained();
    }
    return 0;
  }
  if (Object.keys(which).length === 0 && !options.all) throw new Stop(2, 'which mail? --all means all');
  await mkdir(options.output, { recursive: true, mode: 0o700 });
  const files: string[] = [];
  for await (const { id } of entriesOf(client, which)) {
    const name = join(options.output, id);
    const view = await client.get<EntryView>(entryPath(id));
    await writeFile(`${name}.json`, `${JSON.stringify(view, null, 2)}\n`, { mode: 0o600 });
    await pipeline(
      await client.octets(entryPath(id, '/content')),
      createWriteStream(`${name}.part`, { mode: 0o600 }),
    );
    await rename(`${name}.part`, `${name}.eml`);
    files.push(`${name}.eml`);
  }
  if (options.json) printJson(terminal, files);
  else terminal.out(`${count(files.length, 'mail')} written to ${options.output}\n`);
  return files.length > 0 || !which.ids ? 0 : 1;
}
