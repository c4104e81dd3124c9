/** `restante reload`: what SIGHUP does, with its result on the terminal. */
import type { Reload } from '../../operate/api/contract.ts';
import { type Common, type Context, clientOf } from './context.ts';
import { count, printJson } from './format.ts';
import type { Exit } from './terminal.ts';

export async function reload(context: Context, options: Common): Promise<Exit> {
  const result = await clientOf(context, options).post<Reload>('/reload', {});
  if (options.json) printJson(context.terminal, result);
  else {
    const held =
      result.held > 0 ? `, ${count(result.held, 'mail')} held, since no site is left for them` : '';
    context.terminal.out(`reloaded: ${count(result.moved, 'mail')} moved to another queue${held}\n`);
  }
  return 0;
}
