/**
 * One mail transaction (RFC 5321 §3.3): what MAIL said, and the accepted recipients, grouped by
 * the queue that they belong to. Each queue gets an entry with its own recipients and nobody else's.
 */
import { domainOf } from '../mail/address.ts';
import type { Envelope, Origin, Recipient } from '../mail/envelope.ts';
import type { HeaderScan } from '../mail/header.ts';
import { describe } from '../mail/reply.ts';
import type { AskedRecipient, Asking } from '../policy/check.ts';
import { Findings } from '../policy/findings.ts';
import { askedOf } from '../policy/pipeline.ts';
import type { Route } from '../policy/relay.ts';
import { needsUtf8 } from '../policy/utf8.ts';
import type { Refusal } from '../policy/verdict.ts';
import type { MailCommand, Manner, RcptCommand } from '../protocol/smtp/session.ts';
import type { Site, SiteDirectory } from '../site/site.ts';
import type { Hold, NewEntry, QueueName } from '../spool/port.ts';

const MOST_TOLD = 20;

/** The recipients of one queue. */
export interface Part {
  readonly queue: QueueName;
  /** The site's name, if the queue is a site's. */
  readonly site?: string;
  readonly recipients: Recipient[];
}

export class Transaction implements Asking {
  readonly mail: MailCommand;
  readonly manner: Manner;
  /** The site that sends it by its send rule; undefined for a stranger's mail. */
  readonly sending?: Site;
  readonly findings = new Findings();
  /** The accepted recipients, as checks see them. */
  readonly asked: AskedRecipient[] = [];
  /** The first of those that were not, each with what it heard and why: for the log of the mail that others get. */
  readonly refused: string[] = [];
  readonly #directory: SiteDirectory;
  /** In the order of their first recipients. */
  readonly parts: Part[] = [];
  readonly #parts = new Map<QueueName, Part>();

  constructor(mail: MailCommand, manner: Manner, directory: SiteDirectory, sending?: Site) {
    this.mail = mail;
    this.manner = manner;
    if (sending) this.sending = sending;
    this.#directory = directory;
  }

  get recipients(): readonly string[] {
    return this.parts.flatMap((part) => part.recipients.map((r) => r.address));
  }

  refuse(address: string, { reply, why }: Refusal): void {
    if (this.refused.length < MOST_TOLD) this.refused.push(`${address}: ${describe(reply)} (${why})`);
  }

  add(rcpt: RcptCommand, route: Route): void {
    this.asked.push(askedOf(route));
    this.#part(route).recipients.push(recipientOf(rcpt, route));
  }

  #part(route: Route): Part {
    const there = this.#parts.get(route.queue);
    if (there) return there;
    const site = route.site && { site: route.site.name };
    const part: Part = { queue: route.queue, ...site, recipients: [] };
    this.#parts.set(route.queue, part);
    this.parts.push(part);
    return part;
  }

  /** These recipients get it not, nor do queues that have none left. */
  drop(removed: ReadonlyMap<string, string>): void {
    if (removed.size === 0) return;
    for (const part of this.parts.splice(0)) {
      const recipients = part.recipients.filter(({ address }) => !removed.has(address));
      if (recipients.length > 0) this.parts.push({ ...part, recipients });
    }
  }

  /** Whether these sites would put each recipient where it was put: a reload may have come in between. */
  routedBy(directory: SiteDirectory): boolean {
    if (directory === this.#directory) return true;
    return this.parts.every(({ site, recipients }) =>
      recipients.every((r) => directory.byDomain(domainOf(r.address))?.name === site),
    );
  }

  /** Whether this part of the mail can be handed over only by SMTPUTF8 (RFC 6531). */
  utf8(part: Part, charset: HeaderScan['charset']): boolean {
    const addresses = [this.mail.sender, ...part.recipients.map((r) => r.address)];
    return needsUtf8(this.mail.smtputf8, addresses, charset);
  }

  entry(part: Part, charset: HeaderScan['charset'], origin: Origin): NewEntry {
    const { sender, body, ret, envid } = this.mail;
    const envelope: Envelope = {
      sender,
      recipients: part.recipients,
      body,
      smtputf8: this.utf8(part, charset),
      ...(ret && { ret }),
      ...(envid !== undefined && { envid }),
    };
    const { quarantine } = this.findings;
    const hold: Hold | undefined =
      quarantine === undefined ? undefined : { kind: 'operator', reason: quarantine };
    return { queue: part.queue, envelope, origin, ...(hold && { hold }) };
  }
}

/** As it is kept and handed over. */
export const recipientOf = ({ notify, orcpt }: RcptCommand, { address }: Route): Recipient => ({
  address,
  ...(notify && { notify }),
  ...(orcpt !== undefined && { orcpt }),
});
