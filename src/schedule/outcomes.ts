/**
 * What becomes of answers: they are judged, logged, and made durable; and what they say of the site is
 * remembered: wary, a greylist's delay, mails put off in a row. The mail's own and the site's trouble
 * part ways here: what comes as `trouble` never reaches this file but for outcomes that are certain.
 */
import type { Log } from '../base/log.ts';
import type { Answered, Broken } from '../handover/port.ts';
import { describe, reply } from '../mail/reply.ts';
import type { Told } from '../notify/notices.ts';
import type { Entry, Lease, QueueName, Settlement } from '../spool/port.ts';
import { Conclude } from './conclude.ts';
import type { KeeperContext, RecipientSaid } from './context.ts';
import { Greylist } from './greylist.ts';
import { type Answer, answerOf, judge, pendingOf, putOffSince, type Ruling } from './judge.ts';
import type { QueuePolicy } from './policy.ts';
import type { Flight } from './run.ts';
import { Settler } from './settler.ts';
import { Wary } from './wary.ts';

/** So many mails put off in a row on a later try: it is the site (§5). */
const IN_A_ROW = 20;
/** RFC 3463 §3.4, X.3.4: message too big for system. */
const TOO_LARGE = '4.3.4';

export interface Met {
  readonly answer: Answer;
  /** The site's answers show how long it greylists, for the first time. */
  readonly learned: boolean;
}

export class Outcomes {
  readonly settler: Settler;
  readonly wary = new Wary();
  readonly #ctx: KeeperContext;
  readonly #log: Log;
  readonly #queue: QueueName;
  readonly #policy: () => QueuePolicy;
  readonly #conclude: Conclude;
  readonly #greylist: Greylist;
  /** Settlements that wait for a notice to be made. */
  #making = 0;
  #inARow = 0;

  constructor(ctx: KeeperContext, queue: QueueName, policy: () => QueuePolicy, changed: () => void) {
    this.#ctx = ctx;
    this.#log = ctx.log.child({ queue });
    this.#queue = queue;
    this.#policy = policy;
    this.settler = new Settler(ctx.clock, this.#log, changed);
    this.#greylist = new Greylist(ctx.clock);
    this.#conclude = new Conclude({ ...ctx, log: this.#log });
  }

  /** Answers that are not durable yet. */
  get unsettled(): number {
    return this.settler.size + this.#making;
  }

  /** The site puts off everything; ends with `lives`. */
  get puttingOff(): boolean {
    return this.#inARow >= IN_A_ROW;
  }

  /** The site accepts again. */
  lives(): void {
    this.#inARow = 0;
  }

  /** The site is down: what it says when it is back has to be looked at. */
  down(): void {
    if (this.#policy().wary) this.wary.begin();
  }

  /** A mail had its answers. `counts`: do they speak for the site? A fellow secondary's don't. */
  answered(flight: Flight, given: Answered, counts: boolean): Met {
    const told = flight.pending.flatMap((recipient, i): Told[] => {
      const outcome = given.outcomes[i];
      return outcome ? [{ recipient, outcome }] : [];
    });
    const answer = answerOf(told);
    const learned = counts && this.#remember(flight.entry, told, answer);
    if (counts) this.#tell(flight.entry, told);
    this.#rule(flight, told);
    return { answer, learned };
  }

  /**
   * A line broke on this mail. What was delivered for certain is settled, so that it is not repeated;
   * false if nothing was, and the entry has to be given back. Trouble fails no mail and moves no mail's
   * own clock: the rest is asked again.
   */
  broken(flight: Flight, given: Broken): boolean {
    const outcomes = flight.pending.flatMap((recipient, i): Told[] => {
      const outcome = given.outcomes[i];
      return outcome?.kind === 'delivered' ? [{ recipient, outcome }] : [];
    });
    if (outcomes.length === 0) return false;
    void this.#settle(flight.entry, flight.lease, { id: flight.entry.id, outcomes });
    return true;
  }

  /** The content could not be opened: the mail is put off, and somebody has to know. */
  unreadable({ mail, id: entry }: Entry, why: string): void {
    this.#log.error('content cannot be read', { mail, entry, why });
  }

  /** Its time is over and the site was tried since. Resolves once durable. */
  async expire(entry: Entry, lease: Lease, why: string): Promise<void> {
    await this.#settle(entry, lease, await this.#conclude.expired(entry, lease, why));
  }

  /** It has reached `warned` ages at which its sender may be told. Resolves once durable. */
  async warn(entry: Entry, lease: Lease, why: string, warned: number): Promise<void> {
    await this.#settle(entry, lease, await this.#conclude.late(entry, lease, this.#policy(), why, warned));
  }

  /**
   * It is larger than the site wants it: it is held, and a note goes to its recipients, in one durable write.
   * The outcome is the mark by which it is known when an operator has released it. Resolves once durable.
   */
  tooLarge(entry: Entry, lease: Lease, largest: number): Promise<void> {
    const now = this.#ctx.clock.now();
    const pending = pendingOf(entry);
    const said = reply(452, TOO_LARGE, `larger than ${largest} octets: the site was told of it`);
    const reason = `${said.text[0]}; "restante queue release ${entry.id}" hands it over`;
    return this.#settle(entry, lease, {
      id: entry.id,
      outcomes: pending.map((recipient) => ({
        recipient,
        outcome: { kind: 'deferred', reply: said, host: '', since: now },
      })),
      nextTry: now,
      hold: { kind: 'operator', reason },
      notice: this.#ctx.notices.tooLarge(entry, pending, largest),
    });
  }

  /** Was it too large, and did an operator let it go? */
  isLetGo(entry: Entry): boolean {
    return entry.recipients.some(({ last }) => last?.host === '' && last.reply.enhanced === TOO_LARGE);
  }

  /** What the answer says of the site. True: it shows for the first time how long it greylists. */
  #remember(entry: Entry, told: readonly Told[], answer: Answer): boolean {
    if (answer === 'accepted') this.#inARow = 0;
    // On a first try it may be greylisting.
    else if (answer === 'deferred' && entry.attempts > 0) this.#inARow++;
    const refusedBefore = told.some((t) => putOffSince(entry.recipients[t.recipient], 5) !== null);
    const counts = answer === 'accepted' || (answer === 'refused' && !refusedBefore);
    if (this.#policy().wary && counts && this.wary.answer(answer === 'accepted')) {
      this.#log.warn(this.wary.on ? 'refusals are held back' : 'refusals are believed again');
    }
    let learned = false;
    for (const { recipient, outcome } of told) {
      const since = outcome.kind === 'delivered' ? putOffSince(entry.recipients[recipient], 4) : null;
      if (since !== null && this.#greylist.accepted(since)) learned = true;
    }
    return learned;
  }

  #tell({ envelope }: Entry, told: readonly Told[]): void {
    const { heard } = this.#ctx;
    if (!heard) return;
    const said = told.flatMap(({ recipient, outcome }): RecipientSaid[] => {
      const address = envelope.recipients[recipient]?.address;
      if (address === undefined) return [];
      if (outcome.kind === 'delivered') return [{ address }];
      const refused = outcome.kind === 'failed' && outcome.at === 'rcpt' && !this.wary.on;
      return refused ? [{ address, refusal: outcome.reply }] : [];
    });
    if (said.length > 0) heard(this.#queue, said);
  }

  #rule(flight: Flight, told: readonly Told[]): void {
    const { entry, lease, begun } = flight;
    const ruling: Ruling = judge(entry, told, {
      now: this.#ctx.clock.now(),
      wary: this.wary.on,
      random: this.#ctx.random,
      passes: (since) => this.#greylist.passes(since),
    });
    const settlement = this.#conclude.tried(entry, lease, ruling, this.#policy(), begun);
    if (!(settlement instanceof Promise)) return void this.#settle(entry, lease, settlement);
    this.#making++;
    void settlement.then((made) => {
      this.#making--;
      return this.#settle(entry, lease, made);
    });
  }

  #settle(entry: Entry, lease: Lease, settlement: Settlement): Promise<void> {
    return new Promise((resolve) => {
      this.settler.add(lease, settlement, (durable) => {
        if (durable) this.#report(entry, settlement);
        resolve();
      });
    });
  }

  /** One line for each kind of outcome that a mail had. */
  #report(entry: Entry, { outcomes, hold, nextTry }: Settlement): void {
    const common = { mail: entry.mail, entry: entry.id };
    const groups = new Map<
      string,
      { event: string; fields: Record<string, unknown>; recipients: string[] }
    >();
    for (const { recipient, outcome } of outcomes) {
      const reply = describe(outcome.reply);
      const key = `${outcome.kind} ${outcome.host} ${reply}`;
      let group = groups.get(key);
      if (!group) {
        const next = outcome.kind === 'deferred' && !hold ? { nextTry } : {};
        group = { event: eventOf(outcome), fields: { host: outcome.host, reply, ...next }, recipients: [] };
        groups.set(key, group);
      }
      group.recipients.push(entry.envelope.recipients[recipient]?.address ?? '');
    }
    for (const { event, fields, recipients } of groups.values()) {
      this.#log.info(event, { ...common, ...fields, recipients });
    }
    if (hold?.kind === 'undeliverable') {
      this.#log.warn('mail kept as undeliverable', { ...common, why: hold.reason });
    }
  }
}

function eventOf(outcome: Told['outcome']): string {
  switch (outcome.kind) {
    case 'delivered':
      return 'mail handed over';
    case 'failed':
      return 'mail failed';
    case 'deferred':
      return outcome.reply.code >= 500 ? 'refusal held back' : 'mail deferred';
  }
}
