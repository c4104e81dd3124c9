/** The commands' side of the control API. What goes wrong is a `Stop` with one line for the user. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Stop } from './terminal.ts';

const CONTROL = 'control';
const PATIENCE = 60_000;

export class Client {
  readonly #socket: string;

  constructor(spool: string) {
    this.#socket = join(spool, CONTROL);
  }

  /** `T` is what the contract says of the path. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await text(await this.#ask('GET', path))) as T;
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return JSON.parse(await text(await this.#ask('POST', path, body))) as T;
  }

  /** JSON lines, as they come. */
  async *lines<T>(path: string): AsyncGenerator<T> {
    const response = await this.#ask('GET', path);
    let broken = true;
    response.once('end', () => {
      broken = false;
    });
    response.once('error', () => {});
    for await (const line of createInterface({ input: response })) yield JSON.parse(line) as T;
    if (broken) throw new Stop(1, 'the server broke off its answer: its log says more');
  }

  octets(path: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#ask('GET', path);
  }

  async #ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ socketPath: this.#socket, method, path, timeout: PATIENCE }, resolve);
      request.once('error', (error) => reject(new Stop(1, this.#why(error))));
      request.once('timeout', () => request.destroy(new Error('it does not answer')));
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
    if (response.statusCode === 200) return response;
    const { error } = JSON.parse(await text(response)) as { error: string };
    throw new Stop(response.statusCode === 400 ? 2 : 1, error);
  }

  #why(error: NodeJS.ErrnoException): string {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
      return `the server is not running: nothing answers at ${this.#socket}`;
    }
    if (error.code === 'EACCES') return `permission denied at ${this.#socket}: run this as the server's user`;
    if (error.code === 'ENAMETOOLONG' || error.code === 'EINVAL') {
      return `the path of the control socket is too long: ${this.#socket}`;
    }
    return `${this.#socket}: ${error.message}`;
  }
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
