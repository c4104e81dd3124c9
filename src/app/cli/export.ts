/**
 * `restante queue export`: mails as files (`mail-files.ts`), or a single one, as it is, to standard output.
 */
import { existsSync } from 'node:fs';
import type { EntryView } from '../../operate/api/contract.ts';
import { type Context, clientOf } from './context.ts';
import { count, printJson } from './format.ts';
import { type Exported, type Format, writers } from './mail-files.ts';
import { entriesOf, entryPath, type SelectOptions, selectionOf } from './queue.ts';
import { type Exit, Stop } from './terminal.ts';

export interface ExportOptions extends SelectOptions {
  readonly output?: string;
  readonly format?: Format;
  readonly all?: boolean;
}

export async function queueExport(
  context: Context,
  options: ExportOptions,
  ids: readonly string[],
): Promise<Exit> {
  const { terminal } = context;
  const { output, format = 'eml' } = options;
  const client = clientOf(context, options);
  const which = selectionOf(options, ids);
  const [only, ...more] = which.ids ?? [];
  if (output === undefined) {
    if (format !== 'eml') throw new Stop(2, `where shall the ${format} be? name it by -o`);
    if (only === undefined || more.length > 0)
      throw new Stop(2, 'several mails go to a folder: name it by -o FOLDER');
    for await (const chunk of await client.octets(entryPath(only, '/content'))) {
      terminal.out(chunk);
      await terminal.drained();
    }
    return 0;
  }
  if (Object.keys(which).length === 0 && !options.all) throw new Stop(2, 'which mail? --all means all');
  if (format === 'mbox' && existsSync(output)) throw new Stop(2, `${output} is there already`);
  async function* mails(): AsyncIterable<Exported> {
    for await (const row of entriesOf(client, which)) {
      yield {
        row,
        view: () => client.get<EntryView>(entryPath(row.id)),
        content: () => client.octets(entryPath(row.id, '/content')),
      };
    }
  }
  const written = await writers[format](mails(), output);
  if (options.json) printJson(terminal, written.files);
  else terminal.out(`${count(written.mails, 'mail')} written to ${output}\n`);
  return written.mails > 0 || !which.ids ? 0 : 1;
}
