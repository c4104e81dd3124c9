/**
 * A connection to a filter: a Unix socket, or TCP. Always ends by its deadline.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';

export type MilterAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'inet'; readonly host: string; readonly port: number };

/** The socket, or why there is none. */
export function dialMilter(to: MilterAddress, ms: number, clock: Clock): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket =
      to.kind === 'unix' ? connect(to.path) : connect({ host: to.host, port: to.port, noDelay: true });
    const fail = (why: string): void => {
      timer.cancel();
      socket.destroy();
      resolve(why);
    };
    const failed = (error: NodeJS.ErrnoException): void => fail(error.code ?? error.message);
    const timer = clock.after(ms, () => fail('timed out'));
    socket.on('error', failed);
    socket.once('connect', () => {
      timer.cancel();
      // Whoever gets it listens for errors; this one only keeps a late one from being nobody's.
      resolve(socket);
    });
  });
}
