/** The blocklists with what they need of the world. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { BlocklistSettings } from '../config/blocklists.ts';
import { createResolver, type Server } from '../dns/resolver.ts';
import { Blocklists } from '../policy/blocklist/blocklists.ts';

/** Questions to one list at once: those to a silent one are in nobody else's way. */
const IN_FLIGHT = 100;

export function openBlocklists(
  settings: BlocklistSettings,
  { servers, clock, log }: { servers: readonly Server[]; clock: Clock; log: Log },
): Blocklists {
  const blocklists = new Blocklists({
    resolverOf: () => createResolver({ servers, clock, inFlight: IN_FLIGHT }),
    // What strangers let us look up is not in the way of what we need ourselves.
    names: createResolver({ servers, clock }),
    clock,
    log,
    random: Math.random,
  });
  blocklists.configure(settings);
  return blocklists;
}
