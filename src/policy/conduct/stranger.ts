/**
 * Who is a stranger: everybody but `peers`, and programs on this very machine. Also whom we know well enough not to
 * let him wait.
 */
import { type Clock, DAY } from '../../base/clock.ts';
import { Generations } from '../../base/generations.ts';
import { isLoopback } from '../../protocol/listen/address.ts';
import type { Asking, Visit } from '../check.ts';

export const isStranger = ({ peer, trusted }: Visit): boolean => !trusted && !isLoopback(peer.address);

/** The mail is somebody's whom the configuration names: by login, or by a site's send rule. */
export const isNamed = ({ sending, manner }: Asking): boolean =>
  sending !== undefined || manner.authenticated !== undefined;

const ROOM = 20_000;

/** Clients whose mail was taken lately, by `clientKey`. */
export class Acquaintances {
  readonly #clock: Clock;
  readonly #last = new Generations<number>(ROOM);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  met(client: string): void {
    this.#last.set(client, this.#clock.monotonic());
  }

  knows(client: string): boolean {
    const last = this.#last.get(client);
    return last !== undefined && this.#clock.monotonic() - last < DAY;
  }
}
