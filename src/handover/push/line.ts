/**
 * A Line over the SMTP client: gives parcels, returns what came of each recipient.
 *
 * Promises: a recipient is `delivered` only by a 2yz to the end of data; a connection lost after the dot
 * leaves its recipients open (null), to be tried again: doubled perhaps, never lost. What a server
 * refuses as too many goes at once in a further transaction on the same line. After a trouble the line
 * is dead: nothing more is begun on it.
 *
 * RFC 5321 §4.2, §4.5.3.1.10, §4.5.4.1, §6.1; RFC 1047.
 */
import type { Log } from '../../base/log.ts';
import { clientOf } from '../../mail/client.ts';
import type { Recipient } from '../../mail/envelope.ts';
import type { Outcome } from '../../mail/outcome.ts';
import { describe, isPositive, type Reply, reply } from '../../mail/reply.ts';
import { isTooMany, judgeContent, judgeMail, judgeRcpt, type Verdict } from '../../primary/classify.ts';
import { nameOf, type Reached } from '../../primary/reach.ts';
import { xforwardLines } from '../../protocol/smtp/client/attributes.ts';
import type { SmtpClient } from '../../protocol/smtp/client/client.ts';
import type { Transaction } from '../../protocol/smtp/client/transaction.ts';
import type { Lost } from '../../protocol/smtp/client/wire.ts';
import type { Given, Line, Parcel, ParcelContent, Trouble } from '../port.ts';

const NOTHING: ParcelContent = { size: 0, pieces: [], async *chunks() {}, async close() {} };

/** Recipients in one transaction, where the server names no number. RFC 5321 §4.5.3.1.8 asks it to take 100. */
const MOST_RECIPIENTS = 1000;

/** XFORWARD, to a site that wants it. */
export interface Forwarding {
  may(): boolean;
  refused(why: string): void;
}

export class SmtpLine implements Line {
  readonly kind = 'line';
  readonly host: string;
  readonly best: boolean;
  readonly depth: number;
  readonly #client: SmtpClient;
  readonly #name: string;
  readonly #log: Log;
  readonly #named: boolean;
  readonly #forwarding: Forwarding | undefined;
  #trouble: Trouble | null = null;

  constructor(reached: Reached, client: SmtpClient, log: Log, forwarding?: Forwarding) {
    this.#named = reached.named !== undefined;
    this.#forwarding = forwarding;
    this.host = nameOf(reached);
    this.best = reached.exchanger.best;
    this.depth = client.depth;
    this.#client = client;
    this.#name = reached.exchanger.host;
    this.#log = log.child({ host: this.host });
  }

  async give(parcel: Parcel): Promise<Given> {
    const sized = this.#client.offer.keywords.has('SIZE');
    const giving = new Giving(parcel, { name: this.#name, best: this.best, sized, named: this.#named });
    const most = Math.min(this.#client.offer.rcptMax ?? MOST_RECIPIENTS, MOST_RECIPIENTS);
    for (let part = giving.next(most); part.length > 0; part = giving.next(most)) {
      if (this.#trouble) return giving.broken(this.#trouble);
      const recipients = part.map((i) => parcel.envelope.recipients[i]).filter((r) => r !== undefined);
      const heard = await this.#transact(parcel, recipients);
      const trouble = (await this.#hear(giving, heard, part)) ?? this.#lost(heard);
      if (trouble) return this.#break(giving, trouble);
    }
    return giving.answered();
  }

  get isDead(): boolean {
    return this.#trouble !== null || this.#client.lost !== null;
  }

  /** When all that was given is answered: no transaction is open over there. */
  rest(): Promise<void> {
    return this.#client.rest();
  }

  close(): Promise<void> {
    return this.#client.quit();
  }

  hangUp(): boolean {
    return this.#client.hangUp();
  }

  destroy(): void {
    this.#client.destroy();
  }

  /**
   * MAIL refused for good, and the words don't say whether for this sender: then the null sender shows
   * it. Else one mail that is refused for its sender would keep a whole site waiting.
   */
  async #hear(giving: Giving, heard: Transaction, part: readonly number[]): Promise<Trouble | null> {
    const trouble = giving.hear(heard, part);
    if (!giving.unclear || heard.lost) return trouble;
    const bare = await this.#client.give({
      envelope: { sender: '', recipients: [], body: '7bit', smtputf8: false },
      open: async () => NOTHING,
    });
    const anybody = bare.mail !== null && isPositive(bare.mail);
    // Refused to the client that we named: perhaps it is he.
    if (!anybody && (!this.#named || bare.lost)) return trouble;
    giving.judged(anybody ? 'failed' : 'deferred', giving.unclear, part);
    return null;
  }

  async #transact(parcel: Parcel, recipients: readonly Recipient[]): Promise<Transaction> {
    const before = this.#forwarding?.may()
      ? xforwardLines(this.#client.offer, clientOf(parcel.origin), parcel.id)
      : [];
    const envelope = { ...parcel.envelope, recipients };
    const heard = await this.#client.give({ envelope, before, open: () => parcel.open() });
    if (heard.before) this.#forwarding?.refused(`${this.host}: XFORWARD: ${describe(heard.before)}`);
    return heard;
  }

  #break(giving: Giving, trouble: Trouble): Given {
    this.#trouble ??= { ...trouble, host: this.host };
    this.#log.info('handover broken', { entry: giving.id, why: trouble.text });
    // What is on its way may still be answered; nothing more begins.
    void this.#client.quit();
    return giving.broken(this.#trouble);
  }

  #lost(heard: Transaction): Trouble | null {
    const { lost } = heard;
    if (!lost) return null;
    if (this.#trouble) return this.#trouble;
    return {
      kind: 'trouble',
      cause: causeOf(lost),
      text: `${this.host}: ${lost.text}`,
      ...(lost.reply && { reply: lost.reply }),
      ...(lost.idle && !heard.begun && { idle: true }),
    };
  }
}

const causeOf = (lost: Lost): Trouble['cause'] => (lost.lost === 'bye' ? 'busy' : 'lost');

interface Host {
  readonly name: string;
  readonly best: boolean;
  /** Is it told the size of each mail? */
  readonly sized: boolean;
  /** Does it take us for the client that gave us the mail? */
  readonly named: boolean;
}

/** One parcel on its way: what is certain of each recipient so far. */
class Giving {
  readonly id: string;
  readonly #parcel: Parcel;
  readonly #host: Host;
  readonly #outcomes: (Outcome | null)[];
  #alive = false;
  #latency = 0;
  #unclear: Reply | null = null;

  constructor(parcel: Parcel, host: Host) {
    this.id = parcel.id;
    this.#parcel = parcel;
    this.#host = host;
    this.#outcomes = parcel.envelope.recipients.map(() => null);
  }

  /** The refusal of MAIL that may or may not be about this sender. */
  get unclear(): Reply | null {
    return this.#unclear;
  }

  judged(kind: 'failed' | 'deferred', r: Reply, part: readonly number[]): void {
    for (const index of part) this.#set(index, kind, r);
  }

  /** Indices of the next recipients without an outcome. Each transaction gives at least one an outcome, or is a trouble. */
  next(most: number): number[] {
    const open: number[] = [];
    for (const [i, outcome] of this.#outcomes.entries()) {
      if (outcome === null && open.push(i) === most) break;
    }
    return open;
  }

  answered(): Given {
    const outcomes = this.#outcomes.filter((o) => o !== null);
    return { kind: 'answered', outcomes, latency: this.#latency };
  }

  broken(trouble: Trouble): Given {
    return { kind: 'broken', trouble, outcomes: this.#outcomes, alive: this.#alive };
  }

  /** Takes note of a transaction with the recipients `part`. Returns a trouble that its replies are. */
  hear(heard: Transaction, part: readonly number[]): Trouble | null {
    if (heard.unsent) this.#unsent(heard.unsent, part);
    if (!heard.mail) return null;
    if (!isPositive(heard.mail)) return this.#mailRefused(heard.mail, part);
    this.#latency = heard.latency;
    const accepted: number[] = [];
    const trouble = this.#rcpts(heard.rcpt, part, accepted);
    const end = heard.end ?? (heard.data && heard.data.code !== 354 ? heard.data : null);
    if (!end || accepted.length === 0) return trouble;
    return this.#ended(end, heard.end !== null, accepted) ?? trouble;
  }

  #rcpts(replies: readonly (Reply | null)[], part: readonly number[], accepted: number[]): Trouble | null {
    let trouble: Trouble | null = null;
    for (const [n, index] of part.entries()) {
      const r = replies[n];
      if (!r) continue;
      if (isPositive(r)) {
        this.#alive = true;
        accepted.push(index);
        continue;
      }
      if (r.code < 500) this.#alive = true;
      // The rest goes at once in a transaction of its own; the first of that one has no such excuse.
      if (isTooMany(r) && accepted.length > 0) continue;
      const verdict = isTooMany(r) ? 'deferred' : judgeRcpt(r, this.#parcel.envelope, this.#host.named);
      if (verdict === 'failed') this.#outcomes[index] ??= { ...this.#outcome('failed', r), at: 'rcpt' };
      else if (verdict === 'deferred') this.#set(index, verdict, r);
      else trouble ??= this.#troubleOf('refused', 'RCPT', r);
    }
    return trouble;
  }

  #mailRefused(r: Reply, part: readonly number[]): Trouble | null {
    const verdict = judgeMail(r, this.#parcel.envelope, this.#host.sized, this.#host.named);
    if (verdict === 'unclear' && this.#parcel.envelope.sender !== '') this.#unclear = r;
    return this.#apply(verdict, 'MAIL', r, part);
  }

  #ended(r: Reply, wasSent: boolean, accepted: readonly number[]): Trouble | null {
    if (!isPositive(r)) {
      const verdict = judgeContent(r, this.#parcel.envelope, this.#host.named);
      return this.#apply(verdict, 'DATA', r, accepted);
    }
    // A 2yz other than to the content says nothing of the mail.
    if (!wasSent) return this.#troubleOf('refused', 'DATA', r);
    for (const index of accepted) this.#set(index, 'delivered', r);
    return null;
  }

  #apply(verdict: Verdict, station: string, r: Reply, part: readonly number[]): Trouble | null {
    if (verdict === 'trouble' || verdict === 'unclear') return this.#troubleOf('refused', station, r);
    if (verdict === 'busy') return this.#troubleOf('busy', station, r);
    for (const index of part) this.#set(index, verdict, r);
    return null;
  }

  #unsent(why: NonNullable<Transaction['unsent']>, part: readonly number[]): void {
    // RFC 6531 §3.2. A fellow secondary's want of it is not the site's.
    if (why === 'smtputf8') {
      const r = reply(553, '5.6.7', `${this.#host.name} does not offer SMTPUTF8, which this mail needs`);
      for (const index of part) this.#set(index, this.#host.best ? 'failed' : 'deferred', r);
      return;
    }
    const text = why === 'unclean' ? 'The mail holds a bare CR, LF or NUL' : 'The mail can not be read';
    for (const index of part) this.#set(index, 'deferred', reply(451, '4.3.0', text));
  }

  #set(index: number, kind: Outcome['kind'], r: Reply): void {
    this.#outcomes[index] ??= this.#outcome(kind, r);
  }

  #outcome<K extends Outcome['kind']>(kind: K, r: Reply): { kind: K; reply: Reply; host: string } {
    return { kind, reply: r, host: this.#host.name };
  }

  #troubleOf(cause: Trouble['cause'], station: string, r: Reply): Trouble {
    return { kind: 'trouble', cause, text: `${this.#host.name}: ${station}: ${describe(r)}`, reply: r };
  }
}
