/**
 * One GET over HTTPS (RFC 9110), as the roster's endpoint wants it: no redirect is followed, since it would carry
 * the token elsewhere; the body comes as a stream. Rejects when there is no answer, or its signal aborts.
 */
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

export interface Got {
  readonly status: number;
  readonly etag?: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** The rest of the body is not wanted. */
  drop(): void;
}

export type Get = (
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<Got>;

/** `ca`: PEM certificates that are trusted beside the system's. */
export function httpsGet(ca?: readonly string[]): Get {
  return async (url, headers, signal) => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { headers, signal, agent: false, ...(ca && { ca: [...ca] }) };
      const asked = url.startsWith('https:') ? tlsRequest(url, options) : plainRequest(url, options);
      asked.once('response', resolve).once('error', reject).end();
    });
    // A fault behind the head is the reader's; without one it must not end the process.
    response.on('error', () => {});
    const { etag } = response.headers;
    return {
      status: response.statusCode ?? 0,
      ...(etag !== undefined && { etag }),
      body: response,
      drop: () => void response.destroy(),
    };
  };
}
