/**
 * The greeting comes late, and who speaks before it is refused: a mail server waits (RFC 5321 §4.3.1), a program that
 * only shouts does not.
 *
 * Promises: nobody waits whose mail was taken within a day, nor a primary of a site; so a delay is paid once. When
 * many wait already, the next are greeted at once: the delay is a sieve, not a place where connections pile up.
 * After XCLIENT nobody waits: the front has greeted that client.
 */
import type { Clock } from '../../base/clock.ts';
import type { Soon } from '../../base/soon.ts';
import { clientKey } from '../../protocol/listen/address.ts';
import type { Check, Visit, Watch } from '../check.ts';
import { ACCEPT, reject, type Verdict } from '../verdict.ts';
import { Acquaintances, isStranger } from './stranger.ts';

/** Connections that wait at once. */
const MOST_WAITING = 300;

const EARLY = reject(
  554,
  '5.5.1',
  'You spoke before the greeting (RFC 5321 4.3.1)',
  'it spoke before the greeting',
);

export interface GreetingWorld {
  readonly clock: Clock;
  /** Milliseconds; 0: none. */
  readonly delay: () => number;
  /** Named by the operator, or the primary of a site. */
  readonly known: (address: string) => boolean;
}

export class Greeting implements Check {
  readonly name = 'greeting';
  readonly #world: GreetingWorld;
  readonly #met: Acquaintances;
  #waiting = 0;

  constructor(world: GreetingWorld) {
    this.#world = world;
    this.#met = new Acquaintances(world.clock);
  }

  begin(visit: Visit): Watch | undefined {
    if (!isStranger(visit)) return undefined;
    const { address, via } = visit.peer;
    const client = clientKey(address);
    const accepted = () => this.#met.met(client);
    const { delay, known } = this.#world;
    const ms = delay();
    const greets = ms === 0 || via?.by === 'XCLIENT' || this.#met.knows(client) || known(address);
    return greets || this.#waiting >= MOST_WAITING ? { accepted } : { accepted, ...this.#late(ms) };
  }

  #late(ms: number): Pick<Watch, 'connect' | 'early'> {
    let answer: ((verdict: Verdict) => void) | undefined;
    const connect = (): Soon<Verdict> => {
      this.#waiting++;
      return new Promise<Verdict>((resolve) => {
        const timer = this.#world.clock.after(ms, () => answer?.(ACCEPT));
        answer = (verdict) => {
          answer = undefined;
          this.#waiting--;
          timer.cancel();
          resolve(verdict);
        };
      });
    };
    return { connect, early: () => answer?.(EARLY) };
  }
}
