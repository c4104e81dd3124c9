/** Limits of new connections, by client and network (`limits.ts`). How many are open at once is the listener's bound. */
import type { Check, Visit, Watch } from '../check.ts';
import { ACCEPT, defer, type Verdict } from '../verdict.ts';
import type { LimitTable } from './limits.ts';

export class ConnectionLimits implements Check {
  readonly name = 'connection limits';
  readonly #table: LimitTable;

  constructor(table: LimitTable) {
    this.#table = table;
  }

  begin(visit: Visit): Watch | undefined {
    if (!this.#table.isLimited(visit)) return undefined;
    return { connect: () => this.#connect(visit.peer.address) };
  }

  #connect(address: string): Verdict {
    const now = this.#table.world.clock.monotonic();
    const client = this.#table.client(address);
    const network = this.#table.network(address);
    const why = client.over('connections', now) ?? network.over('connections', now);
    if (why !== undefined) return defer(421, '4.7.0', 'Too many connections from you; try again later', why);
    client.spend('connections', now);
    network.spend('connections', now);
    return ACCEPT;
  }
}
