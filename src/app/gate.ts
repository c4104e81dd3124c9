/**
 * The gate with what its checks need of the world: their order, and those who look at content
 * (docs/gate.md has the order for people).
 */
import type { Clock } from '../base/clock.ts';
import type { Keyed } from '../base/keyed.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import { createResolver, type Server } from '../dns/resolver.ts';
import { AuthenticationInspector } from '../policy/authentication/content.ts';
import { Spf } from '../policy/authentication/spf.ts';
import { SpfCheck } from '../policy/authentication/spf-check.ts';
import { Workers } from '../policy/authentication/workers.ts';
import type { Blocklists } from '../policy/blocklist/blocklists.ts';
import { conduct } from '../policy/conduct/conduct.ts';
import { Gate } from '../policy/gate.ts';
import { Harvest } from '../policy/harvest.ts';
import type { Inspector } from '../policy/inspect.ts';
import { Milters } from '../policy/milter/milters.ts';
import type { PrimaryKnowledge, Settings, Standings } from '../policy/ports.ts';
import { dialMilter } from '../protocol/milter/dial.ts';
import { openBlocklists } from './blocklists.ts';

interface GateMeans {
  readonly config: () => Config;
  /** `limits.allow` */
  readonly allowed: (address: string) => boolean;
  readonly settings: () => Settings;
  readonly primaries: PrimaryKnowledge;
  readonly standings: Standings;
  readonly servers: readonly Server[];
  readonly keyed: Keyed;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenGate {
  readonly gate: Gate;
  readonly inspectors: readonly Inspector[];
  readonly blocklists: Blocklists;
  /** Nothing new: before the handovers end. */
  stop(): void;
  /** What it kept is written: before the knowledge store is closed. */
  close(): void;
}

export function openGate(means: GateMeans): OpenGate {
  const { config, servers, keyed, clock, log } = means;
  // What strangers let us look up is not in the way of what we need ourselves.
  const resolver = createResolver({ servers, clock });
  const authentication = () => config().authentication;
  const manners = conduct({
    ...means,
    rules: () => config().conduct,
    resolver,
    kept: keyed.table('greylist'),
  });
  const blocklists = openBlocklists(config().blocklists, { servers, clock, log });
  const spf = new Spf({ resolver, clock, hostname: () => config().hostname });
  const workers = new Workers({
    looking: authentication,
    threads: () => authentication().workers,
    resolver,
    clock,
    log,
  });
  const milters = new Milters({
    rules: () => config().milters,
    hostname: () => config().hostname,
    dial: (to, ms) => dialMilter(to, ms, clock),
    clock,
    log,
  });
  return {
    gate: new Gate([
      manners.connectionLimits,
      manners.greeting,
      manners.helo,
      blocklists,
      new SpfCheck(spf, () => authentication().spf),
      manners.mailLimits,
      manners.greylist,
      new Harvest(clock),
      milters.check,
    ]),
    inspectors: [
      new AuthenticationInspector({ settings: authentication, workers, now: () => clock.now() }),
      milters.inspector,
    ],
    blocklists,
    stop() {
      milters.stop();
      blocklists.stop();
      workers.close();
    },
    close: () => manners.close(),
  };
}
