/** `restante serve`: the server, in the foreground. */
import { type Common, type Context, configFile } from './context.ts';

export async function serve(context: Context, options: Common): Promise<number> {
  const file = configFile(context, options);
  const { runDaemon } = await import('../daemon.ts');
  return runDaemon({ file, version: context.version });
}
