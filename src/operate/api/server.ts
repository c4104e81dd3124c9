/**
 * The control API's server: HTTP over the socket `control` in the spool folder, which only our own
 * user can open (mode 0600, made so from the start). Bounded in connections, body and time; a
 * fault is logged and told as "500" without its inside.
 */
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { MINUTE, SECOND } from '../../base/clock.ts';
import type { Running } from '../port.ts';
import { CONTROL } from './contract.ts';
import { type Answer, type Endpoint, failed } from './endpoint.ts';
import { queueAct } from './queue-act.ts';
import { queueList } from './queue-list.ts';
import { queueContent, queueShow } from './queue-show.ts';
import { reload } from './reload.ts';
import { rosterForget, rosterImport, rosterShow } from './roster.ts';
import { siteFlush, siteHold, siteRelease } from './site-act.ts';
import { siteList, siteShow } from './sites.ts';
import { status } from './status.ts';
import { submit, submitted } from './submit.ts';

const ENDPOINTS: readonly Endpoint[] = [
  status,
  siteList,
  siteShow,
  siteFlush,
  siteHold,
  siteRelease,
  queueList,
  queueShow,
  queueContent,
  queueAct,
  rosterShow,
  rosterImport,
  rosterForget,
  reload,
  submit,
  submitted,
];
/** What couriers may do, who are other users. */
const COURIERS: readonly Endpoint[] = [submit, submitted];

const MOST_BODY = 4 * 1024 * 1024;
const MOST_CONNECTIONS = 64;
const MOST_HEAD = 64 * 1024;
const IDLE = 60 * SECOND;
/** For a whole request: a large mail of a courier among them. */
const LONGEST = 30 * MINUTE;
// sun_path is 108 octets with its NUL.
const MOST_PATH = 107;

export interface Control {
  readonly kind: 'control';
  readonly path: string;
  /** Answers no more; what is open is cut. */
  close(): Promise<void>;
}
export interface NoControl {
  readonly kind: 'failed';
  readonly why: string;
}

export async function startControl(running: Running, spool: string): Promise<Control | NoControl> {
  return startSocket(running, { path: join(spool, CONTROL), endpoints: ENDPOINTS, umask: 0o177 });
}

/** The same for couriers that run as another user: the group of its folder may open it. */
export function startCouriers(running: Running, path: string): Promise<Control | NoControl> {
  return startSocket(running, { path, endpoints: COURIERS, umask: 0o117 });
}

interface Way {
  readonly path: string;
  readonly endpoints: readonly Endpoint[];
  readonly umask: number;
}

async function startSocket(running: Running, way: Way): Promise<Control | NoControl> {
  const { path, endpoints } = way;
  if (Buffer.byteLength(path) > MOST_PATH) {
    return {
      kind: 'failed',
      why: `the path of the control socket is longer than ${MOST_PATH} octets: ${path}`,
    };
  }
  if (await answers(path)) return { kind: 'failed', why: `another server answers at ${path}` };
  rmSync(path, { force: true });
  const server = createServer({ maxHeaderSize: MOST_HEAD, requestTimeout: LONGEST }, (request, response) => {
    void respond(running, endpoints, request, response);
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(IDLE);
  const why = await listen(server, way);
  if (why !== null) return { kind: 'failed', why };
  return { kind: 'control', path, close: () => close(server) };
}

function listen(server: Server, { path, umask }: Way): Promise<string | null> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(`cannot listen at ${path}: ${error.message}`));
    const before = process.umask(umask); // binding is done within the call: no moment with a wider mode
    server.listen(path, () => resolve(null));
    process.umask(before);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Is somebody there? A socket that was left behind refuses. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function respond(
  running: Running,
  endpoints: readonly Endpoint[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const answer = await answerTo(running, endpoints, request);
    await send(response, answer);
  } catch (error) {
    running.log.error('control request failed', { path: request.url, why: String(error) });
    if (response.headersSent) response.destroy();
    else await send(response, failed(500, 'a fault inside the server: its log says more')).catch(() => {});
  }
}

async function answerTo(
  running: Running,
  endpoints: readonly Endpoint[],
  request: IncomingMessage,
): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://control');
  const path = url.pathname.split('/');
  const matching = endpoints
    .map((endpoint) => ({ endpoint, params: match(endpoint.path, path) }))
    .filter((found) => found.params !== null);
  const found = matching.find(({ endpoint }) => endpoint.method === request.method);
  if (!found) return failed(404, `nothing is known of ${request.method} ${url.pathname}`);
  const body = found.endpoint.raw ? { json: undefined } : await readBody(request);
  if (body === null) return failed(400, 'the body is too long, or is not JSON');
  const trailer = (name: string) => request.trailers[name];
  const param = (name: string) => found.params?.get(name) ?? '';
  return await found.endpoint.answer(running, {
    param,
    query: url.searchParams,
    body: body.json,
    stream: request,
    trailer,
  });
}

/** The `:names` of a template, if the path is of its form. */
function match(template: string, path: readonly string[]): Map<string, string> | null {
  const steps = template.split('/');
  if (steps.length !== path.length) return null;
  const params = new Map<string, string>();
  for (const [i, step] of steps.entries()) {
    const there = path[i] ?? '';
    if (step.startsWith(':')) params.set(step.slice(1), decode(there));
    else if (step !== there) return null;
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function readBody(request: IncomingMessage): Promise<{ json: unknown } | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MOST_BODY) return null;
    chunks.push(chunk);
  }
  if (length === 0) return { json: undefined };
  try {
    return { json: JSON.parse(Buffer.concat(chunks).toString()) };
  } catch {
    return null;
  }
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  switch (answer.kind) {
    case 'json':
    case 'failed': {
      const [status, body] =
        answer.kind === 'json' ? [200, answer.body] : [answer.status, { error: answer.error }];
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
      return;
    }
    case 'lines':
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      return await pour(response, lines(answer.rows));
    case 'octets': {
      const { content } = answer;
      response.writeHead(200, { 'content-type': 'message/rfc822', 'content-length': content.size });
      try {
        await pour(response, content.chunks());
      } finally {
        await content.close();
      }
    }
  }
}

const LINES_AT_ONCE = 16 * 1024;
async function* lines(rows: AsyncIterable<unknown>): AsyncGenerator<string> {
  let text = '';
  for await (const row of rows) {
    text += `${JSON.stringify(row)}\n`;
    if (text.length < LINES_AT_ONCE) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Writes under back-pressure; ends early when nobody listens any more. */
async function pour(response: ServerResponse, pieces: AsyncIterable<Uint8Array | string>): Promise<void> {
  for await (const piece of pieces) {
    if (response.destroyed) return;
    if (piece.length === 0 || response.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        response.off('drain', go).off('close', go);
        resolve();
      };
      response.on('drain', go).on('close', go);
    });
  }
  response.end();
}
