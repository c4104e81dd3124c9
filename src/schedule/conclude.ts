/**
 * From a ruling to a settlement: is the mail too old, is its sender to be told, and what is to be kept
 * if he may not be. The notice goes into the same settlement as the outcome (DESIGN.md §3).
 *
 * A refusal that nobody may be told of leaves its recipient pending and the entry held as
 * `undeliverable`: nothing is dropped, and a release tries again. While others of its recipients still
 * wait, it is offered again with them instead, since a hold would stop them too.
 */
import type { Clock, Instant } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Outcome } from '../mail/outcome.ts';
import { describe, reply } from '../mail/reply.ts';
import type { Decision, Notices, Told } from '../notify/notices.ts';
import type { Entry, Hold, Lease, Settlement } from '../spool/port.ts';
import { holdBack, pendingOf, putOffSince, type Ruling } from './judge.ts';
import type { Patience } from './patience.ts';
import type { QueuePolicy } from './policy.ts';

export class Conclude {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #notices: Notices;
  readonly #patience: Patience;

  constructor(options: { clock: Clock; log: Log; notices: Notices; patience: Patience }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#notices = options.notices;
    this.#patience = options.patience;
  }

  /** After a try that began at `begun`. At once when nobody has to be told, which is nearly always. */
  tried(entry: Entry, lease: Lease, ruling: Ruling, policy: QueuePolicy, begun: Instant) {
    const { delivered, waiting } = ruling;
    // Nothing expires without one try after its time, and this was it.
    const expired = waiting.length > 0 && begun - entry.arrived >= policy.hold && this.#patience.over;
    if (expired) {
      const failed = [...ruling.failed, ...waiting.map((told) => expire(told))];
      return this.#fail(entry, lease, { ...ruling, failed, waiting: [] });
    }
    if (ruling.failed.length > 0) return this.#fail(entry, lease, ruling);
    const plain: Settlement = {
      id: entry.id,
      outcomes: [...delivered, ...waiting],
      ...(waiting.length > 0 ? { nextTry: ruling.nextTry } : {}),
    };
    const warned = this.#warnings(entry, policy);
    if (waiting.length === 0 || warned <= entry.warned) return plain;
    return this.#warn(entry, lease, waiting, policy, plain, warned);
  }

  /** Its time is over, and the site was tried since, in vain: `why`. */
  expired(entry: Entry, lease: Lease, why: string): Promise<Settlement> {
    const failed = standing(entry, why).map((told) => expire(told));
    return this.#fail(entry, lease, { delivered: [], failed, waiting: [], heldBack: 0, nextTry: 0 });
  }

  /** It waits, and its sender may be told why. */
  late(entry: Entry, lease: Lease, policy: QueuePolicy, why: string, warned: number): Promise<Settlement> {
    const base: Settlement = { id: entry.id, outcomes: [] };
    return this.#warn(entry, lease, standing(entry, why), policy, base, warned);
  }

  /** How many of the policy's ages it has reached. */
  #warnings(entry: Entry, policy: QueuePolicy): number {
    const age = this.#clock.now() - entry.arrived;
    return policy.warn.filter((at) => age >= at).length;
  }

  async #warn(
    entry: Entry,
    lease: Lease,
    waiting: readonly Told[],
    policy: QueuePolicy,
    base: Settlement,
    warned: number,
  ): Promise<Settlement> {
    const until = entry.arrived + policy.hold;
    const decision = await this.#ask(entry, () =>
      this.#notices.delay(entry, waiting, until, () => lease.open(entry.id)),
    );
    this.#tell(entry, 'delay', decision);
    return { ...base, warned, ...noticeOf(decision) };
  }

  async #fail(entry: Entry, lease: Lease, ruling: Ruling): Promise<Settlement> {
    const { delivered, failed, waiting } = ruling;
    const decision = await this.#ask(entry, () =>
      this.#notices.failure(entry, failed, () => lease.open(entry.id)),
    );
    this.#tell(entry, 'failure', decision);
    const more = waiting.length > 0 ? { nextTry: ruling.nextTry } : {};
    if (decision.kind !== 'untold') {
      const outcomes = [...delivered, ...failed, ...waiting];
      return { id: entry.id, outcomes, ...more, ...noticeOf(decision) };
    }
    const now = this.#clock.now();
    const kept = failed.map(({ recipient, outcome }) => ({
      recipient,
      outcome: holdBack(outcome, putOffSince(entry.recipients[recipient], 5) ?? now),
    }));
    const outcomes = [...delivered, ...kept, ...waiting];
    if (waiting.length > 0) return { id: entry.id, outcomes, ...more };
    const said = failed[0] ? describe(failed[0].outcome.reply) : '';
    const hold: Hold = { kind: 'undeliverable', reason: `${said} (not told: ${decision.why})`, since: now };
    return { id: entry.id, outcomes, nextTry: now, hold };
  }

  /** A notice that can't be made is a fault of ours: the mail is kept, not dropped. */
  async #ask(entry: Entry, decide: () => Promise<Decision>): Promise<Decision> {
    try {
      return await decide();
    } catch (error) {
      this.#log.error('notice could not be made', { mail: entry.mail, entry: entry.id, why: String(error) });
      return { kind: 'untold', why: 'the notice could not be made' };
    }
  }

  #tell(entry: Entry, about: 'delay' | 'failure', decision: Decision): void {
    const fields = {
      mail: entry.mail,
      entry: entry.id,
      queue: entry.queue,
      sender: entry.envelope.sender,
      about,
    };
    if (decision.kind === 'notice') {
      this.#log.info('sender told', { ...fields, noticeQueue: decision.entry.queue });
    } else {
      this.#log.info(decision.kind === 'needless' ? 'nobody to tell' : 'sender may not be told', {
        ...fields,
        why: decision.why,
      });
    }
  }
}

const noticeOf = (decision: Decision): Pick<Settlement, 'notice'> =>
  decision.kind === 'notice' ? { notice: { content: decision.content, entry: decision.entry } } : {};

/** How the pending recipients of an entry stand: by their last outcome, else by the site's trouble. */
function standing(entry: Entry, why: string): Told[] {
  return pendingOf(entry).map((recipient) => ({
    recipient,
    outcome: entry.recipients[recipient]?.last ?? {
      kind: 'deferred',
      reply: reply(451, '4.4.1', why),
      host: '',
    },
  }));
}

/** RFC 3463 §3.5, X.4.7. A refusal that was held back until now speaks for itself. */
function expire({ recipient, outcome }: Told): Told {
  const failed: Outcome =
    outcome.reply.code >= 500
      ? { kind: 'failed', reply: outcome.reply, host: outcome.host }
      : {
          kind: 'failed',
          reply: reply(554, '5.4.7', 'delivery time expired', describe(outcome.reply)),
          host: outcome.host,
        };
  return { recipient, outcome: failed };
}
