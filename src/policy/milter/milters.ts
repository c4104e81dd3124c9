/**
 * The filters that are configured, at the gate: a check that tells them of connections and recipients, and an
 * inspector that shows them mails. They are asked in their order; each sees what those before it have changed; after
 * a refusal the others are not asked. Mail that comes by no connection is shown to none.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { MilterRule } from '../../config/milter-schema.ts';
import type { HeaderEdit } from '../../mail/header-edit.ts';
import type { AskedRecipient, Asking, Check, Visit, Watch } from '../check.ts';
import type { Inspected, Inspection, Inspector, Opinion, Whole } from '../inspect.ts';
import { ACCEPT, type Verdict } from '../verdict.ts';
import { Bodies, type Share } from './bodies.ts';
import { type Dial, Filter } from './filter.ts';
import { FilterVisit } from './visit.ts';

export interface MiltersParts {
  /** Those in force; another list after a reload. */
  readonly rules: () => readonly MilterRule[];
  readonly hostname: () => string;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

export class Milters {
  readonly check: Check;
  readonly inspector: Inspector;
  readonly #parts: MiltersParts;
  readonly #visits = new WeakMap<Visit, readonly FilterVisit[]>();
  readonly #bodies = new Bodies();
  #rules: readonly MilterRule[] = [];
  #filters: readonly Filter[] = [];

  constructor(parts: MiltersParts) {
    this.#parts = parts;
    this.check = { name: 'milters', begin: (visit) => this.#begin(visit) };
    this.inspector = { name: 'milters', begin: (mail) => this.#inspection(mail) };
  }

  /** Connections that wait for a session are ended; those in use end with theirs. */
  stop(): void {
    for (const filter of this.#filters) filter.stop();
  }

  #begin(visit: Visit): Watch | undefined {
    const { hostname, log } = this.#parts;
    const asked = this.#current().filter(({ rule }) => rule.peers === 'ask' || !visit.trusted);
    if (asked.length === 0) return undefined;
    const visits = asked.map((filter) => new FilterVisit(filter, visit, hostname, log));
    this.#visits.set(visit, visits);
    return {
      taken: (asking, recipient) => taken(visits, asking, recipient),
      closed: () => {
        for (const one of visits) one.closed();
      },
    };
  }

  #inspection(mail: Inspected): Inspection | undefined {
    const visits = (this.#visits.get(mail.visit) ?? []).filter((one) => one.concerns(mail));
    if (visits.length === 0) return undefined;
    const share = this.#bodies.share();
    return {
      end: (whole) => inspect(visits, mail, whole, share),
      over: () => share.giveBack(),
      abort: () => {
        for (const one of visits) one.abort(mail);
      },
    };
  }

  /** What is unchanged by a reload stays, with what is known of it. */
  #current(): readonly Filter[] {
    const rules = this.#parts.rules();
    if (rules === this.#rules) return this.#filters;
    const before = new Map(this.#filters.map((filter) => [JSON.stringify(filter.rule), filter]));
    const filters = rules.map((rule) => before.get(JSON.stringify(rule)) ?? new Filter(rule, this.#parts));
    for (const filter of this.#filters) if (!filters.includes(filter)) filter.stop();
    this.#rules = rules;
    this.#filters = filters;
    return filters;
  }
}

async function taken(visits: readonly FilterVisit[], asking: Asking, to: AskedRecipient): Promise<Verdict> {
  for (const visit of visits) {
    const verdict = await visit.taken(asking, to);
    if (verdict.kind !== 'accept') return verdict;
  }
  return ACCEPT;
}

async function inspect(
  visits: readonly FilterVisit[],
  mail: Inspected,
  whole: Whole,
  share: Share,
): Promise<Opinion> {
  const edits: HeaderEdit[] = [];
  let now = whole;
  let body: readonly Uint8Array[] | undefined;
  for (const visit of visits) {
    const opinion = await visit.inspect(mail, now, share);
    if (opinion.kind !== 'accept') return opinion;
    edits.push(...(opinion.edits ?? []));
    body = opinion.body ?? body;
    const written = body;
    now = { header: opinion.header, body: written ? () => each(written) : whole.body };
  }
  return { ...ACCEPT, edits, ...(body && { body }) };
}

async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
