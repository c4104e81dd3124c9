/** A server under the benchmark, seen from outside; and the ports and waits that all of them share. */
import { connect } from 'node:net';

export const SINK = { host: '127.0.0.1', port: 2600 };
export const RESTANTE_PORT = 2590;
/** A second Restante, for pairs. */
export const SECOND_PORT = 2591;
export const POSTFIX_PORT = 2501;
/** Nothing listens here. */
export const DEAD_PORT = 2599;
/** The local resolver. */
export const DNS_PORT = 2553;
/** The blocklists behind it. */
export const LISTS_PORT = 2554;

export interface Server {
  readonly name: string;
  readonly port: number;
  /** Resolves when it greets. */
  start(): Promise<void>;
  /** Resolves when it is gone. Does nothing if it does not run. */
  stop(): Promise<void>;
  /** Forgets its mail. Only while it is stopped. */
  wipe(): void;
  /** Asks it to hand over what it holds, now; resolves when the command has ended. */
  flush(): Promise<void>;
  /** Mails that it holds. */
  queued(): number;
  /** Mails that it is busy with while the next hop is down. */
  busy(): number;
  /** Process id at the root of it. */
  pid(): number;
  /** Where it logs what it finds out about each mail, if it does. */
  readonly log?: string;
  /** Its configuration, for the reader. */
  shown(): string;
}

export const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** Until it greets; 60 s at most. */
export async function greets(port: number): Promise<void> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    const ok = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('data', () => {
        socket.end('QUIT\r\n');
        done(true);
      });
      socket.once('error', () => done(false));
      socket.setTimeout(5000, () => {
        socket.destroy();
        done(false);
      });
    });
    if (ok) return;
    await sleep(5);
  }
  throw new Error(`nobody greets at port ${port}`);
}

/** Until the process is gone; 60 s at most. */
export async function gone(pid: number): Promise<void> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(10);
  }
  throw new Error(`process ${pid} does not end`);
}
