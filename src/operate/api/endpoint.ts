/** What an endpoint is: a method, a path, and a function from what was asked to an answer. */
import { z } from 'zod';
import type { Content } from '../../spool/port.ts';
import type { Running } from '../port.ts';

export interface Asked {
  /** The value of a `:name` in the path. */
  param(name: string): string;
  readonly query: URLSearchParams;
  /** Parsed JSON; undefined when there was none. */
  readonly body: unknown;
  /** The body as it comes, for `raw` endpoints. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** What follows the body. */
  trailer(name: string): string | undefined;
}

export interface Failed {
  readonly kind: 'failed';
  readonly status: 400 | 404 | 409 | 500;
  readonly error: string;
}
export type Answer =
  | { readonly kind: 'json'; readonly body: unknown }
  /** JSON lines, made as they are read. */
  | { readonly kind: 'lines'; readonly rows: AsyncIterable<unknown> }
  | { readonly kind: 'octets'; readonly content: Content }
  | Failed;

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** `/sites/:queue/flush` */
  readonly path: string;
  /** The body is no JSON: it is not read, but handed on. */
  readonly raw?: true;
  answer(running: Running, asked: Asked): Promise<Answer> | Answer;
}

export const json = (body: unknown): Answer => ({ kind: 'json', body });
export const done: Answer = { kind: 'json', body: { done: true } };
export const failed = (status: Failed['status'], error: string): Failed => ({
  kind: 'failed',
  status,
  error,
});

/** Checks what was asked; what is wrong with it is said in one line. */
export function understood<S extends z.ZodType>(schema: S, value: unknown): { ok: z.output<S> } | Failed {
  const result = schema.safeParse(value);
  if (result.success) return { ok: result.data };
  const texts = result.error.issues.map((issue) =>
    [z.core.toDotPath(issue.path), issue.message].filter(Boolean).join(': '),
  );
  return failed(400, texts.join('; '));
}
