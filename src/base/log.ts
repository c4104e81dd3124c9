/**
 * The log port. An event is a short fixed phrase ("mail accepted"); all that varies is in
 * the fields. Secrets and content never go in. `app/` plugs in pino.
 */
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A log that adds `fields` to every line. */
  child(fields: Fields): Log;
}

/** Says nothing. For tests and one-shot commands. */
export const silent: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
