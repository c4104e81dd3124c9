/**
 * One session's maildrop: gives messages out with the envelope on top, and settles what is deleted.
 *
 * Promises: what `remove` resolved to is durable, as `delivered`, and told in the log as any handover
 * is, so that the mail's trace shows it; what was not removed stays as it was. Content is changed only
 * as `mail/envelope-fields.ts` says. A lease that was taken back gives nothing out any more; what was
 * fetched by then can still be removed.
 */
import type { Log } from '../../base/log.ts';
import { envelopeFields, renameFields } from '../../mail/envelope-fields.ts';
import type { Outcome } from '../../mail/outcome.ts';
import { describe, reply } from '../../mail/reply.ts';
import type { Login, Maildrop, Message } from '../../protocol/pop3/maildrop.ts';
import type { Mailbox } from '../../site/site.ts';
import type { Entry, EntryId, Settlement, Spool } from '../../spool/port.ts';
import type { Lent } from './mailboxes.ts';
import { type MailboxMessage, pendingOf, uidOf } from './snapshot.ts';

export interface QueueMaildropOptions {
  readonly spool: Spool;
  readonly lent: Lent;
  readonly messages: readonly MailboxMessage[];
  readonly collect: Mailbox;
  readonly days: number;
  readonly login: Login;
  readonly log: Log;
}

/** Entries that are settled together. */
const BATCH = 256;
const FETCHED = reply(250, '2.0.0', 'fetched by POP3');
/** Its site says that it is done with it: it has it from an earlier session, or does not want it. */
const DELETED = reply(250, '2.0.0', 'deleted by POP3, not fetched in that session');

export class QueueMaildrop implements Maildrop {
  readonly kind = 'maildrop';
  readonly days: number;
  readonly #options: QueueMaildropOptions;
  readonly #fetched = new Set<number>();
  #octets = 0;
  #removed = 0;

  constructor(options: QueueMaildropOptions) {
    this.#options = options;
    this.days = options.days;
  }

  get taken(): AbortSignal {
    return this.#options.lent.lease.lost;
  }

  get count(): number {
    return this.#options.messages.length;
  }

  size(n: number): number {
    return this.#message(n).size;
  }

  uid(n: number): string {
    return uidOf(this.#message(n));
  }

  async open(n: number): Promise<Message | null> {
    const { spool, lent, collect } = this.#options;
    const { id, recipient } = this.#message(n);
    if (lent.lease.lost.aborted) return null;
    const entry = await spool.read(id);
    if ('kind' in entry) return null;
    const pending = pendingOf(entry, recipient);
    if (pending.length === 0) return null;
    const content = await lent.lease.open(id);
    if ('kind' in content) return null;
    const octets = content.chunks();
    const { sender, recipients } = entry.envelope;
    const to = recipients.filter((_, i) => pending.includes(i));
    const drop = this;
    async function* chunks(): AsyncIterable<Uint8Array> {
      yield Buffer.from(envelopeFields(sender, to, collect.field));
      yield* renameFields(octets, collect.field);
      drop.#gave(n);
    }
    return { chunks, close: () => content.close() };
  }

  async remove(numbers: readonly number[]): Promise<boolean> {
    const entries = new Map<EntryId, number[]>();
    for (const n of numbers) {
      const { id } = this.#message(n);
      const same = entries.get(id);
      if (same) same.push(n);
      else entries.set(id, [n]);
    }
    let all = true;
    const wanted = [...entries];
    for (let i = 0; i < wanted.length; i += BATCH) {
      if (!(await this.#settle(wanted.slice(i, i + BATCH)))) all = false;
    }
    return all;
  }

  async release(): Promise<void> {
    const { lent, login, log } = this.#options;
    const counts = { mails: this.#removed, octets: this.#octets };
    await lent.end(counts);
    const { queue } = lent.lease;
    log.info('mailbox closed', {
      queue,
      login: login.name,
      peer: login.address,
      fetched: this.#fetched.size,
      octets: this.#octets,
      removed: this.#removed,
      left: this.count - this.#removed,
    });
  }

  /** All of it has left. */
  #gave(n: number): void {
    this.#fetched.add(n);
    this.#octets += this.size(n);
  }

  /** False: some could not be settled. */
  async #settle(wanted: readonly (readonly [EntryId, readonly number[]])[]): Promise<boolean> {
    const { spool, lent } = this.#options;
    const read = await Promise.all(
      wanted.map(async ([id, numbers]) => [await spool.read(id), numbers] as const),
    );
    const settlements: Settlement[] = [];
    const told: (() => void)[] = [];
    let all = true;
    for (const [entry, numbers] of read) {
      if ('kind' in entry) {
        // What is gone is deleted; what is damaged can be removed by an operator only.
        if (entry.kind === 'corrupt') all = false;
        continue;
      }
      const outcomes = numbers.flatMap((n) => this.#outcomes(entry, n));
      settlements.push({ id: entry.id, outcomes });
      told.push(() => this.#tell(entry, outcomes));
    }
    await lent.lease.settle(settlements);
    for (const tell of told) tell();
    this.#removed += wanted.reduce((sum, [, numbers]) => sum + numbers.length, 0);
    return all;
  }

  #outcomes(entry: Entry, n: number): Settlement['outcomes'] {
    const { login } = this.#options;
    const { recipient } = this.#message(n);
    const outcome: Outcome = {
      kind: 'delivered',
      reply: this.#fetched.has(n) ? FETCHED : DELETED,
      host: login.address,
    };
    return pendingOf(entry, recipient).map((i) => ({ recipient: i, outcome }));
  }

  /** As the keepers tell it. */
  #tell({ id, mail, queue, envelope }: Entry, outcomes: Settlement['outcomes']): void {
    const { login, log } = this.#options;
    for (const text of [FETCHED, DELETED]) {
      const recipients = outcomes
        .filter(({ outcome }) => outcome.reply === text)
        .map(({ recipient }) => envelope.recipients[recipient]?.address ?? '');
      if (recipients.length === 0) continue;
      const fields = {
        queue,
        mail,
        entry: id,
        host: login.address,
        reply: describe(text),
        login: login.name,
      };
      log.info('mail handed over', { ...fields, recipients });
    }
  }

  #message(n: number): MailboxMessage {
    const message = this.#options.messages[n - 1];
    if (!message) throw new Error(`no message ${n}`);
    return message;
  }
}
