/**
 * Where mail enters: makes the Session that answers the SMTP engine's questions, one for each
 * connection. Asks `policy`, writes to the spool, knows no wire and no disk.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { NetworkSet } from '../base/networks.ts';
import type { Gate } from '../policy/gate.ts';
import type { Inspector } from '../policy/inspect.ts';
import type { Policy } from '../policy/pipeline.ts';
import type { PrimaryKnowledge, Settings } from '../policy/ports.ts';
import type { WhileUp } from '../policy/while-up.ts';
import type { Peer } from '../protocol/engine.ts';
import type { Session } from '../protocol/smtp/session.ts';
import type { CallAnswer } from '../site/call.ts';
import type { SiteDirectory } from '../site/site.ts';
import type { Spool } from '../spool/port.ts';
import { EtrnRates } from './etrn.ts';
import { ReceiveSession } from './session.ts';
import type { Throughs } from './through/through.ts';

/** What the keepers are told; hints, called while a peer waits: they return at once. */
export interface ReceiveEvents {
  /** A connection came from the address of this site's primary. */
  signOfLife(site: string, peer: string): void;
  /** This site's primary gave back mail that it got from us. */
  loop(site: string, peer: string, why: string): void;
  /** It calls for its mail. `from`: it proved who it is, and is at this address now. */
  call(site: string, by: string, from?: string): CallAnswer;
}

export interface Receiving {
  readonly spool: Pick<Spool, 'draft'>;
  readonly policy: Policy;
  readonly gate: Gate;
  readonly whileUp: WhileUp;
  readonly throughs: Throughs;
  /** Those who look at content, in the order in which what they change is changed. */
  readonly inspectors: readonly Inspector[];
  /** `peers:` */
  readonly isPeer: NetworkSet;
  readonly settings: () => Settings;
  readonly directory: () => SiteDirectory;
  readonly primaries: PrimaryKnowledge;
  readonly events: ReceiveEvents;
  readonly etrnRates: EtrnRates;
  /** The secret by which we know our own Received fields (`mail/received.ts`). */
  readonly key: string;
  readonly clock: Clock;
  readonly log: Log;
}

export function createReceiver(parts: Omit<Receiving, 'etrnRates'>): (peer: Peer) => Session {
  const receiving: Receiving = { ...parts, etrnRates: new EtrnRates(parts.clock) };
  return (peer) => new ReceiveSession(receiving, peer);
}
