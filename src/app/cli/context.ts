/** What every command begins with: which configuration is meant, and the server behind it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { spoolPath } from '../../config/spool-path.ts';
import { Client } from './client.ts';
import { Stop, type Terminal } from './terminal.ts';

export interface Common {
  readonly config?: string;
  readonly json?: boolean;
}

/** What a command gets beside its own arguments. */
export interface Context {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Standard input, for commands that read it. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

const USUAL = ['restante.yaml', '/etc/restante/restante.yaml'];

export function configFile(context: Context, options: Common): string {
  const named = options.config ?? context.env.RESTANTE_CONFIG;
  const file = named || USUAL.find((path) => existsSync(path));
  if (file) return resolve(file);
  throw new Stop(
    2,
    'there is no configuration: name it by -c FILE or RESTANTE_CONFIG, or write ./restante.yaml',
  );
}

export function spoolOf(context: Context, options: Common): string {
  const file = configFile(context, options);
  const spool = spoolPath(file);
  if ('path' in spool) return spool.path;
  throw new Stop(2, `${file} cannot be used: ${spool.why}`);
}

export const clientOf = (context: Context, options: Common): Client => new Client(spoolOf(context, options));
