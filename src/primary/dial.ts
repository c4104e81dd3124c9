/**
 * A TCP connection to the first of several addresses that answers: one after the other, the next
 * one begun when the last failed or has kept us waiting for a moment (a light RFC 8305). Always ends
 * by its deadlines; leaves no other socket open.
 */
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';

export interface DialOptions {
  readonly clock: Clock;
  /** Milliseconds for one address. */
  readonly timeout: number;
  /** Milliseconds after which the next address is begun beside one that is silent. */
  readonly stagger: number;
  readonly signal: AbortSignal;
}

export interface Target {
  readonly address: string;
  readonly port: number;
}

export type Dialed<T> =
  | { readonly kind: 'connected'; readonly socket: Socket; readonly target: T }
  | { readonly kind: 'failed'; readonly failures: readonly { readonly target: T; readonly why: string }[] };

export function dial<T extends Target>(targets: readonly T[], options: DialOptions): Promise<Dialed<T>> {
  return new Promise((resolve) => new Race(targets, options, resolve).next());
}

class Race<T extends Target> {
  readonly #targets: readonly T[];
  readonly #options: DialOptions;
  readonly #resolve: (dialed: Dialed<T>) => void;
  readonly #failures: { target: T; why: string }[] = [];
  readonly #open = new Map<Socket, Timer>();
  #begun = 0;
  #stagger: Timer | null = null;
  #over = false;

  constructor(targets: readonly T[], options: DialOptions, resolve: (dialed: Dialed<T>) => void) {
    this.#targets = targets;
    this.#options = options;
    this.#resolve = resolve;
    options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  next(): void {
    this.#stagger?.cancel();
    this.#stagger = null;
    if (this.#over) return;
    const { clock, signal, stagger } = this.#options;
    const target = this.#targets[this.#begun];
    if (signal.aborted || (!target && this.#open.size === 0)) {
      this.#finish({ kind: 'failed', failures: this.#failures });
      return;
    }
    if (!target) return;
    this.#begun++;
    this.#begin(target);
    if (this.#begun < this.#targets.length) this.#stagger = clock.after(stagger, () => this.next());
  }

  #begin(target: T): void {
    const { clock, timeout } = this.#options;
    const socket = connect({ host: target.address, port: target.port, noDelay: true });
    const fail = (why: string) => {
      const timer = this.#open.get(socket);
      if (!timer) return;
      timer.cancel();
      this.#open.delete(socket);
      socket.destroy();
      this.#failures.push({ target, why });
      this.next();
    };
    this.#open.set(
      socket,
      clock.after(timeout, () => fail('timed out')),
    );
    socket.on('error', (e: NodeJS.ErrnoException) => fail(e.code ?? e.message));
    socket.once('connect', () => this.#finish({ kind: 'connected', socket, target }));
  }

  readonly #abort = (): void => this.#finish({ kind: 'failed', failures: this.#failures });

  #finish(dialed: Dialed<T>): void {
    if (this.#over) return;
    this.#over = true;
    this.#stagger?.cancel();
    this.#options.signal.removeEventListener('abort', this.#abort);
    for (const [socket, timer] of this.#open) {
      timer.cancel();
      if (dialed.kind !== 'connected' || socket !== dialed.socket) socket.destroy();
    }
    this.#open.clear();
    this.#resolve(dialed);
  }
}
