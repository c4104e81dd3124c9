/**
 * Whether a primary lives, for those who can't wait for mail to show it: a connection, its greeting, EHLO, QUIT.
 *
 * Promises: one question a site at a time, shared by all who ask meanwhile; after one in vain the next comes
 * PAUSE later at the earliest; each ends by its deadline. Never rejects.
 */
import { type Clock, SECOND } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Site } from '../site/site.ts';
import type { Primaries } from './primaries.ts';

export interface PulseOptions {
  readonly primaries: Pick<Primaries, 'connect'>;
  readonly clock: Clock;
  readonly log: Log;
}

const DEADLINE = 20 * SECOND;
const PAUSE = 10 * SECOND;
const QUIT = 5 * SECOND;

export class Pulse {
  readonly #options: PulseOptions;
  readonly #asking = new Map<string, Promise<boolean>>();
  /** Monotonic, by site. */
  readonly #inVain = new Map<string, number>();

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  ask(site: Site): Promise<boolean> {
    const asked = this.#asking.get(site.name);
    if (asked) return asked;
    const last = this.#inVain.get(site.name);
    if (last !== undefined && this.#options.clock.monotonic() - last < PAUSE) return Promise.resolve(false);
    const asking = this.#ask(site);
    this.#asking.set(site.name, asking);
    return asking;
  }

  async #ask(site: Site): Promise<boolean> {
    const { primaries, clock, log } = this.#options;
    const abort = new AbortController();
    const timer = clock.after(DEADLINE, () => abort.abort());
    const reached = await primaries.connect(site, abort.signal);
    timer.cancel();
    this.#asking.delete(site.name);
    const alive = reached.kind === 'reached' && reached.exchanger.best;
    if (reached.kind === 'reached') {
      const { wire } = reached.opened;
      wire.command('QUIT');
      wire.expect(QUIT, () => wire.end());
    }
    if (alive) this.#inVain.delete(site.name);
    else this.#inVain.set(site.name, clock.monotonic());
    const why = reached.kind === 'trouble' && { why: reached.text };
    log.debug('primary asked whether it lives', { site: site.name, alive, ...why });
    return alive;
  }
}
